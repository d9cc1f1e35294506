"""What an endpoint is to be sent next: an org's events as they were sealed, without the hidden."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tocsin.domain.deliveries import Unit
from tocsin.domain.endpoints import Endpoint
from tocsin.domain.retention import Retention
from tocsin.domain.segment import SealedEvent
from tocsin.ports.log import Journal, Ledger
from tocsin.services.reading import replay
from tocsin.services.reading.replay import Expired
from tocsin.wire.notify.rendering import wants
from tocsin.wire.notify.runs import run_of

__all__ = ["Ahead", "Log", "Stale", "Step"]

_READ_EVENTS: Final = 1_000
_KEPT_BYTES: Final = 16 * 1024 * 1024
_WAIT_SECONDS: Final = 3  # for another's read: a store that does not answer is asked by each
_EVENT_OVERHEAD_BYTES: Final = 256


class Stale(Exception):
    """The endpoint was changed meanwhile, and may want what it did not."""


class Log:
    """The orgs' sealed events; what was just read is kept, since an org's endpoints go together.

    What one of them reads, the others wait for; but that there was nothing is each one's own to
    find out, since more may have been sealed after the other looked.
    """

    def __init__(
        self, ledger: Ledger, journal: Journal, retention: Callable[[], Retention]
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._retention = retention
        self._kept: OrderedDict[tuple[str, int], list[SealedEvent]] = OrderedDict()
        self._kept_bytes = 0
        self._reading: dict[tuple[str, int], threading.Event] = {}
        self._lock = threading.Lock()

    def after(self, org: str, seq: int, hash: bytes) -> list[SealedEvent]:
        """Return some events after a seq, of which ``hash`` is known or empty; none: no more.

        Raises:
            IntegrityError, Expired, Busy: as :func:`.replay.read`.
        """
        place, done = (org, seq), threading.Event()
        if kept := self._known(place, hash):
            return kept
        with self._lock:
            other = self._reading.setdefault(place, done)
        if other is not done:
            other.wait(_WAIT_SECONDS)
            return self._known(place, hash) or self._read(org, seq, hash)
        try:
            # Whoever read it before may have ended since it was looked for.
            return self._known(place, hash) or self._read(org, seq, hash)
        finally:
            with self._lock:
                del self._reading[place]
            done.set()

    def _known(self, place: tuple[str, int], hash: bytes) -> list[SealedEvent]:
        with self._lock:
            kept = self._kept.get(place, [])
        return kept if kept and hash in (b"", kept[0].prev_hash) else []

    def _read(self, org: str, seq: int, hash: bytes) -> list[SealedEvent]:
        events = replay.read(
            self._ledger,
            self._journal,
            org,
            seq,
            limit=_READ_EVENTS,
            expected_hash=hash or None,
            retention=self._retention(),
        )
        if events:
            self._keep((org, seq), events)
        return events

    def between(self, org: str, first_seq: int, last_seq: int) -> Iterator[SealedEvent]:
        """Yield the events from one seq to another.

        Raises:
            IntegrityError, Expired, Busy: as :func:`.replay.read`.
        """
        seq, hash = first_seq - 1, b""
        while seq < last_seq:
            events = self.after(org, seq, hash)
            if not events:
                return
            yield from (event for event in events if event.seq <= last_seq)
            seq, hash = events[-1].seq, events[-1].hash

    def _keep(self, place: tuple[str, int], events: list[SealedEvent]) -> None:
        with self._lock:
            self._kept_bytes -= _bytes(self._kept.pop(place, ()))
            self._kept[place] = events
            self._kept_bytes += _bytes(events)
            while self._kept_bytes > _KEPT_BYTES and len(self._kept) > 1:
                self._kept_bytes -= _bytes(self._kept.popitem(last=False)[1])


def _bytes(events: Sequence[SealedEvent]) -> int:
    return sum(len(event.entry) + _EVENT_OVERHEAD_BYTES for event in events)


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be sent at once: then everything up to ``through_seq`` is, which has ``hash``.

    ``full``: no more would have been sent with it.
    """

    events: tuple[SealedEvent, ...]
    through_seq: int
    hash: bytes
    full: bool

    @property
    def unit(self) -> Unit:
        """Its first and last seq."""
        return Unit(self.events[0].seq, self.events[-1].seq)


@dataclass(slots=True)
class Ahead:
    """A cursor: nothing up to ``seq`` is still to be sent; the ledger has ``hash`` there, or empty.

    It goes to ``to_seq``; None: to the ledger's end. ``expired`` counts what was not kept any more.
    ``in_time`` is asked before each read. ``current`` says whether the endpoint is still as here,
    and is asked after a read, before anything of it is hidden: so an endpoint is sent all that it
    wants from its change on, though somebody was sending just then.
    """

    log: Log
    endpoint: Endpoint
    seq: int
    hash: bytes
    in_time: Callable[[], bool]
    current: Callable[[], bool]
    to_seq: int | None = None
    expired: int = 0
    _step: Step | None = None
    _unsure: bool = False  # what was read may be younger than what is known of the endpoint
    _events: deque[SealedEvent] = field(default_factory=deque)  # those that were not looked at

    def peek(self) -> Step | None:
        """Return what is to be sent next; None: nothing is, or there was no time to look further.

        Raises:
            IntegrityError: the next event is not the one that was sealed.
            Stale: the endpoint was changed since it was read.
            Busy: a store does not answer.
        """
        if self._step is None:
            self._step = self._look()
        return self._step

    def take(self) -> Step:
        """Return what :meth:`peek` did, and go on behind it.

        Raises:
            LookupError: there is nothing.
        """
        step, self._step = self._step, None
        if step is None:
            raise LookupError("there is nothing to be sent next")
        self.seq, self.hash = step.through_seq, step.hash
        return step

    @property
    def taken(self) -> bool:
        """Whether nothing is left of what was read."""
        return self._step is None and not self._events

    @property
    def ended(self) -> bool:
        """Whether it is at its end, if it has one."""
        return self.to_seq is not None and self.seq >= self.to_seq

    def _look(self) -> Step | None:
        limits = run_of(self.endpoint.format)
        run, size_bytes, seq, hash = list[SealedEvent](), 0, self.seq, self.hash
        for event in self._following():
            if not wants(self.endpoint, event):
                self._hide()
            else:
                size_bytes += limits.bytes_of(event) if limits else 0
                if run and limits and size_bytes > limits.max_bytes:
                    self._events.appendleft(event)
                    return Step(tuple(run), seq, hash, full=True)
                run.append(event)
            seq, hash = event.seq, event.hash
            if not run:
                self.seq, self.hash = seq, hash
            elif limits is None or len(run) >= limits.max_events:
                return Step(tuple(run), seq, hash, full=True)
        return Step(tuple(run), seq, hash, full=False) if run else None

    def _hide(self) -> None:
        if self._unsure and not self.current():
            raise Stale
        self._unsure = False

    def _following(self) -> Iterator[SealedEvent]:
        """Yield what was not looked at yet."""
        seq, hash = self.seq, self.hash
        while self.to_seq is None or seq < self.to_seq:
            if not self._events:
                if not self.in_time():
                    return
                try:
                    self._events.extend(self.log.after(self.endpoint.org, seq, hash))
                except Expired as gap:
                    self.expired += gap.first_seq - 1 - seq
                    seq, hash = gap.first_seq - 1, b""
                    self.seq, self.hash = seq, hash
                    continue
                if not self._events:
                    return
                self._unsure = True
            event = self._events.popleft()
            seq, hash = event.seq, event.hash
            yield event
