"""Project: derive sessions, agents and usage from sealed events, each exactly once, in seq order.

A projected item costs a write however many events change it, so events are projected in runs: an
org's next run begins no sooner than some seconds after the last one. A run is claimed before it is
applied, so whoever repeats it, after a crash or at the same time, applies the same events; and an
item knows through which run it was told, so that it counts each once.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tocsin.domain.projection import Change, changes
from tocsin.domain.segment import SealedEvent, Segment
from tocsin.ports import Clock, Journal, Ledger, Projected, Projections
from tocsin.services import replay

__all__ = ["INTERVAL_MS", "Projector"]

INTERVAL_MS = 10_000  # between two runs of an org
LEASE_MS = 60_000  # after which a claimed run that did not end is taken over
_RUN_EVENTS = 10_000
_READ_EVENTS = 1_000

type Sealed = tuple[Segment, Sequence[SealedEvent]]


class Projector:
    """Brings an org's projections up to the head of its ledger, now and then."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        journal: Journal,
        projections: Projections,
        clock: Clock,
        interval_ms: int = INTERVAL_MS,
        lease_ms: int = LEASE_MS,
        writers: int = 1,
    ) -> None:
        """Wire the ports; ``writers`` threads write the items of a run, which are independent."""
        self._ledger = ledger
        self._journal = journal
        self._projections = projections
        self._clock = clock
        self._interval_ms = interval_ms
        self._lease_ms = lease_ms
        self._writers = writers

    def __call__(self, org: str, fresh: Sequence[Sealed] = (), *, at_once: bool = False) -> None:
        """Project what is sealed and not projected, if a run is due or ``at_once`` is set.

        ``fresh`` are segments just sealed, whose events need not be read again.

        Raises:
            IntegrityError: an event can't be verified; the run stays claimed.
            Busy: a store does not answer.
        """
        at_hand = {segment.first_seq: events for segment, events in fresh}
        head_seq = fresh[-1][0].last_seq if fresh else None
        while True:
            cursor = self._projections.cursor(org)
            claimed = cursor.until_seq > cursor.through_seq
            wait_ms = self._lease_ms if claimed else 0 if at_once else self._interval_ms
            now_ms = self._clock.now_ms()
            if 0 <= now_ms - cursor.claimed_at_ms < wait_ms:
                return
            if not claimed:
                if head_seq is None:
                    head_seq = self._ledger.head(org).seq
                until_seq = min(head_seq, cursor.through_seq + _RUN_EVENTS)
                run = replace(cursor, until_seq=until_seq, claimed_at_ms=now_ms)
                if until_seq <= cursor.through_seq or not self._projections.claim(org, cursor, run):
                    return
                cursor = run
            events = self._events(org, cursor.through_seq, cursor.until_seq, at_hand)
            self._apply(org, cursor, changes(events))
            self._projections.advance(org, cursor)
            at_once = True  # what is left of a backlog

    def _apply(self, org: str, run: Projected, found: Sequence[Change]) -> None:
        if self._writers == 1:
            for change in found:
                self._projections.apply(org, run, change)
        else:
            with ThreadPoolExecutor(self._writers) as pool:
                for written in [
                    pool.submit(self._projections.apply, org, run, change) for change in found
                ]:
                    written.result()

    def _events(
        self, org: str, seq: int, until_seq: int, at_hand: Mapping[int, Sequence[SealedEvent]]
    ) -> Iterator[SealedEvent]:
        while seq < until_seq:
            events = at_hand.get(seq + 1) or replay.read(
                self._ledger, self._journal, org, seq, limit=_READ_EVENTS
            )
            yield from events[: until_seq - seq]
            seq = events[-1].seq
