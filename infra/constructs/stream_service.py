"""The stream service on Fargate, behind a load balancer that only CloudFront reaches."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.config import Config
from infra.constructs.balancer import internal_balancer
from infra.constructs.network import Network
from infra.constructs.scaling import follow_connections
from infra.constructs.signals import Alarms, graph
from infra.constructs.stream import READ_TIMEOUT_SECONDS, StreamMetrics
from infra.constructs.stream_task import STREAM_PORT, stream_task
from infra.constructs.tables import Tables
from infra.constructs.valkey import Valkey

__all__ = ["StreamService"]


class StreamService(Construct):
    """ARM tasks with public addresses (no NAT), as many as the connections need."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        network: Network,
        tables: Tables,
        valkey: Valkey | None,
    ) -> None:
        super().__init__(scope, id)
        self._metrics = StreamMetrics(config)
        self._full = config.streams_per_task * 4 // 5
        self.service = self._service(config, network, tables, valkey)
        self.balancer = internal_balancer(self, "LoadBalancer", network=network)
        self.targets = self.balancer.add_listener("Http", port=80, open=False).add_targets(
            "Tasks",
            port=STREAM_PORT,
            protocol=elb.ApplicationProtocol.HTTP,
            targets=[self.service],
            # For long connections: round robin would leave a new task empty.
            load_balancing_algorithm_type=(
                elb.TargetGroupLoadBalancingAlgorithmType.LEAST_OUTSTANDING_REQUESTS
            ),
            # For lists and exports. Waiting does not end streams: the load balancer cuts them then,
            # before ECS sends SIGTERM, and each client waits as long as its stream's opening said.
            deregistration_delay=Duration.seconds(10),
            health_check=elb.HealthCheck(
                # Not /healthz: its 503 says that the ledger is away, and another task would not
                # have it either. (A load balancer takes no code above 499 for healthy:
                # https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Matcher.html)
                path="/livez",
                interval=Duration.seconds(10),
                timeout=Duration.seconds(5),
                healthy_http_codes="200",
            ),
        )
        connections = self._metrics.connections(cloudwatch.Stats.AVERAGE)
        follow_connections(self.service, config=config, connections=connections)

    def origin(self) -> cloudfront.IOrigin:
        """See :class:`~infra.constructs.stream.StreamHost`."""
        return origins.VpcOrigin.with_application_load_balancer(
            self.balancer,
            protocol_policy=cloudfront.OriginProtocolPolicy.HTTP_ONLY,  # never leaves AWS
            read_timeout=Duration.seconds(READ_TIMEOUT_SECONDS),
            keepalive_timeout=Duration.seconds(60),  # sooner than the load balancer closes
        )

    def alarm(self, alarms: Alarms) -> None:
        """See :class:`~infra.constructs.signals.Watched`."""
        alarms.silent("StreamGone", self._healthy, "No task of the stream service answers.")
        alarms.above("StreamFailures", self._failures, 10, _FAILURES, periods=2)
        fullest = self._metrics.connections(cloudwatch.Stats.MAXIMUM)
        alarms.above("StreamFull", fullest, self._full, _FULL, periods=5)
        self._metrics.alarm(alarms)

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """See :class:`~infra.constructs.signals.Watched`."""
        service = self.service
        connections = self._metrics.connections(cloudwatch.Stats.SUM)
        return [
            graph("Streams: connections", connections, right=[self._healthy]),
            graph(
                "Streams: percent",
                service.metric_cpu_utilization(),
                service.metric_memory_utilization(),
            ),
            graph("Streams: 5xx", self._failures),
            *self._metrics.graphs(),
        ]

    @property
    def _healthy(self) -> cloudwatch.Metric:
        # Each zone's node reports what it sees; the least of them is 0 when one node is new.
        return self.targets.metrics.healthy_host_count(statistic=cloudwatch.Stats.MAXIMUM)

    @property
    def _failures(self) -> cloudwatch.Metric:
        return self.targets.metrics.http_code_target(elb.HttpCodeTarget.TARGET_5XX_COUNT)

    def _service(
        self, config: Config, network: Network, tables: Tables, valkey: Valkey | None
    ) -> ecs.FargateService:
        own = ec2.SecurityGroup(self, "Tasks", vpc=network.vpc, description="The stream service")
        groups: list[ec2.ISecurityGroup] = [own]
        if valkey is not None:  # unchanged: this stack's rules don't belong in the other's group
            clients = valkey.clients.security_group_id
            groups.append(
                ec2.SecurityGroup.from_security_group_id(self, "Clients", clients, mutable=False)
            )
        task = stream_task(
            self,
            "Task",
            cpu=256,
            memory_limit_mib=512,  # a connection takes some 8 KB
            config=config,
            tables=tables,
            valkey=valkey,
        )
        cluster = ecs.Cluster(self, "Cluster", vpc=network.vpc)
        service = ecs.FargateService(
            self,
            "Service",
            cluster=cluster,
            task_definition=task,
            assign_public_ip=True,
            vpc_subnets=network.public,
            security_groups=groups,
            min_healthy_percent=100,
            max_healthy_percent=200,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            health_check_grace_period=Duration.seconds(60),
            # It would stop tasks, and with them streams, only to even out their number by zone.
            # A new service has it unless told otherwise:
            # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-rebalancing.html
            availability_zone_rebalancing=ecs.AvailabilityZoneRebalancing.DISABLED,
        )
        containers = "Container Insights costs more than the service's task"
        acknowledge(cluster, {"AwsSolutions-ECS4": containers})
        return service


_FAILURES = "The stream service answers 5xx: see its log, and whether DynamoDB answers."
_FULL = "A task holds four fifths of the streams that it takes: raise stream_tasks_max."
