"""Events on their way out: cut into requests that the limits allow, each with a key of its own.

No I/O: a client takes a batch, sends it, and settles it with the answer.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import httpx
import orjson

from tocsin.client._errors import ApiError
from tocsin.client._result import Rejection, SendResult
from tocsin.domain.limits import MAX_BODY_BYTES, MAX_EVENTS_PER_BATCH

__all__ = ["INGEST_PATH", "Outbox", "OutgoingBatch"]

INGEST_PATH: Final = "/api/v1/ingest/raw"
_HEAD, _TAIL = b'{"events":[', b"]}"


@dataclass(frozen=True, slots=True)
class OutgoingBatch:
    """The serialised events of one request, and the key that makes it safe to repeat."""

    events: Sequence[bytes]
    key: str
    first_index: int = 0

    def body(self) -> bytes:
        """Return the request's body: the same bytes every time."""
        return _HEAD + b",".join(self.events) + _TAIL

    def result(self, response: httpx.Response) -> SendResult:
        """Read Tocsin's answer.

        Raises:
            ApiError: It is not success.
            httpx.RemoteProtocolError: It is not Tocsin's.
        """
        if not response.is_success:
            raise ApiError(response)
        try:
            answer = orjson.loads(response.content)
            data, meta = answer["data"], answer.get("meta") or {}
            rejections = tuple(
                Rejection(self.first_index + int(item["index"]), item["details"])
                for item in data.get("errors") or ()
            )
            quota = meta.get("remainingQuota")
            return SendResult(int(data["ingested"]), int(data["rejected"]), rejections, quota)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise httpx.RemoteProtocolError(
                f"{response.url} answered, but not as Tocsin does: is it Tocsin's URL?",
                request=response.request,
            ) from error


class Outbox:
    """Iterate over it for batches; hand every answer to :meth:`settle` before the next one.

    The same events with the same ``key`` give the same batches with the same keys, so that all
    can be sent again, within the 24 hours that Tocsin remembers a key, without duplicates.
    """

    def __init__(self, events: Iterable[bytes], key: str | None) -> None:
        """Take serialised events lazily: only as many as the next batch holds."""
        self._events = enumerate(events)
        self._key = key or uuid4().hex
        self._halves: list[OutgoingBatch] = []

    def __iter__(self) -> Iterator[OutgoingBatch]:
        """Yield batches until the events are used up."""
        for number, batch in enumerate(self._cut(), start=1):
            key = self._key if number == 1 else f"{self._key}-{number}"
            yield OutgoingBatch(batch.events, key, batch.first_index)
            while self._halves:
                yield self._halves.pop()

    def settle(self, batch: OutgoingBatch, response: httpx.Response) -> SendResult | None:
        """Return what was taken, or None if the batch was too large and comes again in halves.

        Only Tocsin knows what fits: its limit is on the compressed size.

        Raises:
            ApiError: The batch was refused; nothing of it is stored.
        """
        middle = len(batch.events) // 2
        if response.status_code != httpx.codes.REQUEST_ENTITY_TOO_LARGE or not middle:
            return batch.result(response)
        first, second = batch.events[:middle], batch.events[middle:]
        self._halves += (
            OutgoingBatch(second, f"{batch.key}b", batch.first_index + middle),
            OutgoingBatch(first, f"{batch.key}a", batch.first_index),
        )
        return None

    def _cut(self) -> Iterator[OutgoingBatch]:
        events: list[bytes] = []
        size_bytes = first_index = 0
        for index, event in self._events:
            full = len(events) == MAX_EVENTS_PER_BATCH or size_bytes + len(event) > MAX_BODY_BYTES
            if events and full:
                yield OutgoingBatch(events, "", first_index)
                events, size_bytes, first_index = [], 0, index
            size_bytes += len(event) + 1
            if not events:
                size_bytes = len(_HEAD + _TAIL) + len(event) + 1
            events.append(event)
        if events:
            yield OutgoingBatch(events, "", first_index)
