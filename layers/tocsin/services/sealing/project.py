"""Project: derive sessions, agents and figures from sealed events, each once, in seq order.

A projected item costs a write however many events change it, so events are projected in runs, as
many at once as were sealed since the last one and touch a bounded number of items. A run is claimed
before it is applied, so whoever repeats it, after a crash or at the same time, applies the same
events; and each item records the last run that it counted, so that it counts each once.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Protocol

from tocsin.domain.budgets import Budget
from tocsin.domain.errors import Busy, IntegrityError
from tocsin.domain.projection import INDEXES, SPENT, Change, Changes, Item, Projected
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.domain.runs import before, keys_of, settled
from tocsin.domain.segment import SealedEvent
from tocsin.ports.log import Journal, Ledger
from tocsin.ports.projections import Projections
from tocsin.services.reading import replay
from tocsin.services.sealing.pace import Pace, Turn
from tocsin.services.sealing.reported import Reported
from tocsin.services.sealing.summaries import Summariser

__all__ = ["ProjectReport", "Projector"]

_RUN_EVENTS = 10_000
_RUN_ITEMS = 4_000  # a run that is begun again must come to its end within a function's time
_READ_EVENTS = 1_000


@dataclass(slots=True)
class ProjectReport:
    """What stopped a projection, by org.

    ``failed`` must be tried again. ``broken`` would not get further by that: the ledger can't be
    read, or the fault is ours. It is told, and tried when the org's next events are sealed.
    ``later`` are to go on after so many seconds. ``waiting`` had to be tried again, and will be.
    """

    failed: dict[str, Busy] = field(default_factory=dict)
    broken: dict[str, Exception] = field(default_factory=dict)
    later: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, Busy] = field(default_factory=dict)

    def note(self, org: str, error: Exception) -> None:
        """Note what an org raised."""
        if isinstance(error, Busy):
            self.failed[org] = error
        else:
            self.broken[org] = error


class Spending(Protocol):
    """Whose budgets are counted, and who is told what was counted for them."""

    def budgets(self, org: str) -> Sequence[Budget]:
        """Return those that are counted now."""

    def __call__(
        self, org: str, budgets: Sequence[Budget], changed: Collection[str], generation: int
    ) -> None:
        """Look at the changed items of budgets, given by their ids; may be repeated."""


class _NoBudgets:
    def budgets(self, org: str) -> Sequence[Budget]:
        return ()

    def __call__(self, *_: object) -> None:
        pass


class Projector:
    """Brings projections up to the ledgers' heads."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        journal: Journal,
        projections: Projections,
        spending: Spending | None = None,
        retention: Callable[[], Retention] = lambda: KEEPS_ALL,
        writers: int = 1,
        begin: Callable[[str, Sequence[str]], None] | None = None,
        summariser: Summariser | None = None,
    ) -> None:
        """Wire the ports; ``writers`` threads write the items of a run, which are independent.

        ``begin`` is told of an org's sessions that begin: before a run that meets their first
        events is applied, and again with each repetition of it.

        What ``retention`` says that the journal may have dropped is counted nowhere. Without
        ``spending`` there are no budgets. The ``summariser`` follows what is projected.
        """
        self._ledger = ledger
        self._journal = journal
        self._projections = projections
        self._reported = Reported(projections)
        self._spending = spending or _NoBudgets()
        self._retention = retention
        self._writers = writers
        self._begin = begin
        self._summariser = summariser

    def __call__(self, orgs: Collection[str], pace: Pace | None = None) -> ProjectReport:
        """Project what is sealed and not yet projected; one org's trouble holds up no other.

        With a ``pace`` each has its turn, and what is left after it is for ``later``.
        """
        report = ProjectReport()
        for place, org in enumerate(orgs):
            turn = pace.turn(len(orgs) - place) if pace else None
            try:
                through_seq = self.catch_up(org, turn=turn)
                if self._summariser:
                    self._summariser(org, through_seq)
            except Exception as error:  # whatever an org's data can raise
                report.note(org, error)
            else:
                if turn and turn.wait_seconds:
                    report.later[org] = turn.wait_seconds
        return report

    def catch_up(
        self,
        org: str,
        generation: int | None = None,
        *,
        remaking: bool = False,
        turn: Turn | None = None,
    ) -> int:
        """Project what is sealed of an org into a generation; None: into the one that is served.

        ``remaking``: which sessions begin and which budgets are used up was told when the one that
        is served met them. Runs are begun while it is the org's ``turn``; None: to the head.

        Returns:
            The seq up to which it is projected now.

        Raises:
            IntegrityError: the ledger can't be read, or it is not the one that was projected.
            Busy: a store does not answer.
        """
        while True:
            cursor = self._projections.cursor(org, generation)
            claimed = cursor.until_seq > cursor.through_seq
            run = cursor if claimed else self._following(org, cursor)
            if run is None:
                return cursor.through_seq
            full = not claimed and run.until_seq - run.through_seq >= _RUN_EVENTS
            if turn and not turn.may_go_on(cursor, full=full):
                return cursor.through_seq
            budgets = self._spending.budgets(org)
            run, found, hash = self._read(org, run, budgets, whole=claimed)
            if claimed or self._projections.claim(org, cursor, run):
                if turn and not claimed:
                    turn.claimed_at_ms = run.claimed_at_ms
                if not claimed and (now := self._spending.budgets(org)) != budgets:
                    budgets = now  # one that was made before the claim begins before the run
                    run, found, hash = self._read(org, run, budgets, whole=True)
                self._apply(org, run, found, hash, None if remaking else budgets)

    def _following(self, org: str, cursor: Projected) -> Projected | None:
        """Return the longest run that may come next; None at the head.

        Raises:
            IntegrityError: the ledger ends before what was projected: it was cut off.
        """
        head = self._ledger.head(org)
        if head.seq < cursor.through_seq:
            raise IntegrityError(org, head.seq + 1, "the ledger's end was cut off")
        if head.seq == cursor.through_seq:
            if cursor.hash not in (b"", head.hash):
                raise IntegrityError(org, head.seq, "the ledger is another than was projected")
            return None
        until_seq = min(head.seq, cursor.through_seq + _RUN_EVENTS)
        return replace(cursor, until_seq=until_seq, claimed_at_ms=self._retention().now_ms)

    def _read(
        self, org: str, run: Projected, budgets: Sequence[Budget], *, whole: bool
    ) -> tuple[Projected, Changes, bytes]:
        """Return what a run changes, and the ledger's hash at its end.

        Unless it must be the ``whole`` of it, the run ends where it touches too many items.
        """
        found = Changes(
            lambda session: self._pending(org, run, session),
            budgets,
            self._reported.before(org, run),
            run.linked_after,
        )
        reader = _Reader(self._ledger, self._journal, org, run, self._retention())
        for sealed in reader:
            found.add(sealed)
            if len(found) >= _RUN_ITEMS and sealed.seq < run.until_seq and not whole:
                return replace(run, until_seq=sealed.seq), found, sealed.hash
        return run, found, reader.hash

    def _pending(self, org: str, run: Projected, session: str) -> str:
        item = self._projections.get(org, "session", session, run.generation)
        return str(before(item, run).get("pending", ""))

    def _apply(
        self,
        org: str,
        run: Projected,
        changes: Changes,
        hash: bytes,
        budgets: Sequence[Budget] | None,
    ) -> None:
        """Apply a run, and tell what follows from it; None for ``budgets``: tell nothing."""
        found = changes.items()
        items = self._projections.items(org, keys_of(found), run.generation)
        were = {key: was for key, item in items.items() if (was := before(item, run))}
        begun = [each.id for each in found if _begins(each, items)]
        if self._begin and begun and budgets is not None:
            self._begin(org, begun)  # before anything is applied: what is applied was told
        ready = self._reported.to_keep(run, changes.reports) + settled(found, were)
        for _, independent in groupby(ready, lambda change: change.kind == "day"):
            self._write(org, run, list(independent))
        spent = [each.id for each in ready if each.kind == SPENT]
        if budgets is not None:
            self._spending(org, budgets, spent, run.generation)
        new = Counter(
            each.kind for each in ready if each.kind in INDEXES and (each.kind, each.id) not in were
        )
        self._projections.advance(org, run, hash, new)
        self._reported.at_end(org, run, hash, changes.reports)

    def _write(self, org: str, run: Projected, found: Sequence[Change]) -> None:
        if self._writers == 1:
            for change in found:
                self._projections.apply(org, run, change)
            return
        with ThreadPoolExecutor(self._writers) as pool:
            writing = [pool.submit(self._projections.apply, org, run, each) for each in found]
            for written in writing:
                written.result()


