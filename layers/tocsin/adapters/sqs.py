"""Timers as delayed messages of an SQS queue.

A message is a few bytes of JSON, ``{"org": …, "approval": …}``. SQS delays it 15 minutes at most,
so whoever is woken before the time sets the timer again. It may come twice, and out of order.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple, cast, override

import orjson
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from tocsin import __version__
from tocsin.domain.errors import Busy, Malformed
from tocsin.ports.deciding import Timers

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["MAX_DELAY_SECONDS", "SqsTimers", "Woken", "client", "delay_seconds", "woken"]

MAX_DELAY_SECONDS: Final = 900
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""

# Throttled; or the queue is not there, or may not be used (any more). What else SQS refuses with
# 4xx is a request that it does not understand.
_TRANSIENT: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "ExpiredToken",
        "ExpiredTokenException",
        "QueueDoesNotExist",
        "RequestThrottled",
        "ThrottlingException",
        "UnrecognizedClientException",
    }
)


class Woken(NamedTuple):
    """What a message says: look at this approval."""

    org: str
    approval_id: str


def client() -> "SQSClient":
    """Return a client that gives up within a few seconds, like that of DynamoDB."""
    config = Config(
        connect_timeout=1,
        read_timeout=3,
        retries={"mode": "standard", "total_max_attempts": 3},
        tcp_keepalive=True,
        user_agent=f"tocsin/{__version__}",
    )
    return cast("SQSClient", get_session().create_client("sqs", config=config))


def delay_seconds(due_ms: int, now_ms: int) -> int:
    """Return for how long a message is delayed: whole seconds, so that it is not early."""
    return min(MAX_DELAY_SECONDS, max(0, -((now_ms - due_ms) // 1_000)))


def woken(body: str) -> Woken:
    """Read a message.

    Raises:
        Malformed: it is none of ours; another try would not change that.
    """
    try:
        told = orjson.loads(body)
        org, approval_id = told["org"], told["approval"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Malformed(f"the message is no timer: {error!r}") from error
    if not (isinstance(org, str) and org and isinstance(approval_id, str) and approval_id):
        raise Malformed("the message is no timer: it names no org or no approval")
    return Woken(org, approval_id)


class SqsTimers(Timers):
    """:class:`~tocsin.ports.deciding.Timers` on a standard queue."""

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    @override
    def set(self, org: str, approval_id: str, due_ms: int, now_ms: int) -> None:
        body = orjson.dumps({"org": org, "approval": approval_id}).decode()
        with _calls():
            self._client.send_message(
                QueueUrl=self._queue_url,
                MessageBody=body,
                DelaySeconds=delay_seconds(due_ms, now_ms),
            )


@contextmanager
def _calls() -> Iterator[None]:
    """Turn the SDK's transient errors into Busy; a message too many does no harm."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        failed = error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
        if failed or code in _TRANSIENT:
            raise Busy(f"the timer can't be set ({code}): send the same again") from error
        raise
    except BotoCoreError as error:
        raise Busy("the timers are out of reach: send the same again") from error
