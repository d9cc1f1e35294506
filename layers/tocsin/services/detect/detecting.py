"""Detect: fold an org's sealed events into what is known of it, and tell what is unusual.

What was found, the events that tell of it and how far it has come are one transaction, on the
condition that nobody else has come further: so each finding is told once, whatever is killed. What
is known is not written after each run: from the events since it was, any other run finds the same.
Only the time at which somebody's silence is due is never later than is stored.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from tocsin.domain import canonical, ids
from tocsin.domain.detect.cursor import Cursor
from tocsin.domain.detect.fold import Fold, keys_of
from tocsin.domain.detect.org import Org
from tocsin.domain.detect.packing import Damaged
from tocsin.domain.errors import Busy, Conflict, IntegrityError
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.ports.detecting import Detections
from tocsin.ports.log import Journal, Ledger
from tocsin.ports.world import Clock
from tocsin.services.intake.stamp import new_id, own_batch
from tocsin.services.reading.sealed import Part, sealed_after
from tocsin.wire.anomalies import anomaly_of, event_of

__all__ = ["Detector", "Report"]

_KEPT_MS: Final = 30_000  # how long what is known may stand in memory alone
_MOST_TOUCHED: Final = 60  # states: a transaction has 100 items
_MOST_FOUND: Final = 15
_FIRST_EVENTS: Final = 10_000  # of a ledger that is longer when detection begins
_QUIET_MS: Final = 60 * 60_000  # what is older then, nobody is told of
_EVENTS_A_CALL: Final = 20_000
_CALL_MS: Final = 30_000  # then each org comes to an end, for Lambda gives it a minute
_MORE_MS: Final = 1  # due at once: the schedule goes on with it
_MARGIN_MS: Final = 15_000  # within which what has happened may still be sealed
_ORGS_IN_MEMORY: Final = 64
_STATES_IN_MEMORY: Final = 1_000  # of an org
_TRIES: Final = 4


@dataclass(slots=True)
class Report:
    """What stopped detection, by org.

    ``failed`` must be tried again. ``broken`` would not get further by that: it is told, and tried
    when the org's next events are sealed. ``found`` counts the alerts that were told.
    """

    failed: dict[str, Busy] = field(default_factory=dict)
    broken: dict[str, Exception] = field(default_factory=dict)
    found: int = 0


class _Overtaken(Exception):
    """Somebody else has come further."""


@dataclass(slots=True)
class _Run:
    """What is known of an org in memory: beyond ``cursor``, up to ``through_seq``."""

    cursor: Cursor
    fold: Fold
    through_seq: int
    hash: bytes
    unwritten_since_ms: int = 0

    def came_to(self, seq: int, hash: bytes, sealed_at_ms: int) -> None:
        self.through_seq, self.hash = seq, hash
        self.unwritten_since_ms = self.unwritten_since_ms or sealed_at_ms

    @property
    def is_due_sooner(self) -> bool:
        """Whether what is stored lets the schedule come too late, or in vain."""
        stored_ms, due_ms = self.cursor.due_ms, self.fold.due_ms
        return stored_ms == _MORE_MS or (due_ms > 0 and not 0 < stored_ms <= due_ms)


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
        retention: Callable[[], Retention] = lambda: KEEPS_ALL,
    ) -> None:
        """Wire the ports; ``suspend`` takes an org, a session and the reason; may be repeated.

        What ``retention`` says that the journal may have dropped is passed over.
        """
        self._ledger = ledger
        self._journal = journal
        self._detections = detections
        self._clock = clock
        self._suspend = suspend
        self._retention = retention
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._ends_ms = 0

    def __call__(self, orgs: Iterable[str]) -> Report:
        """Look at what was sealed; one org's trouble holds up no other."""
        report = Report()
        self._ends_ms = self._clock.now_ms() + _CALL_MS
        for org in orgs:
            try:
                report.found += self._catch_up(org)
            except Busy as error:
                report.failed[org] = error
            except Exception as error:  # whatever an org's data can raise
                report.broken[org] = error
        return report

    def sweep(self) -> Report:
        """Look at the orgs in which something may be found though nothing was sealed."""
        return self(self._detections.due(self._clock.now_ms() - _MARGIN_MS))

    def _catch_up(self, org: str) -> int:
        """Look at what is sealed of an org, and at what is due; return how much was told."""
        for _ in range(_TRIES):
            run = self._run(org)
            try:
                found = self._go_on(org, run)
            except _Overtaken:
                continue
            self._keep(org, run)
            return found
        raise Busy("others are detecting in the same org: try again a little later")

    def _run(self, org: str) -> _Run:
        cursor = self._detections.cursor(org)
        run = self._runs.pop(org, None)
        if run is not None and run.cursor.change == cursor.change != "":
            return run
        if not cursor.change:
            head = self._ledger.head(org)
            start = max(head.seq - _FIRST_EVENTS, 0)
            first = Org(quiet_until_ms=self._clock.now_ms() - _QUIET_MS)
            return _Run(cursor, self._fold(org, first.pack()), start, b"")
        try:
            fold = self._fold(org, cursor.state)
        except Damaged:  # or of another version: it is learned anew
            fold = self._fold(org, b"")
        return _Run(cursor, fold, cursor.through_seq, cursor.hash)

    def _fold(self, org: str, state: bytes) -> Fold:
        def load(key: str) -> bytes:
            return self._detections.states(org, [key]).get(key, b"")

        return Fold(state, load)

    def _keep(self, org: str, run: _Run) -> None:
        """Keep what is known until the org's next events, or it is read and found again."""
        run.fold.forget(_STATES_IN_MEMORY)
        self._runs[org] = run
        if len(self._runs) > _ORGS_IN_MEMORY:
            self._runs.popitem(last=False)

    def _go_on(self, org: str, run: _Run) -> int:
        found, events = 0, 0
        try:
            for part in self._sealed(org, run):
                parsed = [(event, canonical.parse(event.entry)) for event in part.events]
                self._prepare(org, run.fold, keys_of(event for _, event in parsed))
                for sealed, event in parsed:
                    found += self._pass(org, run, part.sealed_at_ms)
                    run.fold.take(sealed.seq, part.sealed_at_ms, event)
                    run.came_to(sealed.seq, sealed.hash, part.sealed_at_ms)
                    found += self._write(org, run) if self._is_full(run.fold) else 0
                run.came_to(part.last_seq, part.hash, part.sealed_at_ms)
                events += len(parsed)
                if events >= _EVENTS_A_CALL or self._clock.now_ms() >= self._ends_ms:
                    return found + self._write(org, run, _MORE_MS)
        except IntegrityError:
            if run.unwritten_since_ms:
                self._write(org, run)
            raise
        now_ms = self._clock.now_ms()
        found += self._pass(org, run, now_ms - _MARGIN_MS)
        waits_ms = now_ms - run.unwritten_since_ms if run.unwritten_since_ms else 0
        if run.fold.findings or run.is_due_sooner or waits_ms >= _KEPT_MS:
            found += self._write(org, run)
        return found

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

    def _prepare(self, org: str, fold: Fold, keys: Iterable[str]) -> None:
        """Read the states at once that will be touched."""
        missing = [key for key in keys if key not in fold]
        if missing:
            fold.give({**dict.fromkeys(missing, b""), **self._detections.states(org, missing)})

    def _pass(self, org: str, run: _Run, until_ms: int) -> int:
        found, fold = 0, run.fold
        if 0 < fold.due_ms <= until_ms:
            self._prepare(org, fold, fold.due_by(until_ms))
        while fold.let_pass(until_ms):
            run.unwritten_since_ms = run.unwritten_since_ms or fold.org.at_ms
            found += self._write(org, run) if self._is_full(fold) else 0
        return found

    @staticmethod
    def _is_full(fold: Fold) -> bool:
        return len(fold.findings) >= _MOST_FOUND or fold.touched >= _MOST_TOUCHED

    def _write(self, org: str, run: _Run, due_ms: int | None = None) -> int:
        """Write what is known and tell what was found; return how much that was."""
        fold, change = run.fold, new_id(self._clock.now_ms())
        findings = fold.findings
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
        now = Cursor(
            run.through_seq,
            run.hash,
            fold.org.pack(),
            fold.due_ms if due_ms is None else due_ms,
            change,
        )
        states = fold.changed()
        if not self._detections.advance(org, run.cursor, now, states, told, anomalies):
            raise _Overtaken
        run.cursor, run.unwritten_since_ms = now, 0
        fold.settle(states)
        return len(findings)
