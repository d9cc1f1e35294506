"""Reading an org's events back from ledger and journal, each checked against what was sealed.

A read is bounded by events and by bytes, so that a week is read in many small steps. What verifies
is returned; an error is raised by the read that meets it first, so nothing before it is lost.
"""

from tocsin.domain.errors import IntegrityError, TocsinError
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.domain.segment import SealedEvent, Segment
from tocsin.ports.log import Journal, Ledger
from tocsin.services.reading.checked import fetch, parts_after, take
from tocsin.services.reading.since import first_sealed_at

__all__ = ["Expired", "read"]

_EVENTS_PER_FETCH = 1_000
_FIRST_GUESS_BYTES = 1024  # of an entry, before any is read


class Expired(TocsinError):
    """Events are asked for that are older than the retention; ``first_seq`` is the next kept."""

    def __init__(self, after_seq: int, first_seq: int) -> None:
        """Keep the cursor that was asked for, and the first seq to go on with."""
        super().__init__(
            f"the events from {after_seq + 1} to {first_seq - 1} are not kept any more"
        )
        self.after_seq = after_seq
        self.first_seq = first_seq


def read(
    ledger: Ledger,
    journal: Journal,
    org: str,
    after_seq: int,
    *,
    limit: int = 1_000,
    max_bytes: int = 1024 * 1024,
    expected_hash: bytes | None = None,
    retention: Retention = KEEPS_ALL,
) -> list[SealedEvent]:
    """Return the events after ``after_seq``, at most ``limit`` and about ``max_bytes`` of entries.

    At least one is returned unless the ledger ends at ``after_seq``. ``expected_hash`` is what the
    caller knows as hash(after_seq); ``retention`` says
    what the journal may have dropped.

    Raises:
        IntegrityError: the next event is not the one that was sealed; names its seq.
        Expired: the next event is older than the retention.
        Busy: a store does not answer.
    """
    events: list[SealedEvent] = []
    size_bytes = 0
    parts = parts_after(ledger, org, after_seq, expected_hash)
    try:
        while len(events) < limit and size_bytes < max_bytes:
            mean_bytes = max(size_bytes // len(events), 1) if events else _FIRST_GUESS_BYTES
            room = min(limit - len(events), (max_bytes - size_bytes) // mean_bytes)
            group, broken = take(parts, room)
            for part, sealed in fetch(ledger, journal, group, retention):
                if sealed is None:
                    raise Expired(after_seq, _first_kept(ledger, part, retention.expired_before_ms))
                events += sealed[max(after_seq + 1 - part.first_seq, 0) :]
                size_bytes += sum(len(event.entry) for event in sealed)
                if size_bytes >= max_bytes:
                    break
            if broken:
                raise broken
            if not group:
                break
    except (Expired, IntegrityError):
        if not events:
            raise
    return events[:limit]


def _first_kept(ledger: Ledger, gone: Segment, expired_before_ms: int) -> int:
    """Return the first seq after ``gone`` that was sealed within the retention."""
    end = ledger.head(gone.org).seq + 1
    return first_sealed_at(ledger, gone.org, expired_before_ms, gone.last_seq + 1, end)
