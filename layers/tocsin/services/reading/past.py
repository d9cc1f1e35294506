"""One org's past, read from its end or at given places, in steps of bounded memory.

Every event that is returned was checked against its leaf, and every leaf against the hashes of its
segment, as a replay does it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from tocsin.domain.errors import IntegrityError
from tocsin.domain.limits import MAX_EVENTS_LOOKED_AT
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.domain.segment import SealedEvent, Segment
from tocsin.ports.log import Journal, Ledger, Summaries
from tocsin.services.reading.checked import (
    SEGMENTS_PER_PAGE,
    fetch,
    parts_after,
    parts_before,
    take,
)
from tocsin.services.reading.since import first_sealed_at

__all__ = ["Past", "common"]

STEP_BYTES = 512 * 1024  # of entries, but always at least one batch
STEP_EVENTS = 1_000
FIRST_GUESS_BYTES = 8 * 1024  # of an entry, before any is read: most are smaller
_NEAR = 64  # seqs that are as cheap to pass over as to ask for anew


@dataclass(frozen=True, slots=True)
class Past:
    """An org's ledger and journal; ``retention`` says what the journal may have dropped.

    What was sealed before then is passed over, whether it was dropped or not yet. ``looks_at`` is
    how many events a search may look at; None: all. ``summaries`` tell it what to skip.
    """

    ledger: Ledger
    journal: Journal
    org: str
    retention: Retention = KEEPS_ALL
    looks_at: int | None = MAX_EVENTS_LOOKED_AT
    summaries: Summaries | None = None

    def through(
        self, spans: Iterable[range], *, forwards: bool = False
    ) -> Iterator[list[SealedEvent]]:
        """Yield all events of some spans of seqs, step by step; spans and events newest first.

        It ends where everything is older than the retention. ``forwards`` turns the order round.

        Raises:
            IntegrityError: what is stored there is not what was sealed.
            Busy: a store does not answer.
        """
        for span in spans:
            parts = self._parts_forwards(span) if forwards else self._parts_back(span)
            for group in self._steps(parts):
                yield [
                    event
                    for _, sealed in group
                    for event in (sealed or ())[:: 1 if forwards else -1]
                    if event.seq in span
                ]

    def first_kept(self, span: range) -> int:
        """Return the first seq of a span that is not older than the retention, or its end.

        Raises:
            IntegrityError: a segment is missing.
            Busy: the ledger does not answer.
        """
        expired_before_ms = self.retention.expired_before_ms
        first = self.ledger.segments(self.org, span.start, 1) if span else ()
        if first and first[0].sealed_at_ms >= expired_before_ms:  # usually nothing is older
            return span.start
        return first_sealed_at(self.ledger, self.org, expired_before_ms, span.start, span.stop)

    def at(
        self, seqs: Sequence[int], known: Mapping[int, SealedEvent] | None = None
    ) -> Iterator[list[SealedEvent]]:
        """Yield the events at these seqs, in this order, step by step.

        Those that are ``known`` are not read.

        Raises:
            IntegrityError: what is stored there is not what was sealed.
            Busy: a store does not answer.
        """
        known = known or {}
        place = events = size_bytes = 0
        while place < len(seqs):
            mean_bytes = max(size_bytes // events, 1) if events else FIRST_GUESS_BYTES
            wanted = seqs[place : place + max(min(STEP_BYTES // mean_bytes, STEP_EVENTS), 1)]
            read = self._read(sorted(seq for seq in wanted if seq not in known))
            found = [
                event for seq in wanted if (event := known.get(seq) or read.get(seq)) is not None
            ]
            yield found
            place += len(wanted)
            events += len(found)
            size_bytes += sum(len(event.entry) for event in found)

    def _parts_back(self, span: range) -> Iterator[Segment]:
        # A batch is received before it is sealed, and seals are in the order of time.
        since_ms = self.retention.expired_before_ms
        parts = parts_before(self.ledger, self.org, span.stop - 1, since_ms)
        return takewhile(lambda part: part.last_seq >= span.start, parts)

    def _parts_forwards(self, span: range) -> Iterator[Segment]:
        start = self.first_kept(span)
        if start < span.stop:
            parts = parts_after(self.ledger, self.org, start - 1, None)
            yield from takewhile(lambda part: part.first_seq < span.stop, parts)

    def _read(self, seqs: Sequence[int]) -> dict[int, SealedEvent]:
        wanted = set(seqs)
        found = {}
        for group in self._steps(self._parts_with(seqs)):
            for _, sealed in group:
                found.update({event.seq: event for event in sealed or () if event.seq in wanted})
        return found

    def _parts_with(self, seqs: Sequence[int]) -> Iterator[Segment]:
        """Yield the parts that hold these seqs, which ascend."""
        wanted = set(seqs)
        for run in _runs(seqs):
            per_page = min(len(run) + 2, SEGMENTS_PER_PAGE)  # with those before and after
            for part in parts_after(self.ledger, self.org, run.start - 1, None, per_page=per_page):
                kept = part.sealed_at_ms >= self.retention.expired_before_ms
                if kept and not wanted.isdisjoint(range(part.first_seq, part.last_seq + 1)):
                    yield part
                if part.last_seq >= run.stop - 1:
                    break

    def _steps(
        self, parts: Iterator[Segment]
    ) -> Iterator[list[tuple[Segment, list[SealedEvent] | None]]]:
        """Yield parts with their checked events, some :data:`STEP_BYTES` of them at a time."""
        events = size_bytes = 0
        while True:
            mean_bytes = max(size_bytes // events, 1) if events else FIRST_GUESS_BYTES
            group, broken = take(parts, STEP_BYTES // mean_bytes)
            fetched, fetched_bytes = [], 0
            try:
                for each in fetch(self.ledger, self.journal, group, self.retention):
                    fetched.append(each)
                    events += len(each[1] or ())
                    step_bytes = sum(len(event.entry) for event in each[1] or ())
                    size_bytes, fetched_bytes = size_bytes + step_bytes, fetched_bytes + step_bytes
                    if fetched_bytes >= STEP_BYTES:
                        yield fetched
                        fetched, fetched_bytes = [], 0
            except IntegrityError as error:  # what comes before it is not lost
                broken = error
            if fetched:
                yield fetched
            if broken:
                raise broken
            if not group:
                return


def common(one: range, other: range) -> range:
    """Return what two spans have in common."""
    return range(max(one.start, other.start), min(one.stop, other.stop))


def _runs(seqs: Sequence[int]) -> Iterator[range]:
    """Yield the spans in which ascending seqs lie close to each other."""
    start = 0
    for place, seq in enumerate(seqs):
        if place + 1 == len(seqs) or seqs[place + 1] - seq > _NEAR:
            yield range(seqs[start], seq + 1)
            start = place + 1
