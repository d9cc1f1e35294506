"""Scaling the number of tasks with that of connections."""

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ecs as ecs

from infra.config import Config

__all__ = ["follow_connections"]


def follow_connections(
    service: ecs.FargateService, *, config: Config, connections: cloudwatch.IMetric
) -> None:
    """Scale a service by the mean of its tasks' ``connections``, and by its CPU.

    The tasks count their own. The load balancer's count would include idle connections, and count
    each stream twice.
    """
    tasks = service.auto_scale_task_count(
        min_capacity=config.stream_tasks_min, max_capacity=config.stream_tasks_max
    )
    tasks.scale_on_cpu_utilization("Cpu", target_utilization_percent=60)
    tasks.scale_to_track_custom_metric(
        "Connections", metric=connections, target_value=config.connections_per_task
    )
