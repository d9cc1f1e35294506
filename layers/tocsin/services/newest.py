"""Reading an org's events backwards, the newest first."""

from collections.abc import Iterator

from tocsin.domain.segment import SealedEvent
from tocsin.ports import Journal, Ledger
from tocsin.services import _since
from tocsin.services._past import Past

__all__ = ["newest_first"]


def newest_first(
    ledger: Ledger, journal: Journal, org: str, since_ms: int, expired_before_ms: int = 0
) -> Iterator[SealedEvent]:
    """Yield the events received at ``since_ms`` or later, as far as the journal keeps them.

    Raises:
        IntegrityError: an event is not the one that was sealed; those after it were yielded.
        Busy: a store does not answer.
    """
    past = Past(ledger, journal, org, expired_before_ms, looks_at=None)
    span = range(_since.seq_before(ledger, org, since_ms) + 1, ledger.head(org).seq + 1)
    for events in past.back([span] if span else []):
        yield from (event for event in events if (event.received_at_ms or 0) >= since_ms)
