"""Checking a whole ledger: the chain, every event of it, and all that leads readers through it.

What is found: any edit, removal, insertion or reordering of segments, events, markers, time marks
and projections, as long as it is not the whole chain from some seq on that was computed anew, or
its end that was cut off. Those take something that was kept elsewhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tocsin.domain import chain
from tocsin.domain.errors import IntegrityError
from tocsin.domain.projection import INDEXES, Change, Changes, Item, Projected
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.domain.runs import BOOKKEEPING, settled
from tocsin.domain.segment import SealedEvent, Segment
from tocsin.ports.log import Journal, Ledger
from tocsin.ports.projections import Projections
from tocsin.services.reading.checked import BATCHES_PER_FETCH, fetch, segments_after, split
from tocsin.services.reading.past import Past

__all__ = ["VERIFIED_EVENTS", "Verified", "verify", "verify_some"]

VERIFIED_EVENTS = 20_000  # by one request, and the rest of the last segment

_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Verified:
    """A ledger that holds; of its ``expired`` events only the leaves are left."""

    last_seq: int
    hash: bytes
    expired: int


def verify(
    ledger: Ledger,
    journal: Journal,
    org: str,
    *,
    retention: Retention = KEEPS_ALL,
    projections: Projections | None = None,
) -> Verified:
    """Check a whole ledger from its beginning, while it may grow; with the projections, if given.

    Raises:
        IntegrityError: naming a seq at or before the first one that is not what was sealed, or that
            a reader would be led past.
        Busy: a store does not answer.
    """
    last_seq, last_hash, expired, batches = 0, chain.genesis(org), 0, 0
    marks = _Marks(ledger, org)
    projected = _Projected(projections, org) if projections else None
    for segment, hashes in segments_after(ledger, org, 1):
        marks.check(segment)
        if projected:
            projected.check_hash(segment, hashes)
        _check_markers(ledger, segment)
        for group in _groups(list(split(segment, hashes))):
            for part, sealed in fetch(ledger, journal, group, retention):
                expired += part.count if sealed is None else 0
                if projected:
                    projected.add(part, sealed)
        batches += len(segment.references)
        last_seq, last_hash = segment.last_seq, segment.hash_after
    marks.check_rest(last_seq)
    _check_no_more_markers(ledger, org, last_seq, batches)
    if projected:
        projected.check(last_seq)
    return Verified(last_seq, last_hash, expired)


def verify_some(past: Past, first_seq: int, last_seq: int) -> Iterator[int]:
    """Check the segments from the one with ``first_seq`` to the one with ``last_seq``.

    Yields the last seq that was checked, step by step, and ends after :data:`VERIFIED_EVENTS`. Of
    what is older than the retention the chain is checked alone.

    Raises:
        IntegrityError: as :func:`verify` does, for segments, markers and events.
        Busy: a store does not answer.
    """
    checked = 0
    if first_seq > last_seq:
        return
    for segment, hashes in segments_after(past.ledger, past.org, first_seq):
        _check_markers(past.ledger, segment)
        for group in _groups(list(split(segment, hashes))):
            for part, _ in fetch(past.ledger, past.journal, group, past.retention):
                checked += part.count
            yield min(group[-1].last_seq, last_seq)
        if segment.last_seq >= last_seq or checked >= VERIFIED_EVENTS:
            return


class _Marks:
    """The time marks, beside the segments that begin a minute."""

    def __init__(self, ledger: Ledger, org: str) -> None:
        self._ledger = ledger
        self._org = org
        self._marks = ledger.all_marks(org)
        self._minute = 0

    def check(self, segment: Segment) -> None:
        """Make sure that the next mark is this segment's, if it begins a minute."""
        minute = segment.sealed_at_ms // _MINUTE_MS
        if minute > self._minute:
            self._minute = minute
            found = next(self._marks, None)
            if found != (minute, segment.first_seq):
                seq = segment.first_seq if found is None else min(found[1], segment.first_seq)
                raise IntegrityError(self._org, max(seq, 1), "its minute's mark is another")

    def check_rest(self, last_seq: int) -> None:
        """Make sure that the marks left are of what was sealed meanwhile."""
        rest = list(self._marks)
        head_seq = self._ledger.head(self._org).seq
        for _, first_seq in rest:
            if not last_seq < first_seq <= head_seq:
                seq = min(max(first_seq, 1), last_seq + 1)
                raise IntegrityError(self._org, seq, "a minute's mark belongs to no segment")


