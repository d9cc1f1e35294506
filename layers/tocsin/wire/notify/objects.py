"""S3: a run of events as one object, in OCSF: JSON lines, gzip'd, or Parquet.

Its key follows from the run, and so do its bytes: sent again, it replaces itself. Its day is that
on which the first event was received.
"""

import gzip
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

from tocsin.domain import canonical
from tocsin.domain.deliveries import Outgoing
from tocsin.domain.endpoints import Format
from tocsin.domain.segment import SealedEvent
from tocsin.domain.times import utc
from tocsin.wire import summary
from tocsin.wire.notify import ocsf, parquet
from tocsin.wire.notify.sending import Sending, json_lines

__all__ = ["MAX_ENTRIES_BYTES", "outgoing"]

MAX_ENTRIES_BYTES: Final = 8 * 1024 * 1024
"""Of the events of an object, as they are sealed."""

_SEQ_DIGITS: Final = 16
_LEVEL: Final = 6

# One object at a time, and all by one thread: each takes ten times its events' bytes, of which the
# allocator keeps most for every thread that ever had them.
_writer = ThreadPoolExecutor(1)


class _Kind(NamedTuple):
    suffix: str
    content_type: str
    written: Callable[[Iterable[dict[str, Any]]], bytes]


def outgoing(events: Sequence[SealedEvent], sending: Sending) -> Outgoing:
    """Return the object that holds a run of events, as the endpoint's format has it."""
    endpoint, first, last = sending.endpoint, events[0], events[-1]
    kind = _KINDS[endpoint.format]
    key = "/".join(
        (
            endpoint.org,
            f"endpoint={endpoint.id}",
            f"day={_day(first)}",
            f"{first.seq:0{_SEQ_DIGITS}d}-{last.seq:0{_SEQ_DIGITS}d}.{kind.suffix}",
        )
    )
    records = (ocsf.record(each, endpoint.org) for each in events)
    body = _writer.submit(kind.written, records).result()
    url = f"{endpoint.url.rstrip('/')}/{key}"
    return Outgoing(url, (("content-type", kind.content_type),), body)


def _json_lines(records: Iterable[dict[str, Any]]) -> bytes:
    return gzip.compress(json_lines(records), _LEVEL, mtime=0)


# https://www.iana.org/assignments/media-types/application/vnd.apache.parquet
_KINDS: Final[Mapping[Format, _Kind]] = {
    Format.S3: _Kind("jsonl.gz", "application/gzip", _json_lines),
    Format.PARQUET: _Kind("parquet", "application/vnd.apache.parquet", parquet.written),
}


def _day(event: SealedEvent) -> str:
    at_ms = event.received_at_ms
    if at_ms is None:
        at_ms = summary.at_ms(canonical.parse(event.entry))
    try:
        return utc(at_ms).date().isoformat()
    except OverflowError:  # after the year 9999
        return utc(0).date().isoformat()
