"""Project: derive sessions, agents and usage from sealed events, each exactly once, in seq order.

A projected item costs a write however many events change it, so events are projected in runs, as
many at once as were sealed since the last one. A run is claimed before it is applied, so whoever
repeats it, after a crash or at the same time, applies the same events; and each item records the
last run that it counted, so that it counts each once.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tocsin.domain.errors import Busy, IntegrityError
from tocsin.domain.projection import Change, Projected, changes
from tocsin.domain.segment import SealedEvent
from tocsin.ports import Journal, Ledger, Projections
from tocsin.services.reading import replay

__all__ = ["ProjectReport", "Projector"]

_RUN_EVENTS = 10_000
_READ_EVENTS = 1_000


@dataclass(slots=True)
class ProjectReport:
    """What stopped a projection: ``failed`` orgs must be tried again, ``broken`` can't be read."""

    failed: dict[str, Busy] = field(default_factory=dict)
    broken: list[IntegrityError] = field(default_factory=list)


class Projector:
    """The use case behind the ledger's stream: brings projections up to the ledgers' heads."""

    def __init__(
        self, *, ledger: Ledger, journal: Journal, projections: Projections, writers: int = 1
    ) -> None:
        """``writers`` threads write the items of a run, which are independent."""
        self._ledger = ledger
        self._journal = journal
        self._projections = projections
        self._writers = writers

    def __call__(self, orgs: Iterable[str]) -> ProjectReport:
        """Project what is sealed and not yet projected; one org's trouble holds up no other."""
        report = ProjectReport()
        for org in orgs:
            try:
                self._catch_up(org)
            except Busy as error:
                report.failed[org] = error
            except IntegrityError as error:
                report.broken.append(error)
        return report

    def _catch_up(self, org: str) -> None:
        while run := self._next_run(org):
            self._apply(org, run, changes(self._events(org, run)))
            self._projections.advance(org, run)

    def _next_run(self, org: str) -> Projected | None:
        """Return the run that is claimed, or claim the next one; None at the head."""
        while True:
            cursor = self._projections.cursor(org)
            if cursor.until_seq > cursor.through_seq:
                return cursor
            head_seq = self._ledger.head(org).seq
            if head_seq <= cursor.through_seq:
                return None
            run = Projected(cursor.through_seq, min(head_seq, cursor.through_seq + _RUN_EVENTS))
            if self._projections.claim(org, cursor, run):
                return run

    def _events(self, org: str, run: Projected) -> Iterator[SealedEvent]:
        seq = run.through_seq
        while seq < run.until_seq:
            limit = min(run.until_seq - seq, _READ_EVENTS)
            events = replay.read(self._ledger, self._journal, org, seq, limit=limit)
            yield from events
            seq = events[-1].seq

    def _apply(self, org: str, run: Projected, found: Sequence[Change]) -> None:
        if self._writers == 1:
            for change in found:
                self._projections.apply(org, run, change)
            return
        with ThreadPoolExecutor(self._writers) as pool:
            writing = [pool.submit(self._projections.apply, org, run, each) for each in found]
            for written in writing:
                written.result()
