"""Checking a whole ledger: the chain, every event of it, and all that leads readers through it.

What is found: any edit, removal, insertion or reordering of segments, events, markers, time marks
and projections, as long as it is not the whole chain from some seq on that was computed anew, or
its end that was cut off. Those take something that was kept elsewhere. And any summary by which a
search would skip what is there; one that is missing, or that searches ignore, hides nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tocsin.domain import chain
from tocsin.domain.errors import IntegrityError
from tocsin.domain.projection import INDEXES, Change, Changes, Item, Projected
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.domain.runs import BOOKKEEPING, settled
from tocsin.domain.segment import SealedEvent, Segment
from tocsin.domain.stretches import seqs_of, touched, whole
from tocsin.ports.log import Journal, Ledger, Summaries
from tocsin.ports.projections import Projections
from tocsin.services.reading.checked import BATCHES_PER_FETCH, fetch, hash_at, segments_after, split
from tocsin.services.reading.past import Past, common
from tocsin.wire.summary import Bounds, Gathered, Summary, decode

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
    summaries: Summaries | None = None,
) -> Verified:
    """Check a whole ledger from its beginning, while it may grow, and what is derived, if given.

    Raises:
        IntegrityError: naming a seq at or before the first one that is not what was sealed, or that
            a reader would be led past.
        Busy: a store does not answer.
    """
    last_seq, last_hash, expired, batches = 0, chain.genesis(org), 0, 0
    marks = _Marks(ledger, org)
    projected = _Projected(projections, org) if projections else None
    summarised = _Summarised(summaries, ledger, org) if summaries else None
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
                if summarised:
                    summarised.add(part, sealed)
        batches += len(segment.references)
        last_seq, last_hash = segment.last_seq, segment.hash_after
    marks.check_rest(last_seq)
    _check_no_more_markers(ledger, org, last_seq, batches)
    if projected:
        projected.check(last_seq)
    return Verified(last_seq, last_hash, expired)


def verify_some(past: Past, first_seq: int, last_seq: int) -> Iterator[int]:
    """Check the segments from the one with ``first_seq`` to the one with ``last_seq``.

    Yields the last seq that was checked, step by step, and ends after :data:`VERIFIED_EVENTS`. With
    summaries that is at the end of a stretch, where whoever goes on checks the next one wholly. Of
    what is older than the retention the chain is checked alone.

    Raises:
        IntegrityError: as :func:`verify` does, for segments, markers, events, and the summaries of
            stretches between the seqs.
        Busy: a store does not answer.
    """
    checked = 0
    if first_seq > last_seq:
        return
    summarised = None
    if past.summaries:
        span = range(first_seq, last_seq + 1)
        summarised = _Summarised(past.summaries, past.ledger, past.org, span)
    for segment, hashes in segments_after(past.ledger, past.org, first_seq):
        _check_markers(past.ledger, segment)
        for group in _groups(list(split(segment, hashes))):
            for part, sealed in fetch(past.ledger, past.journal, group, past.retention):
                checked += part.count
                if summarised:
                    summarised.add(part, sealed)
            yield min(group[-1].last_seq, last_seq)
        if segment.last_seq >= last_seq:
            return
        if checked >= VERIFIED_EVENTS:
            if summarised and summarised.through_seq:
                yield summarised.through_seq
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
            if found is None:  # it may have been sealed since the last of them was read
                first_seq = self._ledger.first_sealed(self._org, minute)
                found = None if first_seq is None else (minute, first_seq)
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
    _told: Changes = field(init=False)
    _telling: Changes = field(init=False)  # by the run that was claimed last, too
    _complete: bool = True

    def __post_init__(self) -> None:
        self.cursor = self.projections.cursor(self.org)
        self._complete = not self.cursor.counted_after
        self._told = Changes(linked_after=self.cursor.linked_after)
        self._telling = Changes(linked_after=self.cursor.linked_after)

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


class _Summarised:
    """The summaries of the stretches within a span (None: all), beside what is there.

    ``through_seq`` is the end of the last stretch that was compared.
    """

    def __init__(
        self, summaries: Summaries, ledger: Ledger, org: str, span: range | None = None
    ) -> None:
        self.through_seq = 0
        self._summaries, self._ledger, self._org = summaries, ledger, org
        self._head_seq = ledger.head(org).seq
        self._span = span or range(1, self._head_seq + 1)
        self._gathered = Gathered()
        self._before: bytes | None = None  # the ledger's hash before the stretch that was begun
        self._read: dict[int, tuple[int, Summary | None]] = {}  # the last one of each level

    def add(self, part: Segment, sealed: Sequence[SealedEvent] | None) -> None:
        """Add what comes next, and compare each stretch that ends in it."""
        seqs = common(self._span, range(part.first_seq, part.last_seq + 1))
        for number in touched(0, seqs):
            stretch = seqs_of(0, number)
            here = common(stretch, seqs)
            if here.start == stretch.start:
                self._gathered, self._before = Gathered(), hash_at(part, stretch.start - 1)
            if self._before is None:
                continue  # it begins before the span
            for event in (sealed or ())[here.start - part.first_seq : here.stop - part.first_seq]:
                self._gathered.add(event)
            if here.stop == stretch.stop:
                bounds = Bounds(self._before, hash_at(part, stretch[-1]), part.sealed_at_ms)
                self._compare(stretch, self._gathered.summary(bounds))
                self.through_seq = stretch[-1]

    def _compare(self, stretch: range, told: Summary) -> None:
        """Raise IntegrityError if one of the summaries that a stretch is part of hides any of it.

        What the journal has dropped is in none that is made of the events: so they may say more.
        """
        level = 0
        while (number := touched(level, stretch)[0]) < whole(level, self._head_seq):
            seqs = seqs_of(level, number)
            if level not in self._read or self._read[level][0] != number:
                after = told.bounds.hash_after if level == 0 else self._hash(seqs[-1])
                self._read[level] = number, self._heeded(level, number, after)
            if (stored := self._read[level][1]) is not None:
                begins = seqs.start == stretch.start
                linked = not begins or stored.bounds.hash_before == told.bounds.hash_before
                if not linked or not stored.covers(told):
                    reason = f"the summary of seqs {seqs[0]} to {seqs[-1]} leads searches past it"
                    raise IntegrityError(self._org, stretch.start, reason)
            level += 1

    def _heeded(self, level: int, number: int, hash_after: bytes) -> Summary | None:
        """Return a summary, if there is one that a search would heed."""
        data = self._summaries.get(self._org, level, range(number, number + 1)).get(number)
        summary = decode(data, self._org, level, number) if data else None
        # One of another ledger is ignored: this one was restored, and they will be made anew.
        return summary if summary and summary.bounds.hash_after == hash_after else None

    def _hash(self, seq: int) -> bytes:
        found = self._ledger.segments(self._org, seq, 1)
        return hash_at(found[0], seq) if found and found[0].last_seq >= seq else b""
