"""What a ledger says, checked link by link, and the events of it, checked one by one.

A *part* is what one batch brought to a segment. Hashes follow from leaves, so a part is a segment
of its own, and a large segment is read and checked in pieces.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tocsin.domain import chain, ids
from tocsin.domain.batch import Batch, UnreadableBatch
from tocsin.domain.errors import IntegrityError
from tocsin.domain.segment import SealedEvent, Segment, verify
from tocsin.ports import Journal, Ledger

__all__ = ["fetch", "parts_after", "parts_before", "take"]

SEGMENTS_PER_PAGE = 16
SEGMENTS_PER_PAGE_BACK = 64  # one query each, where many small ones are looked through
BATCHES_PER_FETCH = 100

_NOT_LINKED = "the segment does not follow the one before it"
_NO_SEGMENT = "no segment holds it, and later ones exist"


def parts_after(
    ledger: Ledger,
    org: str,
    after_seq: int,
    expected_hash: bytes | None,
    *,
    per_page: int = SEGMENTS_PER_PAGE,
) -> Iterator[Segment]:
    """Yield what is sealed after ``after_seq``, one checked segment per batch."""
    before = None
    for segment in _segments(ledger, org, after_seq + 1, per_page):
        hashes = _hashes(segment)
        if before not in (None, segment.hash_before):
            raise IntegrityError(org, segment.first_seq, _NOT_LINKED)
        _check(org, segment, hashes, max(segment.first_seq, after_seq + 1))
        if before is None and expected_hash not in (
            None,
            hashes[after_seq + 1 - segment.first_seq],
        ):
            raise IntegrityError(org, after_seq + 1, "the event before it has another hash now")
        before = segment.hash_after
        yield from (part for part in _split(segment, hashes) if part.last_seq > after_seq)


def parts_before(ledger: Ledger, org: str, until_seq: int) -> Iterator[Segment]:
    """Yield what is sealed up to ``until_seq``, newest first, one checked segment per batch."""
    after = None
    for segment in _segments_before(ledger, org, until_seq):
        hashes = _hashes(segment)
        if after not in (None, segment.hash_after):
            raise IntegrityError(org, segment.last_seq + 1, _NOT_LINKED)
        _check(org, segment, hashes, segment.first_seq)
        after = segment.hash_before
        parts = [part for part in _split(segment, hashes) if part.first_seq <= until_seq]
        yield from reversed(parts)


def _hashes(segment: Segment) -> list[bytes]:
    return [segment.hash_before, *chain.extend(segment.hash_before, segment.leaves)]


def _check(org: str, segment: Segment, hashes: Sequence[bytes], seq: int) -> None:
    """Raise IntegrityError at ``seq`` where a segment can't be right, whatever is before it."""
    if segment.first_seq == 1 and segment.hash_before != chain.genesis(org):
        raise IntegrityError(org, 1, _NOT_LINKED)
    if hashes[-1] != segment.hash_after or segment.count != sum(
        reference.count for reference in segment.references
    ):
        raise IntegrityError(org, seq, "the segment contradicts itself")


def _split(segment: Segment, hashes: Sequence[bytes]) -> Iterator[Segment]:
    start = 0
    for reference in segment.references:
        end = start + reference.count
        yield replace(
            segment,
            first_seq=segment.first_seq + start,
            references=(reference,),
            leaves=segment.leaves[start:end],
            hash_before=hashes[start],
            hash_after=hashes[end],
        )
        start = end


def _segments(ledger: Ledger, org: str, seq: int, per_page: int) -> Iterator[Segment]:
    """Yield the segments from the one that holds ``seq``, none missing."""
    while True:
        page = ledger.segments(org, seq, per_page)
        if page and page[0].first_seq > seq:  # it may have been sealed during the read
            page = ledger.segments(org, seq, per_page)
        for segment in page:
            if not segment.first_seq <= seq <= segment.last_seq:
                raise IntegrityError(org, seq, _NO_SEGMENT)
            yield segment
            seq = segment.last_seq + 1
        if len(page) < per_page:
            return


def _segments_before(ledger: Ledger, org: str, seq: int) -> Iterator[Segment]:
    """Yield the segments back from the one that holds ``seq``, none missing."""
    while seq > 0:
        page = ledger.segments_before(org, seq, SEGMENTS_PER_PAGE_BACK)
        if not page:
            raise IntegrityError(org, seq, _NO_SEGMENT)
        for segment in page:
            if not segment.first_seq <= seq <= segment.last_seq:
                raise IntegrityError(org, seq, _NO_SEGMENT)
            yield segment
            seq = segment.first_seq - 1


def take(parts: Iterator[Segment], room: int) -> tuple[list[Segment], IntegrityError | None]:
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


def fetch(
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
                yield part, verify(part, entries, part.hash_before)
            case UnreadableBatch(reason=reason):
                raise IntegrityError(part.org, part.first_seq, f"its batch is unreadable: {reason}")
            case None if ids.batch_time_ms(batch_id) < expired_before_ms:
                yield part, None
            case None:
                raise IntegrityError(part.org, part.first_seq, "its batch is not in the journal")
