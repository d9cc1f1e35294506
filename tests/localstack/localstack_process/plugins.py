"""What LocalStack finds through entry points; imports the rest when it is chosen."""

from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.plugins import Service, aws_provider

if TYPE_CHECKING:
    from localstack_process.executor import ProcessExecutor

__all__ = ["ProcessExecutorPlugin", "dynamodb", "dynamodbstreams", "s3"]


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    """``LAMBDA_RUNTIME_EXECUTOR=process``."""

    name = "process"

    def load(self, *args: Any, **kwargs: Any) -> "type[ProcessExecutor]":
        """Return the executor's class."""
        from localstack_process.executor import ProcessExecutor

        return ProcessExecutor


@aws_provider(api="dynamodb", name="moto")  # type: ignore[untyped-decorator]
def dynamodb() -> Service:
    """``PROVIDER_OVERRIDE_DYNAMODB=moto``."""
    from localstack_process import database

    return database.service()


@aws_provider(api="dynamodbstreams", name="moto")  # type: ignore[untyped-decorator]
def dynamodbstreams() -> Service:
    """``PROVIDER_OVERRIDE_DYNAMODBSTREAMS=moto``."""
    from localstack_process import streams

    return streams.service()


@aws_provider(api="s3", name="private")  # type: ignore[untyped-decorator]
def s3() -> Service:
    """``PROVIDER_OVERRIDE_S3=private``: not in the one folder that all LocalStacks would share."""
    from localstack.services.s3.provider import S3Provider
    from localstack.services.s3.storage.ephemeral import EphemeralS3ObjectStore

    return Service.for_provider(S3Provider(EphemeralS3ObjectStore(mkdtemp(prefix="s3-"))))
