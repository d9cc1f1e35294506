"""Reading an org's events backwards, the newest first."""

from collections.abc import Iterator

from tocsin.domain.ids import batch_of, batch_time_ms
from tocsin.domain.segment import SealedEvent
from tocsin.ports import Journal, Ledger
from tocsin.services import _since, replay

__all__ = ["newest_first"]

_STEP_EVENTS = 250  # held at once


def newest_first(
    ledger: Ledger, journal: Journal, org: str, since_ms: int, expired_before_ms: int = 0
) -> Iterator[SealedEvent]:
    """Yield the events received at ``since_ms`` or later, as far as the journal keeps them.

    Raises:
        IntegrityError: an event is not the one that was sealed; those after it were yielded.
        Busy: a store does not answer.
    """
    first = _since.seq_before(ledger, org, since_ms)
    end = ledger.head(org).seq
    while end > first:
        start, events = max(end - _STEP_EVENTS, first), list[SealedEvent]()
        while (at := start + len(events)) < end:
            try:
                events += replay.read(
                    ledger, journal, org, at, limit=end - at, expired_before_ms=expired_before_ms
                )
            except replay.Gap as gap:
                first = start = min(gap.first_seq - 1, end)
                events.clear()
        yield from (event for event in reversed(events) if _received_ms(event) >= since_ms)
        end = start


def _received_ms(event: SealedEvent) -> int:
    batch = batch_of(event.parse()["id"])
    return batch_time_ms(batch[0]) if batch else 0
