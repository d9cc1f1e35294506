"""What a ledger says, checked link by link, and the events of it, checked one by one.

A *part* is what one batch brought to a segment. Hashes follow from leaves, so a part is a segment
of its own, and a large segment is read and checked in pieces.
"""

import time
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import replace

from tocsin.domain import chain, ids
from tocsin.domain.batch import Batch, UnreadableBatch
from tocsin.domain.errors import Busy, IntegrityError
from tocsin.domain.retention import Retention
from tocsin.domain.segment import SealedEvent, Segment, verify
from tocsin.ports.log import Journal, Ledger

__all__ = [
    "FIRST_SEGMENTS",
    "SEGMENTS_PER_PAGE",
    "ends_at_seconds",
    "fetch",
    "hash_at",
    "in_time",
    "parts_after",
    "parts_before",
    "segments_after",
    "split",
    "take",
]

SEGMENTS_PER_PAGE = 16
SEGMENTS_PER_PAGE_BACK = 64  # one query each, where many small ones are looked through
FIRST_SEGMENTS = 2  # asked for before it is known how far a read goes: each can be 50 KB
BATCHES_PER_FETCH = 100
FIRST_BATCHES = 4  # asked for before it is known how large they are
FETCH_BYTES = 2 * 1024 * 1024  # of entries asked for at once, but always at least one batch

_NO_SEGMENT = "no segment holds it, and later ones exist"

ends_at_seconds: ContextVar[float | None] = ContextVar("ends_at_seconds", default=None)
"""When a read has to end, by the monotonic clock; None: it has no end."""


def in_time() -> None:
    """Do nothing while the read that this is part of has time left: every loop over a store asks.

    Raises:
        Busy: it has taken too long.
    """
    ends_at = ends_at_seconds.get()
    if ends_at is not None and time.monotonic() >= ends_at:
        raise Busy("reading this takes too long just now: ask again, or for less at once")


def parts_after(
    ledger: Ledger,
    org: str,
    after_seq: int,
    expected_hash: bytes | None,
    *,
    per_page: int = SEGMENTS_PER_PAGE,
) -> Iterator[Segment]:
    """Yield what is sealed after ``after_seq``, one checked segment per batch.

    A segment is yielded when it links to the one before it and the one after it to it, as far as
    these are there: so nothing is served of one that was rewritten whole.
    """
    tied = expected_hash is not None  # to what comes before it, by the hash that is known of that
    start = after_seq + 1 if tied else max(after_seq, 1)
    for segment, hashes in segments_after(ledger, org, start, per_page, tied=tied):
        place = after_seq + 1 - segment.first_seq
        if 0 <= place < segment.count and expected_hash not in (None, hashes[place]):
            reason = "the event before it has another hash now"
            raise IntegrityError(org, after_seq + 1, reason)
        yield from (part for part in split(segment, hashes) if part.last_seq > after_seq)


def parts_before(
    ledger: Ledger, org: str, until_seq: int, sealed_since_ms: int = 0
) -> Iterator[Segment]:
    """Yield what is sealed up to ``until_seq``, newest first, one checked segment per batch.

    They link to each other and to the segment after them, as with :func:`parts_after`. It ends
    where what is older than ``sealed_since_ms`` links to what is older still.
    """
    after: _Checked | None = None
    older = False
    for segment in _segments_before(ledger, org, until_seq):
        checked = _checked(org, segment)
        if after is None:
            after = _next(ledger, segment)
        if after is not None:
            _check_link(checked, after)
        if older:
            return
        after, older = checked, segment.sealed_at_ms < sealed_since_ms
        if older:
            continue
        parts = [part for part in split(*checked) if part.first_seq <= until_seq]
        yield from reversed(parts)


type _Checked = tuple[Segment, Sequence[bytes]]