def _begins(change: Change, items: Mapping[tuple[str, str], Item]) -> bool:
    """Whether a session's first event is in a run; those of Tocsin's own count for none."""
    there = items.get((change.kind, change.id), {})
    return (
        change.kind == "session"
        and change.counters.get("events", 0) > 0
        and not there.get("events")
    )


class _Reader:
    """The events of a run, and afterwards the ledger's hash at its end; empty: not known."""

    def __init__(
        self, ledger: Ledger, journal: Journal, org: str, run: Projected, retention: Retention
    ) -> None:
        self.hash = run.hash
        self._ports = ledger, journal, org
        self._run = run
        self._retention = retention

    def __iter__(self) -> Iterator[SealedEvent]:
        seq = self._run.through_seq
        while seq < self._run.until_seq:
            try:
                events = replay.read(
                    *self._ports,
                    seq,
                    limit=min(self._run.until_seq - seq, _READ_EVENTS),
                    expected_hash=self.hash or None,
                    retention=self._retention,
                )
            except replay.Expired as expired:
                seq, self.hash = expired.first_seq - 1, b""
                continue
            if not events:
                raise IntegrityError(self._ports[2], seq + 1, "the ledger's end was cut off")
            yield from events
            seq, self.hash = events[-1].seq, events[-1].hash
        if seq > self._run.until_seq:
            self.hash = b""
