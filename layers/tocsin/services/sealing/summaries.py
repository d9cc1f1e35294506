"""Summaries of what the ledger holds: made a little behind its head, by which searches skip.

Each is the same whoever makes it, so it can be made again at any time, and by several at once.
"""

from collections.abc import Callable
from itertools import pairwise

from tocsin.domain.limits import STRETCHES_TOGETHER
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.domain.stretches import Made, parts_of, whole
from tocsin.ports.log import Journal, Ledger, Summaries
from tocsin.services.reading.summarise import summarise
from tocsin.wire.summary import VERSION, Summary, decode, encode

__all__ = ["Summariser"]

_STRETCHES_AT_ONCE = 16  # a second or two of work, so that an org that is far behind holds up none


class Summariser:
    """Makes the summaries of what is whole and has none."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        journal: Journal,
        summaries: Summaries,
        retention: Callable[[], Retention] = lambda: KEEPS_ALL,
    ) -> None:
        """Wire the ports; of what ``retention`` says may be dropped nothing can be told."""
        self._ledger = ledger
        self._journal = journal
        self._summaries = summaries
        self._retention = retention

    def __call__(self, org: str, through_seq: int) -> bool:
        """Make the next few summaries of what is sealed up to a seq; False: there are no more.

        They begin anew where those that are there are of another version, or of another ledger.

        Raises:
            IntegrityError: the ledger can't be read.
            Busy: a store does not answer.
        """
        made, end = self._summaries.made(org), whole(0, through_seq)
        if made.version != VERSION or made.stretches > end:
            made = Made(version=VERSION)
        until = min(end, made.stretches + _STRETCHES_AT_ONCE)
        if made.stretches == until:
            return False
        hash = made.hash
        for number in range(made.stretches, until):
            summary = summarise(self._ledger, self._journal, org, number, self._retention())
            if number and summary.bounds.hash_before != hash:
                self._summaries.set_made(org, Made(version=VERSION))
                return True
            self._put(org, 0, number, summary)
            hash = summary.bounds.hash_after
        self._summaries.set_made(org, Made(until, hash, VERSION))
        return until < end

    def again(self, org: str, through_seq: int) -> None:
        """Make all of them once more, as far as the ledger is whole up to a seq.

        Raises:
            IntegrityError, Busy: as a call does.
        """
        self._summaries.set_made(org, Made(version=VERSION))
        while self(org, through_seq):
            pass

    def _put(self, org: str, level: int, number: int, summary: Summary) -> None:
        """Store a summary, and the one above it if that is complete by it."""
        self._summaries.put(org, level, number, encode(summary, org, level, number))
        above, place = divmod(number, STRETCHES_TOGETHER)
        if place + 1 < STRETCHES_TOGETHER:
            return
        numbers = parts_of(range(above, above + 1))
        stored = self._summaries.get(org, level, numbers[:-1])
        found = [decode(stored.get(each, b""), org, level, each) for each in numbers[:-1]]
        parts = [part for part in (*found, summary) if part is not None]
        # If one is missing, or is read as it was before, those below it are searched, one by one.
        if len(parts) == len(numbers) and all(
            one.bounds.hash_after == other.bounds.hash_before for one, other in pairwise(parts)
        ):
            self._put(org, level + 1, above, Summary.of_all(parts))
