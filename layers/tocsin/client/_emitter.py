"""Fire and forget: a thread of its own sends the events while their producer goes on.

Both clients use it; they differ in how they make an attempt.
"""

import atexit
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, Final
from weakref import WeakSet

import httpx
import orjson
from tenacity import Retrying, sleep_using_event, stop_when_event_set

from tocsin.client._backoff import Backoff, is_transient
from tocsin.client._errors import ApiError, Rejected
from tocsin.client._outbox import Outbox, OutgoingBatch
from tocsin.client._queue import Queue

__all__ = ["CLOSE_SECONDS", "Emitter", "OnLoss"]

CLOSE_SECONDS: Final = 5.0
"""How long closing waits for what is not sent yet, unless told otherwise."""

_GRACE_SECONDS: Final = 0.5  # for the thread to notice that it must end

type OnLoss = Callable[[int, BaseException], None]
"""Called with how many events are lost, and why; mostly in the emitter's thread."""

logger = logging.getLogger("tocsin.client")
_emitters: WeakSet["Emitter"] = WeakSet()


class Emitter:
    """A bounded queue, and the thread that empties it, which begins with the first event.

    When the queue is full the newest events are dropped, so what is kept has only one hole, at its
    end. Batches are repeated under one idempotency key until they are stored or refused. A
    forked child begins with an empty queue: what was in it is for its parent to send. At the
    interpreter's exit it is closed, which waits a bounded time.
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
        try:
            data = orjson.dumps(event)
        except TypeError as error:  # not JSON
            self._lost(1, error)
            return
        if not self._queue.put(data):
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
                thread = Thread(target=self._run, name="tocsin-emit", daemon=True)
                with suppress(RuntimeError):  # no thread now: the next event tries again
                    thread.start()
                    self._thread = thread
                    atexit.register(self.close)

    def _run(self) -> None:
        while events := self._queue.take():
            self._send(events)

    def _send(self, events: Sequence[bytes]) -> None:
        outbox = Outbox(events, None)
        for batch in outbox:
            try:
                response = self._retrying()(self._attempt, batch)
                result = outbox.settle(batch, response)
            except Exception as error:  # whatever it is, the thread must live on for later events
                self._lost(len(batch.events), error)
                continue
            if result is not None and result.rejected:
                self._lost(result.rejected, Rejected(result.rejections))

    def _retrying(self) -> Retrying:
        return Retrying(
            **self._backoff.retrying()
            | {
                "sleep": sleep_using_event(self._given_up),
                "stop": stop_when_event_set(self._given_up),
            }
        )

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


def _kind(error: BaseException) -> str:
    status = f" {error.status}" if isinstance(error, ApiError) else ""
    return type(error).__name__ + status


def _forked() -> None:
    for emitter in list(_emitters):
        emitter.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
