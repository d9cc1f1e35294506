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
from tocsin.domain.errors import Detail
from tocsin.domain.limits import MAX_BODY_BYTES, MAX_EVENTS_PER_BATCH

__all__ = ["INGEST_PATH", "Batch", "Outbox", "Receipt", "Rejection"]

INGEST_PATH: Final = "/api/v1/ingest/raw"
_HEAD, _TAIL = b'{"events":[', b"]}"


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that was left out of a ``partial`` request: its place there, and why."""

    index: int
    details: Sequence[Detail]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What Tocsin took.

    Attributes:
        ingested: Events that are stored now.
        rejected: Events that were left out, with ``partial`` alone.
        rejections: Why, as far as Tocsin told; ``index`` counts from the first event sent.
        remaining_quota: Events that the org may still send this month.
    """

    ingested: int = 0
    rejected: int = 0
    rejections: Sequence[Rejection] = ()
    remaining_quota: int | None = None

    def __add__(self, later: "Receipt") -> "Receipt":
        """Return both together, with the quota as the later one has it."""
        quota = self.remaining_quota if later.remaining_quota is None else later.remaining_quota
        return Receipt(
            self.ingested + later.ingested,
            self.rejected + later.rejected,
            (*self.rejections, *later.rejections),
            quota,
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """The serialised events of one request, and the key that makes it safe to repeat."""

    events: Sequence[bytes]
    key: str
    first_index: int = 0

    def body(self) -> bytes:
        """Return the request's body: the same bytes every time."""
        return _HEAD + b",".join(self.events) + _TAIL

    def receipt(self, response: httpx.Response) -> Receipt:
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
            return Receipt(int(data["ingested"]), int(data["rejected"]), rejections, quota)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise httpx.RemoteProtocolError(
                f"{response.url} answered, but not as Tocsin does: is it Tocsin's URL?",
                request=response.request,
            ) from error


class Outbox:
    """Iterate over it for batches; hand every answer to :meth:`settle` before the next one.

    The same events with the same ``key`` give the same batches with the same keys, so that all
    can be sent again, within the 24 hours that Tocsin remembers a key, without a double.
    """

    def __init__(self, events: Iterable[bytes], key: str | None) -> None:
        """Take serialised events lazily: as many as the batch that is asked for holds."""
        self._events = enumerate(events)
        self._key = key or uuid4().hex
        self._halves: list[Batch] = []

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches until the events are used up."""
        for number, batch in enumerate(self._cut(), start=1):
            key = self._key if number == 1 else f"{self._key}-{number}"
            yield Batch(batch.events, key, batch.first_index)
            while self._halves:
                yield self._halves.pop()

    def settle(self, batch: Batch, response: httpx.Response) -> Receipt | None:
        """Return what was taken, or None if the batch was too large and comes again in halves.

        What fits is for Tocsin to know: its limit is on the compressed size.

        Raises:
            ApiError: The batch was refused; nothing of it is stored.
        """
        middle = len(batch.events) // 2
        if response.status_code != httpx.codes.REQUEST_ENTITY_TOO_LARGE or not middle:
            return batch.receipt(response)
        second = Batch(batch.events[middle:], f"{batch.key}b", batch.first_index + middle)
        self._halves += second, Batch(batch.events[:middle], f"{batch.key}a", batch.first_index)
        return None

    def _cut(self) -> Iterator[Batch]:
        events: list[bytes] = []
        size_bytes = first_index = 0
        for index, event in self._events:
            full = len(events) == MAX_EVENTS_PER_BATCH or size_bytes + len(event) > MAX_BODY_BYTES
            if events and full:
                yield Batch(events, "", first_index)
                events, size_bytes, first_index = [], 0, index
            size_bytes += len(event) + 1
            if not events:
                size_bytes = len(_HEAD + _TAIL) + len(event) + 1
            events.append(event)
        if events:
            yield Batch(events, "", first_index)
