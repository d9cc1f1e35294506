"""Reading the log without a connection."""

from collections.abc import Collection
from datetime import datetime
from itertools import chain, islice

from tocsin.domain.limits import MAX_LIST_EVENTS
from tocsin.domain.times import ms_of
from tocsin.embedded._events import StreamEvent, shown
from tocsin.services.reading.past import Past
from tocsin.services.reading.selection import received_since
from tocsin.services.stream.parts import StreamParts
from tocsin.wire import kavach

__all__ = ["newest", "since_ms", "types_named"]


def newest(
    parts: StreamParts, org: str, received_since_ms: int, types: frozenset[str] | None
) -> list[StreamEvent]:
    """Return what a stream of these types would have shown, the newest first; blocks."""
    past = Past(parts.ledger, parts.journal, org, parts.retention())
    found = received_since(past, received_since_ms)
    return list(
        islice(chain.from_iterable(reversed(shown(e, types)) for e in found), MAX_LIST_EVENTS)
    )


def since_ms(moment: datetime) -> int:
    """Return the Unix time of a moment, rounded up to milliseconds.

    Raises:
        ValueError: it has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("since has no time zone: use datetime.now(UTC) and the like")
    return ms_of(moment)


def types_named(types: Collection[str]) -> frozenset[str]:
    """Check that ``types`` are some of KavachOS' twelve, and return them.

    Raises:
        ValueError: one of them is not.
    """
    if unknown := sorted(set(types) - kavach.TYPES):
        known = ", ".join(sorted(kavach.TYPES))
        raise ValueError(f"{unknown[0]!r} is not an event type: use one of {known}")
    return frozenset(types)
