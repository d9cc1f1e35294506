"""Events on their way out: cut into requests that the limits allow, each with a key of its own.

No I/O: a client takes a batch, sends it, and settles it with the answer.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

import httpx
import orjson

from tocsin.client._errors import ApiError
from tocsin.client._result import Place, Rejection, SendResult
from tocsin.domain.errors import Detail, Invalid
from tocsin.domain.limits import MAX_BODY_BYTES, MAX_EVENTS_PER_BATCH, MAX_IDEMPOTENCY_KEY_CHARS
from tocsin.wire.intake.encoding import encoded

__all__ = ["INGEST_PATH", "Outbox", "OutgoingBatch", "Unsendable", "sendable"]

INGEST_PATH: Final = "/api/v1/ingest/raw"
_HEAD, _TAIL = b'{"events":[', b"]}"
_KEY: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class Unsendable:
    """What stands in the place of an event that can't be written as JSON, and why."""

    details: Sequence[Detail]
    error: Exception


def sendable(event: Mapping[str, Any]) -> bytes | Unsendable:
    """Return the event's JSON text, or why it has none."""
    try:
        return encoded(event)
    except Invalid as error:
        return Unsendable(error.details, error)
    except TypeError as error:
        return Unsendable([Detail(field="", message=str(error))], error)


@dataclass(frozen=True, slots=True)
class OutgoingBatch:
    """The serialised events of one request, and the key that makes it safe to repeat.

    ``indexes`` are the events' places in what the caller gave; empty: they are the first ones.
    With ``backfill`` they are imported.
    """

    events: Sequence[bytes]
    key: str
    indexes: Sequence[int] = ()
    backfill: bool = False

    def index_of(self, place: int) -> int:
        """Return the caller's index of the event at ``place`` of this request."""
        return self.indexes[place] if self.indexes else place

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
                Rejection(self.index_of(int(item["index"])), item["details"])
                for item in data.get("errors") or ()
            )
            quota = meta.get("remainingQuota")
            ignored = tuple(map(str, meta.get("ignoredFields") or ()))
            places = tuple(
                Place(item["id"], item["seq"], item["hash"]) for item in data.get("events") or ()
            )
            return SendResult(
                int(data["ingested"]),
                int(data["rejected"]),
                rejections,
                quota,
                ignored,
                places,
                data.get("suspended") is True,
            )
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise httpx.RemoteProtocolError(
                f"{response.url} answered, but not as Tocsin does: is it Tocsin's URL?",
                request=response.request,
            ) from error

    def halves(self, key: str) -> tuple["OutgoingBatch", "OutgoingBatch"]:
        """Return both parts of a batch of two or more events, with keys derived from ``key``.

        The first part has a power of two of events, so that it is the same part when the events
        after it become more or fewer.
        """
        middle = 1 << ((len(self.events) - 1).bit_length() - 1)
        indexes = self.indexes or range(len(self.events))
        return (
            replace(self, events=self.events[:middle], indexes=indexes[:middle]),
            replace(
                self,
                events=self.events[middle:],
                key=_derived(key, indexes[middle]),
                indexes=indexes[middle:],
            ),
        )


class Outbox:
    """Iterate over it for batches; hand every answer to :meth:`settle` before the next one.

    A request's key follows from the caller's key and the place of its first event: the request at
    the start has the caller's own, whatever its size. So nothing is stored twice when the same
    events are sent again and are cut elsewhere: Tocsin answers 409 to another body under a known
    key, and the request is halved until its first part is the one that is stored.
    """

    def __init__(
        self,
        events: Iterable[bytes | Unsendable],
        key: str | None,
        *,
        partial: bool = False,
        backfill: bool = False,
    ) -> None:
        """Take serialised events lazily: only as many as the next batch holds.

        Raises:
            ValueError: ``key`` can't be an idempotency key.
        """
        if key is not None and (
            len(key) > MAX_IDEMPOTENCY_KEY_CHARS or _KEY.fullmatch(key) is None
        ):
            raise ValueError(
                f"an idempotency key is 1 to {MAX_IDEMPOTENCY_KEY_CHARS} printable ASCII characters"
            )
        self._events = enumerate(events)
        self._random = key is None
        self._key = key or uuid4().hex
        self._partial = partial
        self._backfill = backfill
        self._parts: list[OutgoingBatch] = []
        self._left_out: list[Rejection] = []

    def __iter__(self) -> Iterator[OutgoingBatch]:
        """Yield batches until the events are used up.

        Raises:
            Invalid, TypeError: An event has no JSON form, and this is not ``partial``.
        """
        for events, indexes in self._cut():
            key = _derived(self._key, indexes[0]) if indexes[0] else self._key
            yield OutgoingBatch(events, key, indexes, self._backfill)
            while self._parts:
                yield self._parts.pop()

    def settle(self, batch: OutgoingBatch, response: httpx.Response) -> SendResult | None:
        """Return what was taken, or None if the batch's events come again, cut otherwise.

        That is so if it is too large, which only Tocsin knows, since its limit is on the compressed
        size; and if its key stands for another request. With a caller's key, this may be what an
        earlier sending was cut into: the batch is halved. Otherwise it is the request of which this
        is the first part, and that Tocsin took although it never said so: it is sent again.

        Raises:
            ApiError: The batch was refused; nothing of it is stored.
        """
        several = len(batch.events) > 1
        if response.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE and several:
            self.split(batch)
        elif response.status_code != httpx.codes.CONFLICT:
            return batch.result(response)
        elif several and not self._random:
            self.split(batch)
        elif self._parts and self._random:
            rest = self._parts.pop()
            self._parts.append(
                replace(
                    batch,
                    events=[*batch.events, *rest.events],
                    indexes=[*batch.indexes, *rest.indexes],
                )
            )
        else:
            return batch.result(response)
        return None

    def split(self, batch: OutgoingBatch) -> None:
        """Have the events of ``batch``, two or more, come again in two parts."""
        self._parts += reversed(batch.halves(self._key))

    def left_out(self) -> SendResult:
        """Return, once, which events had no JSON form so far."""
        rejections, self._left_out = tuple(self._left_out), []
        return SendResult(rejected=len(rejections), rejections=rejections)

    def _cut(self) -> Iterator[tuple[Sequence[bytes], Sequence[int]]]:
        events: list[bytes] = []
        indexes: list[int] = []
        size_bytes = 0
        for index, event in self._events:
            if isinstance(event, Unsendable):
                if not self._partial:
                    raise event.error
                self._left_out.append(Rejection(index, event.details))
                continue
            full = len(events) == MAX_EVENTS_PER_BATCH or size_bytes + len(event) > MAX_BODY_BYTES
            if events and full:
                yield events, indexes
                events, indexes, size_bytes = [], [], 0
            size_bytes += len(event) + 1
            if not events:
                size_bytes = len(_HEAD + _TAIL) + len(event) + 1
            events.append(event)
            indexes.append(index)
        if events:
            yield events, indexes


def _derived(key: str, index: int) -> str:
    """Return a key that nobody uses for anything else."""
    return "tocsin-" + sha256(f"{index} {key}".encode()).hexdigest()
