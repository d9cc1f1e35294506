"""Timers as delayed messages, ``{"org": …, "approval": …}``.

SQS delays a message 15 minutes at most, so whoever is woken before the time sets the timer again.
"""

from typing import TYPE_CHECKING, NamedTuple, override

import orjson

from tocsin.adapters.sqs._calls import calls, delayed, names_in
from tocsin.ports.deciding import Timers

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["SqsTimers", "Woken", "delay_seconds", "woken"]


class Woken(NamedTuple):
    """What a message says: look at this approval."""

    org: str
    approval_id: str


def delay_seconds(due_ms: int, now_ms: int) -> int:
    """Return for how long a message is delayed: whole seconds, so that it is not early."""
    return delayed(-((now_ms - due_ms) // 1_000))


def woken(body: str) -> Woken:
    """Read a message.

    Raises:
        Malformed: it is none of ours; another try would not change that.
    """
    return Woken(*names_in(body, "timer", "org", "approval"))


class SqsTimers(Timers):
    """:class:`~tocsin.ports.deciding.Timers` on a standard queue."""

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    @override
    def set(self, org: str, approval_id: str, due_ms: int, now_ms: int) -> None:
        body = orjson.dumps({"org": org, "approval": approval_id}).decode()
        with calls("timer"):
            self._client.send_message(
                QueueUrl=self._queue_url,
                MessageBody=body,
                DelaySeconds=delay_seconds(due_ms, now_ms),
            )
