"""Tails as delayed messages, ``{"org": …}``."""

from typing import TYPE_CHECKING, override

import orjson

from tocsin.adapters.sqs._calls import calls, delayed, names_in
from tocsin.ports.projections import Tails

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["SqsTails", "tail"]


def tail(body: str) -> str:
    """Read a message; return its org.

    Raises:
        Malformed: it is none of ours; another try would not change that.
    """
    [org] = names_in(body, "tail", "org")
    return org


class SqsTails(Tails):
    """:class:`~tocsin.ports.projections.Tails` on a fair queue, as the wakes' are."""

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    @override
    def set(self, org: str, delay_seconds: int) -> None:
        with calls("tail"):
            self._client.send_message(
                QueueUrl=self._queue_url,
                MessageBody=orjson.dumps({"org": org}).decode(),
                MessageGroupId=org,
                DelaySeconds=delayed(delay_seconds),
            )
