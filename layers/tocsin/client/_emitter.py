"""Fire and forget: a thread of its own sends the events while their producer goes on.

Both clients use it; they differ in how they make an attempt.
"""

import atexit
import logging
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, Final
from weakref import WeakSet

import httpx
import orjson
from tenacity import RetryCallState, Retrying, sleep_using_event

from tocsin.client._backoff import Backoff, is_failure, is_transient
from tocsin.client._errors import ApiError, GivenUp, Rejected
from tocsin.client._outbox import Outbox, OutgoingBatch, Unsendable, sendable
from tocsin.client._queue import Queue
from tocsin.client._result import Rejection
from tocsin.domain.errors import Detail
from tocsin.domain.limits import RECEIPT_SECONDS

__all__ = ["CLOSE_SECONDS", "THREAD_NAME", "Emitter", "OnLoss"]

CLOSE_SECONDS: Final = 5.0
"""How long closing waits for what is not sent yet, unless told otherwise."""

THREAD_NAME: Final = "tocsin-emit"
"""By which what it causes elsewhere, such as httpx' log records, can be told."""

_GRACE_SECONDS: Final = 0.5  # for the thread to notice that it must end

_ABOUT_THE_BODY: Final = frozenset({400, 413, 422})
_MAX_SUSPECTS: Final = 100  # beyond them, nothing new is sent: it is an outage
_MAX_SPLITS_IN_VAIN: Final = 32  # a server that refuses everything is not asked about each event
_SECONDS_A_KEY_IS_SAFE: Final = RECEIPT_SECONDS / 24
_MAX_IGNORED_NAMES: Final = 100

type OnLoss = Callable[[int, BaseException], None]
"""Called with how many events are lost, and why; mostly in the emitter's thread."""

logger = logging.getLogger("tocsin.client")
_emitters: WeakSet["Emitter"] = WeakSet()


@dataclass(frozen=True, slots=True)
class _Suspect:
    """One event with which Tocsin broke, and how many requests had succeeded until then."""

    batch: OutgoingBatch
    successes: int
    error: BaseException


