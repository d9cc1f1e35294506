"""Project: derive sessions, agents and usage from sealed events, each exactly once, in seq order.

A projected item costs a write however many events change it, so events are projected in runs, as
many at once as were sealed since the last one. A run is claimed before it is applied, so whoever
repeats it, after a crash or at the same time, applies the same events; and each item records the
last run that it counted, so that it counts each once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tocsin.domain.errors import Busy, IntegrityError
from tocsin.domain.projection import Change, Projected, changes
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.domain.segment import SealedEvent
from tocsin.ports import Journal, Ledger, Projections
from tocsin.services.reading import replay

__all__ = ["ProjectReport", "Projector"]

_RUN_EVENTS = 10_000
_READ_EVENTS = 1_000


@dataclass(slots=True)
class ProjectReport:
    """What stopped a projection, by org.

    ``failed`` must be tried again. ``broken`` would not get further by that: the ledger can't be
    read, or the fault is ours. It is told, and tried when the org's next events are sealed.
    """

    failed: dict[str, Busy] = field(default_factory=dict)
    broken: dict[str, Exception] = field(default_factory=dict)


class Projector:
    """The use case behind the ledger's stream: brings projections up to the ledgers' heads."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        journal: Journal,
        projections: Projections,
        retention: Callable[[], Retention] = lambda: KEEPS_ALL,
        writers: int = 1,
    ) -> None:
        """Wire the ports; ``writers`` threads write the items of a run, which are independent.

        What ``retention`` says that the journal may have dropped is counted nowhere.
        """
        self._ledger = ledger
        self._journal = journal
        self._projections = projections
        self._retention = retention
        self._writers = writers

    def __call__(self, orgs: Iterable[str]) -> ProjectReport:
        """Project what is sealed and not yet projected; one org's trouble holds up no other."""
        report = ProjectReport()
        for org in orgs:
            try:
                self._catch_up(org)
            except Busy as error:
                report.failed[org] = error
            except Exception as error:  # whatever an org's data can raise
                report.broken[org] = error
        return report

    def _catch_up(self, org: str) -> None:
        while run := self._next_run(org):
            reader = _Reader(self._ledger, self._journal, org, run, self._retention())
            self._apply(org, run, changes(reader))
            self._projections.advance(org, run, reader.hash)

    def _next_run(self, org: str) -> Projected | None:
        """Return the run that is claimed, or claim the next one; None at the head.

        Raises:
            IntegrityError: the ledger ends before what was projected: it was cut off.
        """
        while True:
            cursor = self._projections.cursor(org)
            if cursor.until_seq > cursor.through_seq:
                return cursor
            head = self._ledger.head(org)
            if head.seq < cursor.through_seq:
                raise IntegrityError(org, head.seq + 1, "the ledger's end was cut off")
            if head.seq == cursor.through_seq:
                if cursor.hash not in (b"", head.hash):
                    raise IntegrityError(org, head.seq, "the ledger is another than was projected")
                return None
            until_seq = min(head.seq, cursor.through_seq + _RUN_EVENTS)
            run = Projected(cursor.through_seq, until_seq, cursor.hash)
            if self._projections.claim(org, cursor, run):
                return run

    def _apply(self, org: str, run: Projected, found: Sequence[Change]) -> None:
        if self._writers == 1:
            for change in found:
                self._projections.apply(org, run, change)
            return
        with ThreadPoolExecutor(self._writers) as pool:
            writing = [pool.submit(self._projections.apply, org, run, each) for each in found]
            for written in writing:
                written.result()


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