def segments_after(
    ledger: Ledger, org: str, seq: int, per_page: int = SEGMENTS_PER_PAGE, *, tied: bool = False
) -> Iterator[tuple[Segment, Sequence[bytes]]]:
    """Yield the checked segments from the one that holds ``seq``, with the hashes in them.

    The hashes are those before its first event and after each of its events. The segment before
    the first one is looked at, too, unless that is ``tied`` to it otherwise.

    Raises:
        IntegrityError: a segment is missing, overlaps another, contradicts itself, or is not linked
            to its neighbours. What comes before it was yielded, if it can't be its fault.
    """
    before: _Checked | None = None
    fault: IntegrityError | None = None
    segments = _segments(ledger, org, seq, per_page, tied=tied)
    while True:
        try:
            checked = _checked(org, next(segments))
        except StopIteration:
            break
        except IntegrityError as error:
            fault = error
            break
        if before is not None:
            _check_link(before, checked)
            if before[0].last_seq >= seq:
                yield before
        before = checked
    if before is not None and before[0].last_seq >= seq:
        yield before
    if fault is not None:
        raise fault


def _checked(org: str, segment: Segment) -> _Checked:
    """Return a segment with its hashes.

    Raises:
        IntegrityError: it can't be right, whatever is before and after it.
    """
    hashes = [segment.hash_before, *chain.extend(segment.hash_before, segment.leaves)]
    begins_wrong = segment.first_seq == 1 and segment.hash_before != chain.genesis(org)
    counted = sum(reference.count for reference in segment.references)
    if begins_wrong or hashes[-1] != segment.hash_after or segment.count != counted:
        raise IntegrityError(org, segment.first_seq, "the segment contradicts itself")
    return segment, hashes


def _check_link(before: _Checked, after: _Checked) -> None:
    """Raise IntegrityError where a segment does not end as the next one begins.

    Both are right in themselves, so either may have been rewritten: the first wrong event can be in
    the earlier one.
    """
    (earlier, hashes), (later, _) = before, after
    if hashes[-1] != later.hash_before:
        reason = "the segment after it does not follow from it"
        raise IntegrityError(earlier.org, earlier.first_seq, reason)
    if later.sealed_at_ms < earlier.sealed_at_ms:
        reason = "it was sealed later than the segment after it"
        raise IntegrityError(earlier.org, earlier.first_seq, reason)


def hash_at(segment: Segment, seq: int) -> bytes:
    """Return the ledger's hash after an event of a segment, or before its first one."""
    leaves = segment.leaves[: seq + 1 - segment.first_seq]
    return [segment.hash_before, *chain.extend(segment.hash_before, leaves)][-1]


def split(segment: Segment, hashes: Sequence[bytes]) -> Iterator[Segment]:
    """Yield a checked segment's parts, one for each batch."""
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


def _segments(
    ledger: Ledger, org: str, seq: int, per_page: int, *, tied: bool
) -> Iterator[Segment]:
    """Yield the segments from the one before that which holds ``seq``, none missing.

    The one before ties a read that begins anywhere to what comes before it.
    """
    if seq > 1 and not tied:
        found = ledger.segments_before(org, seq - 1, 2)
        if found and found[0].last_seq >= seq:
            seq, found = found[0].first_seq, found[1:]
        if found and found[0].last_seq >= seq - 1:
            _check_place(org, found[0], found[0].first_seq, seq - 1)
            yield found[0]
        elif seq > 1 and ledger.segments(org, seq, 1):
            raise IntegrityError(org, found[0].last_seq + 1 if found else 1, _NO_SEGMENT)
    while True:
        in_time()
        page = ledger.segments(org, seq, per_page)
        if page and page[0].first_seq > seq:  # it may have been sealed during the read
            page = ledger.segments(org, seq, per_page)
        for segment in page:
            first_seq = min(segment.first_seq, seq) if tied else seq  # it may be in the middle
            _check_place(org, segment, first_seq, segment.last_seq)
            yield segment
            seq, tied = segment.last_seq + 1, False
        if len(page) < per_page:
            return
        per_page = max(per_page, min(2 * per_page, SEGMENTS_PER_PAGE))


