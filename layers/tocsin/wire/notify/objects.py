"""S3: a run of events as one object of JSON lines, gzip'd, in OCSF.

Its key follows from the run, and so do its bytes: sent again, it replaces itself. Its day is that
on which the first event was received.
"""

import gzip
from collections.abc import Sequence
from typing import Final

from tocsin.domain import canonical
from tocsin.domain.deliveries import Outgoing
from tocsin.domain.segment import SealedEvent
from tocsin.domain.times import utc
from tocsin.wire import summary
from tocsin.wire.notify import ocsf
from tocsin.wire.notify.sending import Sending, json_body

__all__ = ["MAX_ENTRIES_BYTES", "outgoing"]

MAX_ENTRIES_BYTES: Final = 8 * 1024 * 1024
"""Of the events of an object, as they are sealed."""

_SEQ_DIGITS: Final = 16
_LEVEL: Final = 6


def outgoing(events: Sequence[SealedEvent], sending: Sending) -> Outgoing:
    """Return the object that holds a run of events."""
    endpoint, first, last = sending.endpoint, events[0], events[-1]
    key = "/".join(
        (
            endpoint.org,
            f"endpoint={endpoint.id}",
            f"day={_day(first)}",
            f"{first.seq:0{_SEQ_DIGITS}d}-{last.seq:0{_SEQ_DIGITS}d}.jsonl.gz",
        )
    )
    lines = b"".join(json_body(ocsf.record(each, endpoint.org)) + b"\n" for each in events)
    body = gzip.compress(lines, _LEVEL, mtime=0)
    url = f"{endpoint.url.rstrip('/')}/{key}"
    return Outgoing(url, (("content-type", "application/gzip"),), body)


def _day(event: SealedEvent) -> str:
    at_ms = event.received_at_ms
    if at_ms is None:
        at_ms = summary.at_ms(canonical.parse(event.entry))
    try:
        return utc(at_ms).date().isoformat()
    except OverflowError:  # after the year 9999
        return utc(0).date().isoformat()
