"""A Lambda function of ours: ARM, Python 3.13, a role and a log group of its own."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import assets
from infra.acknowledge import acknowledge
from infra.config import Config
from infra.constructs.layers import RUNTIME, Layers
from infra.constructs.logs import Logs
from infra.constructs.signals import Emitted
from infra.constructs.tables import Tables
from infra.constructs.valkey import Valkey

__all__ = ["Function", "Props"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Props:
    """What a stack's functions are made from. Each uses only what it needs."""

    config: Config
    layers: Layers
    tables: Tables
    valkey: Valkey | None = None


class Function(lambda_.Function):
    """``functions/<name>/handler.py``, deployed. With ``valkey`` it runs in the VPC."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        props: Props,
        environment: Mapping[str, str],
        timeout: Duration,
        memory_mb: int = 512,
        valkey: Valkey | None = None,
        code: lambda_.Code | None = None,
        handler: str | None = None,
        reserved_concurrency: int | None = None,
        invokes_itself: bool = False,
    ) -> None:
        """Deploy the folder's handler, unless ``code`` and ``handler`` name another.

        One that ``invokes_itself`` sends messages to the queue that it is invoked by. Lambda would
        stop that after some sixteen rounds, and drop the message:
        https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
        """
        config, layers = props.config, props.layers
        self.emitted = Emitted(config, name)
        logs = Logs(scope, f"{id}Logs", config=config)
        role = _role(scope, f"{id}Role", in_vpc=valkey is not None)
        logs.grant_write(role)
        self.own_role = role
        super().__init__(
            scope,
            id,
            runtime=RUNTIME,
            architecture=layers.architecture,
            code=code or lambda_.Code.from_asset(str(assets.function(name))),
            handler=handler or f"functions.{name}.handler.handler",
            layers=layers.all,
            environment={
                "POWERTOOLS_SERVICE_NAME": name,
                "POWERTOOLS_METRICS_NAMESPACE": self.emitted.namespace,
                **environment,
            },
            timeout=timeout,
            memory_size=memory_mb,
            reserved_concurrent_executions=reserved_concurrency,
            recursive_loop=lambda_.RecursiveLoop.ALLOW if invokes_itself else None,
            role=role,
            log_group=logs,
            logging_format=lambda_.LoggingFormat.JSON,
            # Without START, END and REPORT, which would be most of the logs' cost.
            system_log_level_v2=lambda_.SystemLogLevel.WARN,
            application_log_level_v2=lambda_.ApplicationLogLevel.INFO,
            tracing=lambda_.Tracing.ACTIVE if config.tracing else lambda_.Tracing.DISABLED,
            vpc=valkey.vpc if valkey else None,
            vpc_subnets=valkey.subnets if valkey else None,
            security_groups=[valkey.clients] if valkey else None,
        )
        acknowledge(self, {"AwsSolutions-L1": "the locks are resolved for Python 3.13"})

    def run_every(self, period: Duration) -> None:
        """Have it invoked with ``{}``.

        A run that fails is not repeated, and one that finds no free function is given up when the
        next is due, which does it again.
        """
        target = targets.LambdaFunction(
            self, event=events.RuleTargetInput.from_object({}), retry_attempts=0
        )
        events.Rule(self, "Schedule", schedule=events.Schedule.rate(period), targets=[target])
        self.configure_async_invoke(retry_attempts=0, max_event_age=period)


def _role(scope: Construct, id: str, *, in_vpc: bool) -> iam.Role:
    role = iam.Role(scope, id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    acknowledge(
        role,
        {
            "AwsSolutions-IAM5[Resource::*]": "traces, network interfaces and the list of streams "
            "have no ARN to name"
        },
    )
    if in_vpc:
        actions = ["CreateNetworkInterface", "DeleteNetworkInterface"]
        actions += ["DescribeNetworkInterfaces", "DescribeSubnets"]
        actions += ["AssignPrivateIpAddresses", "UnassignPrivateIpAddresses"]
        role.add_to_policy(
            iam.PolicyStatement(
                sid="LambdaInVpc",
                actions=[f"ec2:{action}" for action in actions],
                resources=["*"],
            )
        )
    return role
