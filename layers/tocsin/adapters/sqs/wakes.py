"""Wakes as messages, ``{"org": …, "endpoint": …}``, of two queues: one for those that are slow.

Both are fair queues: the org of a message is its ``MessageGroupId``, so that an org with many, or
slow ones, holds up no other's
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html).
"""

from collections.abc import Sequence
from itertools import batched
from typing import TYPE_CHECKING, Final, NamedTuple, override

import orjson

from tocsin.adapters.sqs._calls import calls, delayed, names_in
from tocsin.domain.errors import Busy
from tocsin.ports.notify import Wakes

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

__all__ = ["SqsWakes", "Wake", "wake"]

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
_BATCH: Final = 10
_TRIES: Final = 2  # of the entries of a batch that SQS did not take


class Wake(NamedTuple):
    """What a message says: look at this endpoint."""

    org: str
    endpoint_id: str


def wake(body: str) -> Wake:
    """Read a message.

    Raises:
        Malformed: it is none of ours; another try would not change that.
    """
    return Wake(*names_in(body, "wake", "org", "endpoint"))


class SqsWakes(Wakes):
    """:class:`~tocsin.ports.notify.Wakes` on two standard queues."""

    def __init__(
        self, client: "SQSClient", queue_url: str, slow_queue_url: str | None = None
    ) -> None:
        """Without a queue for slow ones those are woken by the other."""
        self._client = client
        self._queue_url = queue_url
        self._slow_queue_url = slow_queue_url or queue_url

    @override
    def wake(
        self, org: str, ids: Sequence[str], *, delay_seconds: int = 0, slow: bool = False
    ) -> None:
        url = self._slow_queue_url if slow else self._queue_url
        for some in batched(ids, _BATCH, strict=False):
            self._send(
                url,
                {
                    str(place): {
                        "Id": str(place),
                        "MessageBody": orjson.dumps({"org": org, "endpoint": id}).decode(),
                        "MessageGroupId": org,
                        "DelaySeconds": delayed(delay_seconds),
                    }
                    for place, id in enumerate(some)
                },
            )

    def _send(self, url: str, entries: "dict[str, SendMessageBatchRequestEntryTypeDef]") -> None:
        left, codes = entries, set[str]()
        for _ in range(_TRIES):
            with calls("wake"):
                answer = self._client.send_message_batch(QueueUrl=url, Entries=list(left.values()))
            failed = answer.get("Failed", ())
            if not failed:
                return
            left = {each["Id"]: entries[each["Id"]] for each in failed}
            codes = {each["Code"] for each in failed}
        raise Busy(f"{len(left)} wakes can't be set ({', '.join(sorted(codes))}): send them again")
