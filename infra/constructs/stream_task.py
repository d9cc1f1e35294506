"""The stream service in a container."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.config import Config
from infra.constructs.image import stream_image
from infra.constructs.logs import Logs
from infra.constructs.stream import allow_stream, stream_environment
from infra.constructs.tables import Tables
from infra.constructs.valkey import Valkey

__all__ = ["STREAM_PORT", "stream_task"]

STREAM_PORT = 8080
_DRAIN_SECONDS = 30  # on SIGTERM the service ends its streams, and their clients come back
_FILES = 65_536  # open files: each connection is one


def stream_task(
    scope: Construct,
    id: str,
    *,
    cpu: int,
    memory_limit_mib: int,
    config: Config,
    tables: Tables,
    valkey: Valkey | None,
) -> ecs.FargateTaskDefinition:
    """Return an ARM task of this size (``cpu`` 1024 is one vCPU)."""
    task = ecs.FargateTaskDefinition(
        scope,
        id,
        cpu=cpu,
        memory_limit_mib=memory_limit_mib,
        runtime_platform=ecs.RuntimePlatform(
            cpu_architecture=ecs.CpuArchitecture.ARM64,
            operating_system_family=ecs.OperatingSystemFamily.LINUX,
        ),
    )
    allow_stream(task.task_role, tables=tables, valkey=valkey)
    region = Stack.of(scope).region
    container = task.add_container(
        "Stream",
        image=stream_image(scope, "Image", config=config),
        environment={
            "AWS_REGION": region,  # as Lambda sets both; boto3 reads the second
            "AWS_DEFAULT_REGION": region,
            **stream_environment(config=config, tables=tables, valkey=valkey),
        },
        port_mappings=[ecs.PortMapping(container_port=STREAM_PORT)],
        logging=ecs.LogDrivers.aws_logs(
            stream_prefix="stream",
            log_group=Logs(scope, "Logs", config=config),
            mode=ecs.AwsLogDriverMode.NON_BLOCKING,
        ),
        readonly_root_filesystem=True,
        stop_timeout=Duration.seconds(_DRAIN_SECONDS),
    )
    files = ecs.Ulimit(name=ecs.UlimitName.NOFILE, soft_limit=_FILES, hard_limit=_FILES)
    container.add_ulimits(files)
    acknowledge(
        task,
        {
            "AwsSolutions-ECS2": "its variables are names and numbers, not secrets",
            "AwsSolutions-IAM5[Resource::*]": "a token for the registry has no ARN to name",
        },
    )
    return task
