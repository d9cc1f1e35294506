"""From a time to a place in the ledger, in a number of queries that its length does not change."""

from typing import Final

from tocsin.domain.errors import IntegrityError
from tocsin.domain.ids import batch_time_ms
from tocsin.ports.log import Ledger
from tocsin.services.reading.checked import in_time

__all__ = ["first_sealed_at", "first_sealed_since", "seq_before"]

SKEW_MS: Final = 2_000  # by which the sealer's clock may be behind the receivers'
SEGMENTS_PER_READ: Final = 64
READS: Final = 4


def seq_before(ledger: Ledger, org: str, since_ms: int) -> int:
    """Return the seq before the first event that was received at ``since_ms`` or later.

    Receiving comes before sealing, and seals are in the order of time. So the ledger's marks lead
    to the minute, a bisection to the second, and the batches' ids, which hold when each was
    received, to the event. What follows it in the ledger and was received before it comes too.
    Marks and times only lead the way: what is before the place is looked at in any case.

    While the sealing lags behind, the events received earlier that come first may be too many to
    look at. Then some of them are not skipped: nothing that was received since is ever missed.

    Raises:
        IntegrityError: the marks or the times lead far beyond what was received since.
        Busy: the ledger does not answer.
    """
    end = ledger.head(org).seq + 1
    sealed_ms = max(since_ms - SKEW_MS, 0)
    minute = sealed_ms // 60_000
    low = min(ledger.first_sealed(org, minute) or end, end)
    high = min(ledger.first_sealed(org, minute + 1) or end, end)
    place = first_sealed_at(ledger, org, sealed_ms, low, max(low, high))
    return _forwards(ledger, org, _backwards(ledger, org, place - 1, since_ms), since_ms)


def first_sealed_at(ledger: Ledger, org: str, at_ms: int, low: int, high: int) -> int:
    """Return the first seq from ``low`` on that was sealed at ``at_ms`` or later; else ``high``.

    By bisection, since ``sealed_at`` never decreases along a ledger.

    Raises:
        IntegrityError: a segment is missing.
        Busy: the ledger does not answer.
    """
    while low < high:
        in_time()
        asked = (low + high) // 2
        found = ledger.segments(org, asked, 1)
        if not found or not found[0].first_seq <= asked <= found[0].last_seq:
            raise IntegrityError(org, asked, "no segment holds it, and later ones exist")
        middle = found[0]
        if middle.sealed_at_ms < at_ms:
            low = middle.last_seq + 1
        else:
            high = max(low, middle.first_seq)
    return low


def first_sealed_since(ledger: Ledger, org: str, minute: int, end: int) -> int:
    """Return the first seq sealed in a minute since 1970 or later; else ``end``, after the head.

    The marks lead to it, and its neighbours must bear them out.

    Raises:
        IntegrityError: the marks lead past what was sealed since, or before it.
        Busy: the ledger does not answer.
    """
    found = ledger.first_sealed(org, minute) or end
    if found >= end:
        found = end
    elif not (at := ledger.segments(org, found, 1)) or at[0].sealed_at_ms < minute * 60_000:
        raise IntegrityError(org, found, "a minute's mark leads to what was sealed before it")
    before = ledger.segments_before(org, found - 1, 1) if found > 1 else ()
    if before and before[0].sealed_at_ms >= minute * 60_000:
        raise IntegrityError(org, before[0].first_seq, "a minute's mark leads past it")
    return found


def _backwards(ledger: Ledger, org: str, cursor: int, since_ms: int) -> int:
    """Return ``cursor``, or the end of an earlier segment that holds nothing received since."""
    for per_read in (1, *(SEGMENTS_PER_READ,) * READS):
        segments = ledger.segments_before(org, cursor, per_read) if cursor > 0 else ()
        for segment in segments:
            if all(batch_time_ms(batch_id) < since_ms for batch_id in segment.first_seqs):
                return cursor
            cursor = min(cursor, segment.first_seq - 1)
        if len(segments) < per_read:
            return cursor
    raise IntegrityError(org, cursor + 1, "the ledger's times lead far beyond it")


def _forwards(ledger: Ledger, org: str, cursor: int, since_ms: int) -> int:
    for _ in range(READS):
        segments = ledger.segments(org, cursor + 1, SEGMENTS_PER_READ)
        for segment in segments:
            for batch_id, first_seq in segment.first_seqs.items():
                if batch_time_ms(batch_id) >= since_ms:
                    return first_seq - 1
            if segment.last_seq <= cursor:
                raise IntegrityError(org, segment.first_seq, "a segment is in the wrong place")
            cursor = segment.last_seq
        if len(segments) < SEGMENTS_PER_READ:
            break
    return cursor
