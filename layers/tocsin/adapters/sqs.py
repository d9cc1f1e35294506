"""Timers as delayed messages of an SQS queue."""

from typing import TYPE_CHECKING, Final, cast, override

import orjson
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from tocsin import __version__
from tocsin.domain.errors import Busy
from tocsin.ports import Timers

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["MAX_DELAY_SECONDS", "SqsTimers", "client", "delay_seconds"]

MAX_DELAY_SECONDS: Final = 900
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""


def client() -> "SQSClient":
    """Return a client that gives up within a few seconds, so that a caller can be told."""
    config = Config(
        connect_timeout=1,
        read_timeout=3,
        retries={"mode": "standard", "total_max_attempts": 3},
        parameter_validation=False,  # mypy has checked them
        user_agent=f"tocsin/{__version__}",
    )
    return cast("SQSClient", get_session().create_client("sqs", config=config))


class SqsTimers(Timers):
    """:class:`~tocsin.ports.Timers` on a standard queue.

    A message comes once or, rarely, more often, and perhaps a little late. It is never early.
    """

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    @override
    def set(self, org: str, approval_id: str, due_ms: int, now_ms: int) -> None:
        body = orjson.dumps({"org": org, "approval": approval_id}).decode()
        try:
            self._client.send_message(
                QueueUrl=self._queue_url,
                MessageBody=body,
                DelaySeconds=delay_seconds(due_ms, now_ms),
            )
        except (ClientError, BotoCoreError) as error:
            raise Busy("the queue does not answer: send the same again") from error


def delay_seconds(due_ms: int, now_ms: int) -> int:
    """Return the whole seconds until something is due, as far as a message can be delayed."""
    return min(max(0, -((now_ms - due_ms) // 1_000)), MAX_DELAY_SECONDS)
