"""From the events of a request to a batch: what Tocsin adds to them, and their entries."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from tocsin.domain import batch as batches
from tocsin.domain import ids
from tocsin.domain.batch import Batch
from tocsin.domain.canonical import canonical
from tocsin.domain.errors import Malformed, TooLarge
from tocsin.domain.keys import ApiKey
from tocsin.domain.limits import MAX_EVENT_BYTES
from tocsin.domain.times import iso_ms

__all__ = [
    "BACKFILL",
    "CERTAINLY_FIT_BYTES",
    "OWN",
    "Draft",
    "Protect",
    "entries_of",
    "new_id",
    "own_batch",
]

type Protect = Callable[[Mapping[str, Any], str, bool], Mapping[str, Any]]
"""Returns an event, which is to have this id, with ciphertext in place of what it says of a person.

It is the same one where it says nothing of any. The last is ``plain`` of
:func:`.canonical.canonical`.
"""

CERTAINLY_FIT_BYTES: Final = MAX_EVENT_BYTES // 8
"""Of JSON: it grows less than six times as canonical JSON (1e20 has 21 digits there)."""


BACKFILL: Final = "backfill"
"""The field that is true in imported events; no sender can set it in an event."""

OWN: Final = "tocsin"
"""The ``source`` of the events that Tocsin writes, and the key id of their batches."""

# Random digits, since those pack worse than others; near the limit it decides for all ids.
_SAMPLE_ID = ids.new_batch_id(1_774_000_000_000, bytes.fromhex("9f2c61d7b84ea53f60c7"))


@dataclass(frozen=True, slots=True)
class Draft:
    """Valid events that have no ids yet. ``plain`` is :attr:`.incoming.Incoming.plain`.

    Without ``protect`` they are stored as they are.
    """

    events: Sequence[dict[str, Any]]
    key: ApiKey
    plain: bool
    protect: Protect | None = None

    def stamped(self, batch_id: str) -> tuple[Batch, bytes]:
        """Return the batch with this id, received when the id was made; and the same packed.

        The same id always makes the same bytes. Whether the events are refused does not depend on
        the id, so that a repetition under another id is answered the same.

        Raises:
            TooLarge: an event, or the batch, is beyond its limit.
            Malformed: an event is not I-JSON.
        """
        batch, packed = self.accepted(batch_id)
        if batches.is_near_limit(packed):
            batches.pack(self.entries(_SAMPLE_ID))
        return batch, packed

    def accepted(self, batch_id: str) -> tuple[Batch, bytes]:
        """Return what :meth:`stamped` does, for events that it has taken under some id."""
        entries = self.entries(batch_id)
        batch = Batch(self.key.org, batch_id, entries, self.key.id, ids.batch_time_ms(batch_id))
        return batch, batches.pack(entries, spread=True)

    def unfit(self) -> dict[int, str]:
        """Return which events :meth:`stamped` refuses for what they are alone, and why."""
        found: dict[int, str] = {}
        for at, event in enumerate(self.events):
            if len(orjson.dumps(event)) < CERTAINLY_FIT_BYTES:
                continue
            try:
                replace(self, events=[event]).entries(_SAMPLE_ID)
            except (TooLarge, Malformed) as error:
                found[at] = error.details[0]["message"] if error.details else str(error)
        return found

    def entries(self, batch_id: str) -> tuple[bytes, ...]:
        """Return the entries of the batch with this id.

        Raises:
            TooLarge, Malformed: as :meth:`stamped` does for single events.
        """
        at_ms = ids.batch_time_ms(batch_id)
        return entries_of(
            self.events, batch_id, self.key.id, at_ms, plain=self.plain, protect=self.protect
        )


def new_id(now_ms: int) -> str:
    """Return a new batch id, with random bits, for the Unix time ``now_ms``."""
    return ids.new_batch_id(now_ms, os.urandom(10))


def own_batch(org: str, events: Sequence[dict[str, Any]], batch_id: str) -> tuple[Batch, bytes]:
    """Return the batch of events that Tocsin itself writes, and the same packed.

    Their ``source`` is ``tocsin``, which no sender can set. They are in the words of the ledger,
    and take nothing of the org's quota.

    Raises:
        TooLarge, Malformed: as :meth:`Draft.stamped` does.
    """
    at_ms = ids.batch_time_ms(batch_id)
    entries = entries_of(events, batch_id, OWN, at_ms, plain=False, source=OWN)
    return Batch(org, batch_id, entries, OWN, at_ms), batches.pack(entries, spread=True)


def entries_of(
    events: Sequence[dict[str, Any]],
    batch_id: str,
    key_id: str,
    now_ms: int,
    *,
    plain: bool,
    source: str = "client",
    protect: Protect | None = None,
) -> tuple[bytes, ...]:
    """Stamp events and return their entries: the canonical bytes that are stored and hashed.

    Raises:
        TooLarge: an event is over 256 KB, as it came or as ``protect`` has it stored.
        Malformed: an event is not I-JSON.
    """
    received_at = iso_ms(now_ms)
    defaults = {
        "action": "log",
        "compliance_tag": "default",
        "session_id": f"ses_{key_id}",
        "timestamp": received_at,
    }
    stamp = {"id": "", "received_at": received_at, "source": source}
    entries: list[bytes] = []
    for event, event_id in zip(events, ids.event_ids(batch_id, len(events)), strict=True):
        stamp["id"] = event_id
        stamped = defaults | event | stamp
        entry = canonical(stamped, plain=plain)
        size_bytes = len(entry)
        if protect and (kept := protect(stamped, event_id, plain)) is not stamped:
            entry = canonical(kept, plain=plain)
            size_bytes = max(size_bytes, len(entry))
        if size_bytes > MAX_EVENT_BYTES:
            raise _too_large(len(entries), size_bytes)
        entries.append(entry)
    return tuple(entries)


def _too_large(place: int, size_bytes: int) -> TooLarge:
    reason = (
        f"{size_bytes:,} bytes and the limit is {MAX_EVENT_BYTES:,} an event: "
        "store large payloads elsewhere and send a link"
    )
    error = TooLarge(f"events[{place}] is {reason}")
    error.details = [{"field": f"events[{place}]", "message": reason}]
    return error
