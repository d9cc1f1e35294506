"""Reading an org's events back from ledger and journal, each checked against what was sealed.

A read is bounded by events and by bytes, so that a week is read in many small steps. What verifies
is returned; an error is raised by the read that meets it first, so nothing before it is lost.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tocsin.domain import chain, ids
from tocsin.domain.batch import Batch
from tocsin.domain.errors import IntegrityError, TocsinError
from tocsin.domain.segment import SealedEvent, Segment
from tocsin.domain.segment import verify as verify_segment
from tocsin.ports import Journal, Ledger, UnreadableBatch

__all__ = ["Gap", "Verified", "read", "verify"]

SEGMENTS_PER_PAGE = 16
BATCHES_PER_FETCH = 100
_EVENTS_PER_FETCH = 1_000
_FIRST_GUESS_BYTES = 1024  # of an entry, before any is read


class Gap(TocsinError):
    """Events are asked for that are older than the retention; ``first_seq`` is the next kept."""

    def __init__(self, after_seq: int, first_seq: int) -> None:
        """Keep the cursor that was asked for, and the first seq to go on with."""
        super().__init__(
            f"the events from {after_seq + 1} to {first_seq - 1} are not kept any more"
        )
        self.after_seq = after_seq
        self.first_seq = first_seq


@dataclass(frozen=True, slots=True)
class Verified:
    """A ledger that holds; of its ``expired`` events only the leaves are left."""

    last_seq: int
    hash: bytes
    expired: int


def read(
    ledger: Ledger,
    journal: Journal,
    org: str,
    after_seq: int,
    *,
    limit: int = 1_000,
    max_bytes: int = 1024 * 1024,
    expected_hash: bytes | None = None,
    expired_before_ms: int = 0,
) -> list[SealedEvent]:
    """Return the events after ``after_seq``, at most ``limit`` and about ``max_bytes`` of entries.

    At least one is returned unless the ledger ends at ``after_seq``. ``expected_hash`` is what the
    caller knows as hash(after_seq); ``expired_before_ms`` is the Unix time in milliseconds before
    which the journal may have dropped a batch.

    Raises:
        IntegrityError: the next event is not the one that was sealed; names its seq.
        Gap: the next event is older than the retention.
        Busy: a store does not answer.
    """
    events: list[SealedEvent] = []
    size_bytes = 0
    parts = _parts(ledger, org, after_seq, expected_hash)
    try:
        while len(events) < limit and size_bytes < max_bytes:
            mean_bytes = max(size_bytes // len(events), 1) if events else _FIRST_GUESS_BYTES
            room = min(limit - len(events), (max_bytes - size_bytes) // mean_bytes)
            group, broken = _take(parts, room)
            for part, sealed in _fetch(journal, group, expired_before_ms):
                if sealed is None:
                    raise Gap(after_seq, _first_kept(ledger, part, expired_before_ms))
                events += sealed[max(after_seq + 1 - part.first_seq, 0) :]
                size_bytes += sum(len(event.entry) for event in sealed)
                if size_bytes >= max_bytes:
                    break
            if broken:
                raise broken
            if not group:
                break
    except (Gap, IntegrityError):
        if not events:
            raise
    return events[:limit]


def verify(ledger: Ledger, journal: Journal, org: str, *, expired_before_ms: int = 0) -> Verified:
    """Check a whole ledger from its beginning.

    Raises:
        IntegrityError: naming the first seq whose stored bytes are not what was sealed.
        Busy: a store does not answer.
    """
    last_seq, last_hash, expired = 0, chain.genesis(org), 0
    parts = _parts(ledger, org, last_seq, last_hash)
    while True:
        group, broken = _take(parts, _EVENTS_PER_FETCH)
        for part, sealed in _fetch(journal, group, expired_before_ms):
            expired += part.count if sealed is None else 0
            last_seq, last_hash = part.last_seq, part.hash_after
        if broken:
            raise broken
        if not group:
            return Verified(last_seq, last_hash, expired)


def _parts(
    ledger: Ledger, org: str, after_seq: int, expected_hash: bytes | None
) -> Iterator[Segment]:
    """Yield what is sealed after ``after_seq``, one checked segment per batch."""
    before = None
    for segment in _segments(ledger, org, after_seq + 1):
        hashes = [segment.hash_before, *chain.extend(segment.hash_before, segment.leaves)]
        if before not in (None, segment.hash_before) or (
            segment.first_seq == 1 and segment.hash_before != chain.genesis(org)
        ):
            raise IntegrityError(
                org, segment.first_seq, "the segment does not follow the one before it"
            )
        if before is None and expected_hash not in (
            None,
            hashes[after_seq + 1 - segment.first_seq],
        ):
            raise IntegrityError(org, after_seq + 1, "the event before it has another hash now")
        if hashes[-1] != segment.hash_after or segment.count != sum(
            reference.count for reference in segment.references
        ):
            raise IntegrityError(
                org, max(segment.first_seq, after_seq + 1), "the segment contradicts itself"
            )
        before = segment.hash_after
        start = 0
        for reference in segment.references:
            end = start + reference.count
            if segment.first_seq + end - 1 > after_seq:
                yield replace(
                    segment,
                    first_seq=segment.first_seq + start,
                    references=(reference,),
                    leaves=segment.leaves[start:end],
                    hash_before=hashes[start],
                    hash_after=hashes[end],
                )
            start = end


def _segments(ledger: Ledger, org: str, seq: int) -> Iterator[Segment]:
    """Yield the segments from the one that holds ``seq``, none missing."""
    while True:
        page = ledger.segments(org, seq, SEGMENTS_PER_PAGE)
        for segment in page:
            if not segment.first_seq <= seq <= segment.last_seq:
                raise IntegrityError(org, seq, "no segment holds it, and later ones exist")
            yield segment
            seq = segment.last_seq + 1
        if len(page) < SEGMENTS_PER_PAGE:
            return


def _take(parts: Iterator[Segment], room: int) -> tuple[list[Segment], IntegrityError | None]:
    """Return the next parts, about ``room`` events of them, and the error that follows them."""
    group: list[Segment] = []
    try:
        while len(group) < BATCHES_PER_FETCH and (room > 0 or not group):
            group.append(next(parts))
            room -= group[-1].count
    except StopIteration:
        return group, None
    except IntegrityError as error:
        return group, error
    return group, None


def _fetch(
    journal: Journal, parts: Sequence[Segment], expired_before_ms: int
) -> Iterator[tuple[Segment, list[SealedEvent] | None]]:
    """Yield each part with its checked events, or with None when the journal has dropped them."""
    if not parts:
        return
    found = journal.get(parts[0].org, [part.references[0].batch_id for part in parts])
    for part in parts:
        batch_id = part.references[0].batch_id
        match found.get(batch_id):
            case Batch(entries=entries):
                yield part, verify_segment(part, entries, part.hash_before)
            case UnreadableBatch(reason=reason):
                raise IntegrityError(part.org, part.first_seq, f"its batch is unreadable: {reason}")
            case None if ids.batch_time_ms(batch_id) < expired_before_ms:
                yield part, None
            case None:
                raise IntegrityError(part.org, part.first_seq, "its batch is not in the journal")


def _first_kept(ledger: Ledger, gone: Segment, expired_before_ms: int) -> int:
    """Return the first seq after ``gone`` that was sealed within the retention, by bisection."""
    low = gone.last_seq + 1
    high = ledger.head(gone.org).seq + 1
    while low < high:
        middle = ledger.segments(gone.org, (low + high) // 2, 1)[0]
        if middle.sealed_at_ms < expired_before_ms:
            low = middle.last_seq + 1
        else:
            high = max(low, middle.first_seq)
    return low
