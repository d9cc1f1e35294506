"""From the events of a request to a batch: what Tocsin adds to them, and their entries."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tocsin.domain import batch as batches
from tocsin.domain import ids
from tocsin.domain.batch import Batch
from tocsin.domain.canonical import canonical
from tocsin.domain.errors import TooLarge
from tocsin.domain.keys import ApiKey
from tocsin.domain.limits import MAX_EVENT_BYTES
from tocsin.domain.times import iso_ms

__all__ = ["Draft", "entries_of", "new_id"]


@dataclass(frozen=True, slots=True)
class Draft:
    """Valid events that have no ids yet. ``plain`` is :attr:`.raw.RawRequest.plain`."""

    events: Sequence[dict[str, Any]]
    key: ApiKey
    plain: bool

    def stamped(self, batch_id: str) -> tuple[Batch, bytes]:
        """Return the batch with this id, received when the id was made; and the same packed.

        The same id always makes the same bytes.

        Raises:
            TooLarge: an event, or the batch, is beyond its limit.
            Malformed: an event is not I-JSON.
        """
        at_ms = ids.batch_time_ms(batch_id)
        entries = entries_of(self.events, batch_id, self.key, at_ms, plain=self.plain)
        return Batch(self.key.org, batch_id, entries, self.key.id, at_ms), batches.pack(entries)


def new_id(now_ms: int) -> str:
    """Return a new batch id, with random bits, for the Unix time ``now_ms``."""
    return ids.new_batch_id(now_ms, os.urandom(10))


def entries_of(
    events: Sequence[dict[str, Any]], batch_id: str, key: ApiKey, now_ms: int, *, plain: bool
) -> tuple[bytes, ...]:
    """Stamp events and return their entries: the canonical bytes that are stored and hashed.

    Raises:
        TooLarge: an event is over 256 KB.
        Malformed: an event is not I-JSON.
    """
    received_at = iso_ms(now_ms)
    defaults = {
        "action": "log",
        "compliance_tag": "default",
        "session_id": f"ses_{key.id}",
        "timestamp": received_at,
    }
    stamp = {"id": "", "received_at": received_at, "source": "client"}
    entries: list[bytes] = []
    for event, event_id in zip(events, ids.event_ids(batch_id, len(events)), strict=True):
        stamp["id"] = event_id
        entry = canonical(defaults | event | stamp, plain=plain)
        if len(entry) > MAX_EVENT_BYTES:
            raise TooLarge(
                f"events[{len(entries)}] is {len(entry):,} bytes and the limit is "
                f"{MAX_EVENT_BYTES:,} an event: store large payloads elsewhere and send a link"
            )
        entries.append(entry)
    return tuple(entries)
