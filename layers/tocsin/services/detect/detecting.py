"""Detect: fold an org's sealed events into what is known of it, and tell what is unusual.

What was found, the events that tell of it and how far it has come are one transaction, on the
condition that nobody else has come further: so each finding is told once, whatever is killed. What
is known is written seldom, to places that only that cursor leads to: from the events since it was,
any other run finds the same, and passes over as many findings as the cursor says were told.
"""

from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from tocsin.domain import canonical, ids
from tocsin.domain.detect.cursor import Cursor
from tocsin.domain.detect.fold import Fold, keys_of, passed_ms
from tocsin.domain.detect.org import Org
from tocsin.domain.detect.packing import Damaged
from tocsin.domain.detect.settings import Settings
from tocsin.domain.errors import Busy, Conflict, IntegrityError, TocsinError
from tocsin.domain.ids import batch_time_ms
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.ports.detecting import Detections
from tocsin.ports.log import Journal, Ledger
from tocsin.ports.world import Clock
from tocsin.services.detect.shelves import Shelves
from tocsin.services.intake.stamp import new_id, own_batch
from tocsin.services.reading.sealed import Part, sealed_after
from tocsin.wire.anomalies import anomaly_of, event_of

__all__ = ["Detector", "Report"]

_KEPT_MS: Final = 5 * 60_000  # how long what is known may stand in memory alone
_KEPT_EVENTS: Final = 5_000  # and of how many events: as many are read again at most
_MOST_TOUCHED: Final = 2_000  # states that are unpacked
_MOST_FOUND: Final = 15  # and those of one event more: a transaction has 100 items
_FIRST_EVENTS: Final = 10_000  # of a ledger that is longer when detection begins
_QUIET_MS: Final = 60 * 60_000  # what is older then, nobody is told of
_EVENTS_A_CALL: Final = 20_000
_CALL_MS: Final = 30_000  # then each org comes to an end, for Lambda gives it a minute
_MORE_MS: Final = 1  # due at once: the schedule goes on with it
_MARGIN_MS: Final = 15_000  # within which what has happened may still be sealed
_ORGS_IN_MEMORY: Final = 64
_LOOKED_AT: Final = 100  # batches that may wait to be sealed
_TRIES: Final = 4
_MOST_SKIPPED: Final = 10  # of an org's events in one call


@dataclass(slots=True)
class Report:
    """What stopped detection, by org.

    ``failed`` must be tried again. ``broken`` would not get further by that: it is told, and tried
    when the org's next events are sealed. ``skipped`` are the events that detection itself can't
    take, by org and seq: they must not blind it. ``found`` counts the alerts that were told.
    """

    failed: dict[str, Busy] = field(default_factory=dict)
    broken: dict[str, Exception] = field(default_factory=dict)
    skipped: list[tuple[str, int, Exception]] = field(default_factory=list)
    found: int = 0


class _Overtaken(Exception):
    """Somebody else has come further."""


class _Untakable(Exception):
    """An event that detection can't take."""

    def __init__(self, seq: int, error: Exception) -> None:
        super().__init__(seq)
        self.seq = seq
        self.error = error


@dataclass(slots=True)
class _Run:
    """What is known of an org in memory: beyond ``cursor``, up to ``through_seq``."""

    cursor: Cursor
    fold: Fold
    shelves: Shelves
    through_seq: int
    hash: bytes
    unwritten_since_ms: int = 0
    told_before: int = 0  # of what it is yet to find

    def came_to(self, seq: int, hash: bytes, sealed_at_ms: int) -> None:
        self.through_seq, self.hash = seq, hash
        self.unwritten_since_ms = self.unwritten_since_ms or sealed_at_ms

    def pass_over(self) -> None:
        """Pass over what was told before."""
        findings = self.fold.findings
        passed_over = min(self.told_before, len(findings))
        del findings[:passed_over]
        self.told_before -= passed_over

    def must_be_written(self, now_ms: int) -> bool:
        """Whether much is in memory alone."""
        return (
            0 < self.unwritten_since_ms <= now_ms - _KEPT_MS
            or self.through_seq - self.cursor.through_seq >= _KEPT_EVENTS
            or self.cursor.due_ms == _MORE_MS
        )

    @property
    def must_tell(self) -> bool:
        """Whether something was found, or the schedule would come too late."""
        stored_ms, due_ms = self.cursor.due_ms, self.fold.due_ms
        return bool(self.fold.findings) or (due_ms > 0 and not 0 < stored_ms <= due_ms)


