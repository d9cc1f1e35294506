"""Wakes as messages, ``{"org": …, "endpoints": […]}``, of two queues: a quick and a slow one.

A message names as many of an org's endpoints as it can, so that the org takes one place of those
who receive. Both are fair queues: the org of a message is its ``MessageGroupId``, so that an org
with many messages holds up no other's
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html).
"""

from collections.abc import Sequence
from itertools import batched
from typing import TYPE_CHECKING, Final, NamedTuple, override

import orjson

from tocsin.adapters.sqs._calls import calls, delayed, names_in
from tocsin.domain.errors import Busy, Malformed
from tocsin.domain.limits import MAX_ENDPOINTS
from tocsin.ports.notify import Wakes

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

__all__ = ["SqsWakes", "Wake", "wake"]

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
_BATCH: Final = 10
_ENDPOINTS: Final = MAX_ENDPOINTS  # of a message: some 3 KB
_TRIES: Final = 2  # of the entries of a batch that SQS did not take


class Wake(NamedTuple):
    """What a message says: look at these endpoints."""

    org: str
    endpoint_ids: tuple[str, ...]


def wake(body: str) -> Wake:
    """Read a message.

    Raises:
        Malformed: it is none of ours; another try would not change that.
    """
    [org] = names_in(body, "wake", "org")
    ids = orjson.loads(body).get("endpoints")
    if ids is None:  # one of a version that named a single one
        return Wake(org, names_in(body, "wake", "endpoint"))
    if not (isinstance(ids, list) and ids and all(isinstance(id, str) and id for id in ids)):
        raise Malformed("the message is no wake: it names no endpoints")
    return Wake(org, tuple(dict.fromkeys(ids)))


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
        messages = batched(ids, _ENDPOINTS, strict=False)
        for some in batched(messages, _BATCH, strict=False):
            self._send(
                url,
                {
                    str(place): {
                        "Id": str(place),
                        "MessageBody": orjson.dumps({"org": org, "endpoints": named}).decode(),
                        "MessageGroupId": org,
                        "DelaySeconds": delayed(delay_seconds),
                    }
                    for place, named in enumerate(some)
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