def _segments_before(ledger: Ledger, org: str, seq: int) -> Iterator[Segment]:
    """Yield the segments back from the one that holds ``seq``, none missing, none overlapping."""
    first, per_page = True, FIRST_SEGMENTS
    while seq > 0:
        in_time()
        page = ledger.segments_before(org, seq, per_page)
        if not page:
            raise IntegrityError(org, seq, _NO_SEGMENT)
        for segment in page:
            _check_place(
                org, segment, segment.first_seq, max(segment.last_seq, seq) if first else seq
            )
            yield segment
            seq, first = segment.first_seq - 1, False
        per_page = min(2 * per_page, SEGMENTS_PER_PAGE_BACK)


def _check_place(org: str, segment: Segment, first_seq: int, last_seq: int) -> None:
    """Raise IntegrityError where a segment does not begin and end at these seqs, or holds nothing.

    So whoever goes along the segments comes further with each.
    """
    if not segment.count:
        raise IntegrityError(org, max(segment.first_seq, 1), "a segment is empty")
    if segment.first_seq > first_seq:
        raise IntegrityError(org, first_seq, _NO_SEGMENT)
    if segment.last_seq < last_seq:
        raise IntegrityError(org, segment.last_seq + 1, _NO_SEGMENT)
    if segment.first_seq < first_seq or segment.last_seq > last_seq:
        raise IntegrityError(org, segment.first_seq, "two segments overlap")


def _next(ledger: Ledger, segment: Segment) -> _Checked | None:
    """Return the segment after one, if there is one that is right in itself."""
    seq = segment.last_seq + 1
    for after in ledger.segments(segment.org, seq, 1):
        if after.first_seq == seq:
            try:
                return _checked(segment.org, after)
            except IntegrityError:
                return None  # its fault, and not what is asked for
    return None


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
    ledger: Ledger, journal: Journal, parts: Sequence[Segment], retention: Retention
) -> Iterator[tuple[Segment, list[SealedEvent] | None]]:
    """Yield each part with its checked events, or with None when the journal has dropped them.

    They are asked for a few at a time, by the size of those before: a batch in the journal can be a
    hundred times as large as another.

    What is not in the journal is taken as dropped when its batch is older than the retention, by an
    id that the batch's marker knows, too.
    """
    place, at_once = 0, FIRST_BATCHES
    while place < len(parts):
        in_time()
        group = parts[place : place + at_once]
        size_bytes = 0
        for part, sealed in _fetch(ledger, journal, group, retention):
            size_bytes += sum(len(event.entry) for event in sealed or ())
            yield part, sealed
        place += len(group)
        fit = FETCH_BYTES * len(group) // max(size_bytes, 1)
        at_once = max(1, min(fit, 4 * at_once))


def _fetch(
    ledger: Ledger, journal: Journal, parts: Sequence[Segment], retention: Retention
) -> Iterator[tuple[Segment, list[SealedEvent] | None]]:
    org = parts[0].org
    found = journal.get(org, [part.references[0].batch_id for part in parts])
    missing = {part.references[0].batch_id for part in parts} - found.keys()
    markers = ledger.first_seqs(org, missing) if missing else {}
    for part in parts:
        batch_id = part.references[0].batch_id
        match found.get(batch_id):
            case Batch(entries=entries):
                verified = verify(part, entries, part.hash_before)
                yield part, list(journal.opened(org, verified))
            case UnreadableBatch(reason=reason):
                raise IntegrityError(org, part.first_seq, f"its batch is unreadable: {reason}")
            case None if not retention.may_lack(ids.batch_time_ms(batch_id), part.kept_days):
                raise IntegrityError(org, part.first_seq, "its batch is not in the journal")
            case None if markers.get(batch_id) != part.first_seq:
                raise IntegrityError(org, part.first_seq, "its batch's marker says another seq")
            case None:
                yield part, None
