"""The queues, as the deployed stack has them but for their dead letters."""

from typing import TYPE_CHECKING

from tocsin.local.functions import Receives

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["create"]


def create(client: "SQSClient", url: str, receives: Receives) -> None:
    """Create the queue with this URL; one that is there stays, with its messages."""
    name = url.rpartition("/")[2]
    try:
        # Of the last run, perhaps: on another port the emulator would create it once more.
        client.get_queue_url(QueueName=name)
    except client.exceptions.QueueDoesNotExist:
        visibility = str(receives.visibility_here_seconds)
        client.create_queue(QueueName=name, Attributes={"VisibilityTimeout": visibility})