def _check_markers(ledger: Ledger, segment: Segment) -> None:
    first_seqs = segment.first_seqs
    if len(first_seqs) != len(segment.references):
        raise IntegrityError(segment.org, segment.first_seq, "a batch is in it twice")
    found = ledger.first_seqs(segment.org, first_seqs)
    for batch_id, first_seq in first_seqs.items():
        if found.get(batch_id) != first_seq:
            seq = min(first_seq, found.get(batch_id, first_seq))
            raise IntegrityError(segment.org, max(seq, 1), "its batch's marker says another seq")


def _check_no_more_markers(ledger: Ledger, org: str, last_seq: int, batches: int) -> None:
    """Make sure that no batch is marked as sealed that is not: it would never be sealed."""
    within, beyond = 0, list[int]()
    for _, first_seq in ledger.all_markers(org):
        if first_seq <= last_seq:
            within += 1
        else:
            beyond.append(first_seq)
    if within == batches:
        head_seq = ledger.head(org).seq  # read after them: it may have grown meanwhile
        extra = [first_seq for first_seq in beyond if first_seq > head_seq]
    else:
        extra = [
            seq
            for batch_id, seq in ledger.all_markers(org)
            if seq <= last_seq and ledger.segments(org, seq, 1)[0].first_seqs.get(batch_id) != seq
        ]
    if extra:
        seq = min(max(min(extra), 1), last_seq + 1)
        raise IntegrityError(org, seq, "a marker names a batch that is not sealed")


def _groups(parts: Sequence[Segment]) -> Iterator[Sequence[Segment]]:
    for start in range(0, len(parts), BATCHES_PER_FETCH):
        yield parts[start : start + BATCHES_PER_FETCH]


@dataclass(slots=True)
class _Projected:
    """What the projections should say, folded from the events that they were told of."""

    projections: Projections
    org: str
    cursor: Projected = field(init=False)
    _told: Changes = field(default_factory=Changes)
    _telling: Changes = field(default_factory=Changes)  # by the run that was claimed last, too
    _complete: bool = True

    def __post_init__(self) -> None:
        self.cursor = self.projections.cursor(self.org)
        self._complete = not self.cursor.counted_after

    def check_hash(self, segment: Segment, hashes: Sequence[bytes]) -> None:
        """Make sure that the ledger is the one that was projected."""
        place = self.cursor.through_seq + 1 - segment.first_seq
        known = self.cursor.hash and 0 < place <= segment.count
        if known and hashes[place] != self.cursor.hash:
            reason = "the projections were made of another ledger"
            raise IntegrityError(self.org, segment.first_seq, reason)

    def add(self, part: Segment, sealed: Sequence[SealedEvent] | None) -> None:
        self._complete = self._complete and sealed is not None
        for event in sealed or ():
            if event.seq <= self.cursor.through_seq:
                self._told.add(event)
            if event.seq <= self.cursor.until_seq:
                self._telling.add(event)

    def check(self, last_seq: int) -> None:
        """Raise IntegrityError at the first event of what is projected wrongly."""
        if self.cursor.until_seq > last_seq:
            raise IntegrityError(self.org, last_seq + 1, "projections are ahead of the ledger")
        all_told = {(each.kind, each.id): each for each in settled(self._told.items(), {})}
        for telling in settled(self._telling.items(), {}):
            if not self._complete and telling.kind not in (*INDEXES, "usage"):
                continue  # what is known does not tell which names a day had first
            generation = self.cursor.generation
            item = self.projections.get(self.org, telling.kind, telling.id, generation)
            told = all_told.get((telling.kind, telling.id))
            if item is None:
                right = told is None
            elif int(item["through_seq"]) > self.cursor.until_seq:  # it was told more meanwhile
                right = self.projections.cursor(self.org) != self.cursor
            else:
                right = any(self._is(item, change) for change in (told, telling) if change)
            if not right:
                reason = f"the projection of {telling.kind} {telling.id!r} is another"
                raise IntegrityError(self.org, telling.first_seq, reason)

    def _is(self, item: Item, change: Change) -> bool:
        expected: dict[str, int | str] = {"last_seq": change.last_seq}
        expected["last_timestamp"] = change.last_timestamp
        if self._complete:
            expected |= {"first_seq": change.first_seq, "first_timestamp": change.first_timestamp}
            expected |= {name: count for name, count in change.counters.items() if count}
            expected |= {
                name: text for name, text in change.texts.items() if name not in BOOKKEEPING
            }
        if any(item.get(name) != value for name, value in expected.items()):
            return False
        said = {name for name, value in item.items() if value}
        unknown = said - expected.keys() - BOOKKEEPING - {"first_seq", "first_timestamp"}
        return int(item["first_seq"]) <= change.first_seq and not (self._complete and unknown)
