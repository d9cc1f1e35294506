"""Searching an org's past for what few events have, without a look at all the others.

Summaries say what stretches of the ledger can't hold what is wanted, the widest ones first. All
else is read, and checked, as if there were no summaries: one that is missing or damaged, or that is
of another ledger than this one, costs a look and hides nothing.
"""

from collections.abc import Iterable, Iterator, Sequence

from tocsin.domain.errors import IntegrityError
from tocsin.domain.limits import MAX_SUMMARIES_LOOKED_AT
from tocsin.domain.segment import SealedEvent
from tocsin.domain.stretches import parts_of, seqs_of, touched, whole, widest
from tocsin.services.reading.checked import hash_at, in_time
from tocsin.services.reading.past import Past, common
from tocsin.wire.summary import Summary, Wanted, decode

__all__ = ["Search"]

_SUMMARIES_PER_READ = 16


class _Spent(Exception):
    """A request has looked at as many summaries as it may; it goes on at ``seq``."""

    def __init__(self, seq: int) -> None:
        super().__init__(seq)
        self.seq = seq


class Search:
    """Goes through spans of seqs, backwards or forwards, as far as one request looks.

    If that is not to their end, ``goes_on`` says where the next one goes on: ``before`` this seq,
    or ``after`` it if the search goes ``forwards``.
    """

    def __init__(
        self, past: Past, wanted: Wanted, spans: Iterable[range], *, forwards: bool = False
    ) -> None:
        """Prepare to go through spans, which are in the order of the search."""
        self.goes_on: int | None = None
        self._past, self._wanted, self._forwards = past, wanted, forwards
        self._spans = spans
        self._events = self._summaries = 0  # looked at
        self._hashes: dict[int, bytes] = {}  # of the ledger, after the events with these seqs

    def __iter__(self) -> Iterator[list[SealedEvent]]:
        """Yield what is wanted, step by step, in the order of the search; steps may be empty.

        Raises:
            IntegrityError: what is stored there is not what was sealed.
            Busy: a store does not answer.
        """
        try:
            for span in self._spans:
                for piece in self._pieces(span):
                    read = 0
                    for events in self._read(piece):
                        read += len(events)
                        yield [event for event in events if self._wanted.lets(event)]
                    if self.goes_on is not None or self._ends(piece, read):
                        return
                    yield []
        except _Spent as spent:
            self.goes_on = spent.seq

    def _read(self, piece: range) -> Iterator[list[SealedEvent]]:
        """Yield the events of a piece, or of as much of it as may be looked at yet."""
        looks_at, part = self._past.looks_at, piece
        if looks_at is not None and len(piece) > (left := looks_at - self._events):
            if self._forwards:
                part = range(piece.start, piece.start + left)
                self.goes_on = part.stop - 1
            else:
                part = range(piece.stop - left, piece.stop)
                self.goes_on = part.start
        self._events += len(part)
        if part:
            yield from self._past.through([part], forwards=self._forwards)

    def _ends(self, piece: range, read: int) -> bool:
        """Whether all that would come next is older than the retention."""
        if self._forwards or read == len(piece):
            return False
        return self._past.first_kept(piece[:1]) != piece.start

    def _pieces(self, span: range) -> Iterator[range]:
        """Yield what must be looked at, in the order of the search, a bounded number at a time."""
        if self._forwards:
            span = range(self._past.first_kept(span), span.stop)
        if not span:
            return
        all_whole = widest(span.stop - 1)
        rest = common(seqs_of(0, whole(0, span.stop - 1)), span)
        if not self._forwards:
            yield rest
            all_whole.reverse()
        for level, numbers in all_whole:
            yield from self._within(level, numbers, span)
        if self._forwards:
            yield rest

    def _within(self, level: int, numbers: range, span: range) -> Iterator[range]:
        """Yield what must be looked at of some stretches."""
        left = common(numbers, touched(level, span))
        while left:
            in_time()
            if self._forwards:
                page, left = left[:_SUMMARIES_PER_READ], left[_SUMMARIES_PER_READ:]
            else:
                page, left = left[-_SUMMARIES_PER_READ:], left[:-_SUMMARIES_PER_READ]
            possible = self._possible(level, page, span)
            if level == 0:
                yield from (common(piece, span) for piece in _joined(possible))
            else:
                yield range(0)
                for each in possible:
                    yield from self._within(level - 1, parts_of(range(each, each + 1)), span)

    def _possible(self, level: int, page: range, span: range) -> Sequence[int]:
        """Return those of some stretches that may hold what is wanted, in the search's order."""
        if self._summaries + len(page) > MAX_SUMMARIES_LOOKED_AT:
            seqs = common(range(seqs_of(level, page[0]).start, seqs_of(level, page[-1]).stop), span)
            raise _Spent(seqs.start - 1 if self._forwards else seqs.stop)
        self._summaries += len(page)
        found = self._found(level, page)
        possible = [each for each in page if each not in found or self._may_be_in(found[each])]
        return possible if self._forwards else possible[::-1]

    def _may_be_in(self, summary: Summary) -> bool:
        kept = summary.bounds.sealed_at_ms >= self._past.retention.expired_before_ms
        return kept and self._wanted.may_be_in(summary)

    def _found(self, level: int, page: range) -> dict[int, Summary]:
        """Return the summaries that are of this very ledger, by their stretches' numbers.

        Each says with which hash the one before it ends, so the ledger is asked for the last
        one's alone, where none is missing.
        """
        past, found = self._past, dict[int, Summary]()
        stored = past.summaries.get(past.org, level, page) if past.summaries else {}
        for number in reversed(page):
            data = stored.get(number)
            summary = decode(data, past.org, level, number) if data else None
            seqs = seqs_of(level, number)
            if summary is not None and summary.bounds.hash_after == self._hash(seqs[-1]):
                self._hashes[seqs.start - 1] = summary.bounds.hash_before
                found[number] = summary
        return found

    def _hash(self, seq: int) -> bytes:
        """Return the ledger's hash after an event; empty: it can't be told."""
        if seq not in self._hashes:
            try:
                segments = self._past.ledger.segments_before(self._past.org, seq, 1)
            except IntegrityError:  # which whoever looks there is told
                segments = ()
            there = segments and segments[0].last_seq >= seq
            self._hashes[seq] = hash_at(segments[0], seq) if there else b""
        return self._hashes[seq]


def _joined(numbers: Sequence[int]) -> Iterator[range]:
    """Yield the seqs of stretches of level 0, adjacent ones together."""
    start = 0
    for place, number in enumerate(numbers):
        if place + 1 == len(numbers) or abs(numbers[place + 1] - number) > 1:
            first, last = sorted((numbers[start], number))
            yield range(seqs_of(0, first).start, seqs_of(0, last).stop)
            start = place + 1
