"""Checking a log from its lines alone: leaves, the chain, the tree, and what was signed of it.

Lines come one by one, in memory that does not grow with them, but for 32 bytes for every 256 events
since the last checkpoint that holds, up to 8 MB. Nothing that a line says is believed.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from tocsin.domain.chain import genesis
from tocsin.domain.merkle import Peaks
from tocsin.wire.log.breaks import LINES_BEFORE, LINES_BEYOND, Recent, explained
from tocsin.wire.log.comparing import Archived, Comparison
from tocsin.wire.log.doubts import Doubt, Since, Tiles
from tocsin.wire.log.erasures import Erasures
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.findings import Finding, Kind, Known, Report
from tocsin.wire.log.lines import Line, linked
from tocsin.wire.log.tiles import WIDTH

__all__ = ["Audit", "org_of"]


def org_of(origin: str) -> str:
    """Return the org that a log's name says: its last part."""
    return origin.rpartition("/")[2]


class Audit:
    """Takes lines in order; :meth:`report` says what came of it."""

    def __init__(
        self,
        org: str,
        known: Iterable[Known],
        before: Peaks | None = None,
        archived: Archived | None = None,
    ) -> None:
        """Check an org's log against checkpoints, from its first event on.

        Or from the event after the tree ``before``: whether it is the log's the checkpoints tell.
        With an archive it is told which event is not what was signed.
        """
        self._peaks = before or Peaks()
        self.first_seq: Final = self._peaks.size + 1
        self.last_seq = self._peaks.size
        self._org = org
        self._hash = None if self._peaks.size else genesis(org)
        self._waiting = deque(sorted(known, key=lambda each: each.checkpoint.size))
        self._held = list[Known]()
        self._skipped = list[Known]()
        self._doubt: Doubt | None = None
        self._recent = deque[Recent](maxlen=LINES_BEFORE)
        self._odd = list[Line | bytes]()
        self._fresh = list[bytes]()  # leaves that the tree does not have yet
        self._since = Since(self._peaks)
        self._comparison = Comparison(archived, self._peaks) if archived else None
        self._named: Finding | None = None
        self._leaves = 0
        self._erasures = Erasures()
        self._recent.append(Recent(self._peaks.size, self._hash))
        self._look()

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be learnt from lines."""
        return len(self._odd) > LINES_BEYOND

    def take(self, line: bytes) -> None:
        """Take the next line, without its end."""
        if self.is_over:
            return
        try:
            read = Line.read(line)
        except BadFormat:
            self._odd.append(line[:80])
            return
        before = read.before if self._hash is None else self._hash
        if (
            self._odd
            or read.seq != self.last_seq + 1
            or read.before != before
            or linked(before, read.leaf) != read.hash
        ):
            self._odd.append(read)
        else:
            self._add(read)
            self._erasures.take(read.seq, line)

    def report(self, covers: int | None = None, tiles: Tiles | None = None) -> Report:
        """Return what is known after the last line.

        ``covers`` is up to which seq there should be events; None: all that was ever signed.
        ``tiles`` are the log's own, if it serves them.
        """
        self._flush()
        found = Report(
            first_seq=self.first_seq,
            last_seq=self.last_seq,
            leaves=self._leaves,
            held=[each for each in self._held if not self._contradicts(each)],
        )
        if self._doubt is not None:
            found.broken.append(self._doubted(self._doubt, tiles))
        if self._odd:
            sure = self._since.sure.size
            found.broken.append(explained(self._recent, sure, self._org, self._odd))
        elif self._waiting:
            self._ended(found, covers)
        found.undecided += [f"{each} is of before the first event" for each in self._skipped]
        self._noted(found)
        return found

    def _add(self, line: Line) -> None:
        self._hash, self.last_seq = line.hash, line.seq
        self._leaves += not line.has_event
        self._recent.append(Recent(line.seq, line.hash))
        self._fresh.append(line.leaf)
        waits = self._waiting and line.seq == self._waiting[0].checkpoint.size
        if waits or not line.seq % WIDTH:
            self._flush()
            self._look()

    def _flush(self) -> None:
        """Let the tree grow by what has come."""
        if self._fresh:
            self._peaks, nodes = self._peaks.grown(self._fresh)
            self._since.add(self._fresh, nodes)
            if self._comparison is not None:
                self._comparison.add(self._fresh)
            if self._doubt is not None:
                self._doubt.add(self._fresh)
            self._fresh = []

    def _look(self) -> None:
        """Compare the tree with the checkpoints that are of its size."""
        held, size = list[Known](), self._peaks.size
        while self._waiting and self._waiting[0].checkpoint.size <= size:
            known = self._waiting.popleft()
            if known.checkpoint.size < size:
                self._skipped.append(known)
            elif known.checkpoint.root == self._peaks.root:
                held.append(known)
            elif self._doubt is None:
                self._doubt = self._since.doubt(known)
                self._named = self._compared(known)
        if held:
            self._held += held
            self._since.held(self._peaks)
            if self._comparison is not None:
                self._comparison.held(self._peaks)

    def _compared(self, known: Known) -> Finding | None:
        return None if self._comparison is None else self._comparison.finding(known)

    def _doubted(self, doubt: Doubt, tiles: Tiles | None) -> Finding:
        found = self._named or doubt.finding(tiles)
        later = [each for each in self._held if self._contradicts(each)]
        if not later:
            return found
        reason = f"{doubt.known} and {later[0]} are both signed, and not of one history"
        return Finding(Kind.TWO_VIEWS, reason, found.seq, found.until_seq)

    def _noted(self, found: Report) -> None:
        """Say what a reader should know of the events that are not covered, or not there."""
        covered = max((each.checkpoint.size for each in found.held), default=0)
        if found.broken or covered == self.last_seq:
            pass
        elif covered < self.first_seq:
            found.undecided.append(
                "no checkpoint covers these events: they follow by the chain alone"
            )
        else:
            found.notes.append(
                f"{self.last_seq - covered:,} events after that, up to seq {self.last_seq}, follow"
                " by the chain alone: no checkpoint covers them yet"
            )
        if self._leaves:
            found.notes.append(
                f"of {self._leaves:,} events there are hashes alone: they are older than what is"
                " kept"
            )
        found.notes += self._erasures.notes(covered)

    def _contradicts(self, known: Known) -> bool:
        """Whether a checkpoint that holds is of another history than one that does not."""
        return self._doubt is not None and known.checkpoint.size >= self._doubt.size

    def _ended(self, found: Report, covers: int | None) -> None:
        """Say what it means that the lines have ended before some checkpoints."""
        beyond = [
            each for each in self._waiting if covers is None or each.checkpoint.size <= covers
        ]
        found.undecided += [
            f"{each} is of more than is here: whether it was cut, or is older, can't be told"
            for each in self._waiting
            if each not in beyond
        ]
        if not beyond:
            return
        if (named := self._compared(beyond[0])) is not None:
            found.broken.append(named)
            return
        sure, last = self._since.sure.size, beyond[-1]
        reason = f"the log ends with seq {self.last_seq}, and {last} was signed"
        if sure < self.last_seq:
            reason += "; the end was cut off, or some before it are gone"
        found.broken.append(Finding(Kind.CUT, reason, sure + 1, last.checkpoint.size))
