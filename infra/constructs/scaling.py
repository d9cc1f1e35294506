"""As many tasks as there are connections for."""

from aws_cdk import Names
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from infra.config import Config

__all__ = ["follow_connections"]

_Policy = scaling.CfnScalingPolicy
_Tracking = _Policy.TargetTrackingScalingPolicyConfigurationProperty
_Custom = _Policy.CustomizedMetricSpecificationProperty
_Data = _Policy.TargetTrackingMetricDataQueryProperty


def follow_connections(
    scope: Construct,
    *,
    config: Config,
    service: ecs.FargateService,
    balancer: elb.ApplicationLoadBalancer,
    targets: elb.ApplicationTargetGroup,
) -> None:
    """Scale a service by its connections, and by its CPU."""
    tasks = service.auto_scale_task_count(
        min_capacity=config.stream_tasks_min, max_capacity=config.stream_tasks_max
    )
    tasks.scale_on_cpu_utilization("Cpu", target_utilization_percent=60)
    policy = _Policy(
        scope,
        "Connections",
        policy_name=Names.unique_resource_name(scope, max_length=64),
        policy_type="TargetTrackingScaling",
        resource_id=f"service/{service.cluster.cluster_name}/{service.service_name}",
        scalable_dimension="ecs:service:DesiredCount",
        service_namespace="ecs",
        target_tracking_scaling_policy_configuration=_Tracking(
            target_value=config.connections_per_task,
            customized_metric_specification=_Custom(
                metrics=[
                    _data("connections", balancer.metrics.active_connection_count(), "Sum"),
                    _data("tasks", targets.metrics.healthy_host_count(), "Average"),
                    # A stream is a connection to the load balancer and one from it.
                    _Data(id="load", expression="connections / 2 / tasks"),
                ]
            ),
        ),
    )
    policy.node.add_dependency(tasks)


def _data(id: str, metric: cloudwatch.Metric, statistic: str) -> _Data:
    dimensions = [
        _Policy.TargetTrackingMetricDimensionProperty(name=name, value=value)
        for name, value in (metric.dimensions or {}).items()
    ]
    return _Data(
        id=id,
        return_data=False,
        metric_stat=_Policy.TargetTrackingMetricStatProperty(
            metric=_Policy.TargetTrackingMetricProperty(
                namespace=metric.namespace, metric_name=metric.metric_name, dimensions=dimensions
            ),
            stat=statistic,
        ),
    )