class Detector:
    """The use case behind the ledger's stream, and behind a schedule."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        journal: Journal,
        detections: Detections,
        clock: Clock,
        suspend: Callable[[str, str, str], None],
        settings: Callable[[str], Settings] = lambda _: Settings(),
        retention: Callable[[], Retention] = lambda: KEEPS_ALL,
    ) -> None:
        """Wire the ports; ``suspend`` takes an org, a session and the reason; may be repeated.

        Where detection begins, an org's ``settings`` are those of now; from there on its ledger
        says what they are.

        What ``retention`` says that the journal may have dropped is passed over.
        """
        self._ledger = ledger
        self._journal = journal
        self._detections = detections
        self._clock = clock
        self._suspend = suspend
        self._settings = settings
        self._retention = retention
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._ends_ms = 0

    def __call__(self, orgs: Iterable[str]) -> Report:
        """Look at what was sealed; one org's trouble holds up no other."""
        report = Report()
        self._ends_ms = self._clock.now_ms() + _CALL_MS
        for org in orgs:
            try:
                report.found += self._catch_up(org, report)
            except Busy as error:
                report.failed[org] = error
            except Exception as error:  # whatever an org's data can raise
                report.broken[org] = error
        return report

    def sweep(self) -> Report:
        """Look at the orgs in which something may be found though nothing was sealed."""
        return self(self._detections.due(self._clock.now_ms() - _MARGIN_MS))

    def _catch_up(self, org: str, report: Report) -> int:
        """Look at what is sealed of an org, and at what is due; return how much was told."""
        skips, overtaken = set[int](), 0
        while overtaken < _TRIES:
            run = self._run(org)
            try:
                found = self._go_on(org, run, skips)
            except _Overtaken:
                overtaken += 1
                continue
            except _Untakable as untaken:  # or taken in part: from the last cursor on again
                if len(skips) >= _MOST_SKIPPED:
                    raise untaken.error from None
                skips.add(untaken.seq)
                report.skipped.append((org, untaken.seq, untaken.error))
                continue
            self._keep(org, run)
            return found
        raise Busy("others are detecting in the same org: try again a little later")

    def _run(self, org: str) -> _Run:
        cursor = self._detections.cursor(org)
        run = self._runs.pop(org, None)
        if run is not None and run.cursor.change == cursor.change != "":
            return run
        shelves = Shelves(partial(self._detections.states, org), cursor.shelves)
        if not cursor.change:
            head = self._ledger.head(org)
            start = max(head.seq - _FIRST_EVENTS, 0)
            quiet_until_ms = self._clock.now_ms() - _QUIET_MS
            first = Org(quiet_until_ms, settings=self._settings(org)).pack()
            return _Run(cursor, Fold(first, shelves), shelves, start, b"")
        unwritten_since_ms = 0
        try:
            fold = Fold(cursor.state or b"none", shelves)
        except Damaged:  # or of another version: it is learned anew, and written at once
            fold, unwritten_since_ms = Fold(Org(settings=self._settings(org)).pack(), shelves), 1
        at = cursor.through_seq, cursor.hash, unwritten_since_ms
        return _Run(cursor, fold, shelves, *at, told_before=cursor.told)

    def _keep(self, org: str, run: _Run) -> None:
        """Keep what is known until the org's next events, or it is read and found again."""
        self._runs[org] = run
        if len(self._runs) > _ORGS_IN_MEMORY:
            self._runs.popitem(last=False)

    def _go_on(self, org: str, run: _Run, skips: Container[int]) -> int:
        found, events = 0, 0
        try:
            for part in self._sealed(org, run):
                parsed = [(event, canonical.parse(event.entry)) for event in part.events]
                run.shelves.fetch(keys_of(event for _, event in parsed))
                for sealed, event in parsed:
                    if sealed.seq not in skips:
                        found += self._take(org, run, sealed.seq, part.sealed_at_ms, event)
                    run.came_to(sealed.seq, sealed.hash, part.sealed_at_ms)
                    found += self._tell_if_full(org, run)
                run.came_to(part.last_seq, part.hash, part.sealed_at_ms)
                events += len(parsed)
                if events >= _EVENTS_A_CALL or self._clock.now_ms() >= self._ends_ms:
                    return found + self._write(org, run, _MORE_MS)
        except IntegrityError:
            if run.unwritten_since_ms:
                self._write(org, run)
            raise
        now_ms = self._clock.now_ms()
        if 0 < run.fold.due_ms <= now_ms - _MARGIN_MS and self._all_is_sealed(org, now_ms):
            found += self._pass(org, run, now_ms - _MARGIN_MS)
        run.pass_over()
        if run.must_be_written(now_ms):
            return found + self._write(org, run)
        return found + self._tell(org, run) if run.must_tell else found

    def _sealed(self, org: str, run: _Run) -> Iterator[Part]:
        """Yield what is sealed beyond a run; if that is nothing, its end must still be there."""
        seq = run.through_seq
        yield from sealed_after(
            self._ledger,
            self._journal,
            org,
            seq,
            expected_hash=run.hash or None,
            retention=self._retention(),
        )
        if run.through_seq == seq and self._ledger.head(org).seq < seq:
            raise IntegrityError(org, seq, "the ledger's end was cut off")

    def _all_is_sealed(self, org: str, now_ms: int) -> bool:
        """Whether nothing waits in the journal: whose events are not sealed is not silent."""
        since, until = new_id(self._ledger.head(org).sealed_at_ms), new_id(now_ms)
        waiting = [batch.id for batch in self._journal.between(org, since, until, _LOOKED_AT)]
        return len(self._ledger.first_seqs(org, waiting)) == len(waiting)

    def _take(
        self, org: str, run: _Run, seq: int, sealed_at_ms: int, event: Mapping[str, Any]
    ) -> int:
        found = self._pass(org, run, passed_ms(sealed_at_ms, event))
        try:
            run.fold.take(seq, sealed_at_ms, event)
        except TocsinError:
            raise
        except Exception as error:
            raise _Untakable(seq, error) from error
        return found

    def _pass(self, org: str, run: _Run, until_ms: int) -> int:
        found, fold = 0, run.fold
        if 0 < fold.due_ms <= until_ms:
            run.shelves.fetch(fold.due_by(until_ms))
        while fold.let_pass(until_ms):
            run.unwritten_since_ms = run.unwritten_since_ms or fold.org.at_ms
            found += self._tell_if_full(org, run)
        return found

    def _tell_if_full(self, org: str, run: _Run) -> int:
        run.pass_over()
        if run.fold.touched >= _MOST_TOUCHED:
            return self._write(org, run)
        return self._tell(org, run) if len(run.fold.findings) >= _MOST_FOUND else 0

    def _write(self, org: str, run: _Run, due_ms: int | None = None) -> int:
        """Write what is known, and tell what was found; return how much that was."""
        fold, change = run.fold, new_id(self._clock.now_ms())
        places, left = run.shelves.write(fold.changed(), change, partial(self._put, org, change))
        due_ms = fold.due_ms if due_ms is None else due_ms
        told = run.told_before  # where this ends before all of those were found again
        now = Cursor(run.through_seq, run.hash, fold.org.pack(), due_ms, change, places, told)
        found = self._advance(org, run, now)
        run.unwritten_since_ms = 0
        fold.settle()
        with suppress(Busy):  # then they expire
            self._detections.drop(org, left)
        return found

    def _tell(self, org: str, run: _Run) -> int:
        """Tell what was found, and leave what is known in memory; return how much it was.

        Where nothing is written yet there is nothing to find it again from: then all is written.
        """
        if not run.cursor.change:
            return self._write(org, run)
        told = run.cursor.told + len(run.fold.findings)
        change = new_id(self._clock.now_ms())
        now = replace(run.cursor, due_ms=run.fold.due_ms, change=change, told=told)
        found = self._advance(org, run, now)
        run.fold.findings = []
        return found

    def _advance(self, org: str, run: _Run, now: Cursor) -> int:
        findings, change = run.fold.findings, now.change
        for each in findings:
            session = each.names.get("session_id")
            if each.suspends and session:
                with suppress(Conflict):  # too many are suspended: it is told all the same
                    reason = f"{each.evidence.kind}: {each.evidence.description}"
                    self._suspend(org, session, reason)
        told = own_batch(org, [event_of(each) for each in findings], change) if findings else None
        event_ids = ids.event_ids(change, len(findings))
        anomalies = [
            anomaly_of(org, id, each, change) for id, each in zip(event_ids, findings, strict=True)
        ]
        if not self._detections.advance(org, run.cursor, now, told, anomalies):
            raise _Overtaken
        run.cursor = now
        return len(findings)

    def _put(self, org: str, change: str, place: str, shelf: bytes) -> None:
        self._detections.put(org, place, shelf, batch_time_ms(change))