class Emitter:
    """A bounded queue, and the thread that empties it, which begins with the first event.

    When the queue is full the newest events are dropped, so what is kept has only one hole, at its
    end. Batches are repeated under one idempotency key until they are stored or refused. A batch
    with which Tocsin breaks each time (500, 502, 504), or which it refuses as a whole, is halved
    until the event that is the reason stands alone; that is given up if others are taken
    meanwhile. A forked child begins with an empty queue: what was in it is for its parent to send.
    At the interpreter's exit it is closed, which waits a bounded time.
    """

    def __init__(
        self,
        attempt: Callable[[OutgoingBatch], httpx.Response],
        backoff: Backoff,
        on_loss: OnLoss | None,
        after_fork: Callable[[], None] | None = None,
    ) -> None:
        """``attempt`` sends a batch, and raises as transient what may be repeated."""
        self._attempt = attempt
        self._backoff = backoff
        self._on_loss = on_loss
        self._after_fork = after_fork
        self._begin()
        _emitters.add(self)

    def _begin(self) -> None:
        self.dropped = self.refused = 0
        self._queue = Queue()
        self._suspects: deque[_Suspect] = deque()
        self._successes = self._in_vain = 0
        self._taken: tuple[OutgoingBatch, float] | None = None
        self.ignored_fields: frozenset[str] = frozenset()
        self._given_up = Event()
        self._lock = Lock()  # for the counters and the thread's start
        self._thread: Thread | None = None

    def forked(self) -> None:
        """Start again in a child process, where the thread is missing and a lock may be held."""
        atexit.unregister(self.close)
        self._begin()
        if self._after_fork is not None:
            self._after_fork()

    def emit(self, event: Mapping[str, Any]) -> None:
        """Queue an event as it is now; drop it where that is impossible. Never waits or raises."""
        data = sendable(event)
        if isinstance(data, Unsendable):
            self._lost(1, data.error)
        elif not self._queue.put(data):
            self._count_dropped(1)
        elif self._thread is None:
            self._start()

    def flush(self, timeout_seconds: float | None = None) -> bool:
        """Send at once what is queued, and wait; return whether nothing is left to send."""
        return self._queue.flush(timeout_seconds)

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Take no more events, and flush for so long; what is left then is dropped."""
        deadline = monotonic() + timeout_seconds
        self._queue.close()
        if self._thread is not None:
            self._queue.flush(timeout_seconds)
        self._given_up.set()  # ends a wait between two attempts; one more follows
        self._count_dropped(self._queue.clear())
        if self._thread is not None:
            self._thread.join(max(deadline - monotonic(), _GRACE_SECONDS))
        atexit.unregister(self.close)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                thread = Thread(target=self._run, name=THREAD_NAME, daemon=True)
                with suppress(RuntimeError):  # no thread now: the next event tries again
                    thread.start()
                    self._thread = thread
                    atexit.register(self.close)

    def _run(self) -> None:
        while True:
            room = len(self._suspects) < _MAX_SUSPECTS
            events = self._queue.take(len(self._suspects)) if room else ()
            if events:
                self._send(events)
            elif not self._suspects:
                return
            self._look_at_suspects(room)

    def _send(self, events: Sequence[bytes]) -> None:
        outbox = Outbox(events, None)
        for batch in outbox:
            error = self._deliver(outbox, batch, self._backoff.attempts)
            if error is None:
                continue
            if len(batch.events) > 1:
                outbox.split(batch)
            else:
                self._suspects.append(_Suspect(batch, self._successes, error))

    def _look_at_suspects(self, room: bool) -> None:
        """Try again what Tocsin broke with; give up what it breaks with while it takes others.

        As long as it takes nothing else either, this is an outage, and nothing is given up.
        """
        idle = True
        for suspect in list(self._suspects):
            if self._given_up.is_set():
                self._suspects.remove(suspect)
                self._lost(1, suspect.error)
            elif suspect.successes < self._successes:
                idle = False
                error = self._deliver(None, suspect.batch, self._backoff.attempts)
                self._suspects.remove(suspect)
                if error is not None:
                    lost = GivenUp([Rejection(0, ())], _read(suspect.batch.events))
                    lost.__cause__ = error
                    self._lost(1, lost)
        if not (idle and self._suspects):
            return
        if room and self._queue.wait(0):
            return  # whatever is new shows whether Tocsin takes anything
        if self._takes_what_it_took():
            return
        if room and self._queue.wait(self._backoff.max_seconds):
            return
        if not room:
            self._given_up.wait(self._backoff.max_seconds)
        suspect = self._suspects.popleft()
        error = self._deliver(None, suspect.batch, 1)
        if error is not None:
            self._suspects.append(_Suspect(suspect.batch, self._successes, error))

    def _takes_what_it_took(self) -> bool:
        """Whether Tocsin answers the last request that it took; under its key nothing is stored."""
        if self._taken is None:
            return False
        batch, taken_at = self._taken
        if monotonic() - taken_at > _SECONDS_A_KEY_IS_SAFE:
            return False
        try:
            batch.result(self._attempt(batch))
        except Exception:  # the same as any failure: it shows nothing
            return False
        self._successes += 1
        return True

    def _deliver(
        self, outbox: Outbox | None, batch: OutgoingBatch, breaks: int
    ) -> BaseException | None:
        """Settle a batch, however long it takes; or return with what Tocsin broke so many times."""
        broken = 0

        def is_enough(state: RetryCallState) -> bool:
            nonlocal broken
            error = state.outcome.exception() if state.outcome is not None else None
            broken += error is not None and is_failure(error)
            return broken >= breaks or self._given_up.is_set()

        retrying = Retrying(
            **self._backoff.retrying(patient=True)
            | {"sleep": sleep_using_event(self._given_up), "stop": is_enough}
        )
        try:
            response = retrying(self._attempt, batch)
            result = outbox.settle(batch, response) if outbox else batch.result(response)
        except Exception as error:  # whatever it is, the thread must live on for later events
            if is_failure(error) and not self._given_up.is_set():
                return error
            self._refused(outbox, batch, error)
            return None
        if result is None:
            return None
        self._successes += 1
        self._in_vain = 0
        self._taken = batch, monotonic()
        self._note_ignored(result.ignored_fields)
        if result.rejected:
            events = [
                batch.events[each.index - batch.index_of(0)]
                for each in result.rejections
                if 0 <= each.index - batch.index_of(0) < len(batch.events)
            ]
            self._lost(result.rejected, Rejected(result.rejections, _read(events)))
        return None

    def _refused(self, outbox: Outbox | None, batch: OutgoingBatch, error: Exception) -> None:
        """Look for the event because of which a request was refused, or lose all of it."""
        if not isinstance(error, ApiError) or error.status not in _ABOUT_THE_BODY:
            self._lost(len(batch.events), error)
        elif len(batch.events) > 1 and outbox and self._in_vain < _MAX_SPLITS_IN_VAIN:
            self._in_vain += 1
            outbox.split(batch)
        else:
            details = error.details or [Detail(field="", message=error.error)]
            rejections = [Rejection(index, details) for index in range(len(batch.events))]
            lost = Rejected(rejections, _read(batch.events))
            lost.__cause__ = error
            self._lost(len(batch.events), lost)

    def _note_ignored(self, names: Sequence[str]) -> None:
        new = [name for name in names if name not in self.ignored_fields]
        new = new[: _MAX_IGNORED_NAMES - len(self.ignored_fields)]
        if new:
            self.ignored_fields |= {*new}
            logger.warning("fields that no event has are not stored: %s", ", ".join(map(repr, new)))

    def _lost(self, events: int, error: BaseException) -> None:
        given_up = self._given_up.is_set() and is_transient(error)
        if isinstance(error, ApiError | Rejected) and not given_up:
            with self._lock:
                self.refused += events
        else:
            self._count_dropped(events)
        # Not the error itself: its text may quote the event.
        logger.warning("%d emitted events are lost: %s", events, _kind(error))
        if self._on_loss is not None:
            try:
                self._on_loss(events, error)
            except Exception:  # the callback's; neither the producer nor this thread can handle it
                logger.exception("on_loss failed")

    def _count_dropped(self, events: int) -> None:
        with self._lock:
            self.dropped += events


def _read(events: Sequence[bytes]) -> list[Mapping[str, Any]]:
    return [orjson.loads(event) for event in events]


def _kind(error: BaseException) -> str:
    status = f" {error.status}" if isinstance(error, ApiError) else ""
    return type(error).__name__ + status


def _forked() -> None:
    for emitter in list(_emitters):
        emitter.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
