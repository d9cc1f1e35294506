"""Fire and forget: events that a thread of its own sends, while their producer goes on.

One class serves both clients; they differ in how an attempt is made.
"""

import atexit
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any, Final
from weakref import WeakSet

import httpx
import orjson
from tenacity import Retrying, sleep_using_event, stop_when_event_set

from tocsin.client._backoff import Backoff, is_transient
from tocsin.client._errors import ApiError, Rejected
from tocsin.client._outbox import MAX_EVENTS, Batch, Outbox

__all__ = ["CLOSE_SECONDS", "Emitter", "OnLoss"]

QUEUE_EVENTS: Final = 10_000
QUEUE_BYTES: Final = 64 * 1024 * 1024
FLUSH_EVENTS: Final = 100
FLUSH_SECONDS: Final = 0.1
CLOSE_SECONDS: Final = 5.0
"""How long closing waits for what is not sent yet, unless told otherwise."""
_GRACE_SECONDS: Final = 0.5  # for the thread to take note of its end

type OnLoss = Callable[[int, BaseException], None]
"""Called with a number of events that are lost, and why; mostly in the emitter's thread."""

logger = logging.getLogger("tocsin.client")
_emitters: WeakSet["Emitter"] = WeakSet()


class Emitter:
    """A bounded queue, and the thread that empties it; both begin with the first event.

    When the queue is full the newest events are dropped, so what is kept has no holes but one at
    its end. Batches are repeated under one idempotency key until they are stored or refused. A
    forked child begins with an empty queue: what was in it is for its parent to send. At the
    interpreter's exit it is closed, which waits a bounded time.
    """

    def __init__(
        self,
        attempt: Callable[[Batch], httpx.Response],
        backoff: Backoff,
        on_loss: OnLoss | None,
        after_fork: Callable[[], None] | None = None,
    ) -> None:
        """Send with ``attempt``, which raises what may be repeated as transient."""
        self._attempt = attempt
        self._backoff = backoff
        self._on_loss = on_loss
        self._after_fork = after_fork
        self._reset()
        _emitters.add(self)

    def _reset(self) -> None:
        self.dropped = 0
        self.refused = 0
        self._queue: deque[tuple[float, bytes]] = deque()
        self._queue_bytes = 0
        self._sending = 0
        self._flushing = 0
        self._closed = False
        self._given_up = threading.Event()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def forked(self) -> None:
        """Begin anew in a child process, where the thread is not and a lock may be held."""
        atexit.unregister(self.close)
        closed = self._closed
        self._reset()
        self._closed = closed
        if self._after_fork is not None:
            self._after_fork()

    def emit(self, event: Mapping[str, Any]) -> None:
        """Queue an event as it is now; drop it where that is impossible. Never waits or raises."""
        try:
            data = orjson.dumps(event)
        except TypeError as error:  # no JSON
            self._lost(1, error)
            return
        with self._changed:
            kept = (
                not self._closed
                and len(self._queue) < QUEUE_EVENTS
                and self._queue_bytes + len(data) <= QUEUE_BYTES
            )
            if not kept:
                self.dropped += 1
                return
            self._queue.append((monotonic(), data))
            self._queue_bytes += len(data)
            if self._thread is None:
                self._start()
            elif len(self._queue) in (1, FLUSH_EVENTS):
                self._changed.notify_all()

    def flush(self, timeout_seconds: float | None = None) -> bool:
        """Send at once what is queued, and wait; whether nothing is left to send."""
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(self._is_empty, timeout_seconds)
            finally:
                self._flushing -= 1

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> bool:
        """Take no more events, and flush for so long; what is left then is dropped."""
        deadline = monotonic() + timeout_seconds
        with self._changed:
            self._closed = True
            thread = self._thread
        if thread is None:
            return True
        empty = self.flush(timeout_seconds)
        self._given_up.set()  # ends a wait between two attempts; one more follows
        with self._changed:
            self._drop_queue()
            self._changed.notify_all()
        thread.join(max(deadline - monotonic(), _GRACE_SECONDS))
        atexit.unregister(self.close)
        return empty

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="tocsin-emit", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def _run(self) -> None:
        while events := self._take():
            self._send(events)
            with self._changed:
                self._sending = 0
                self._changed.notify_all()

    def _take(self) -> Sequence[bytes]:
        """Wait for the next batch's events; none: it is over."""
        with self._changed:
            while not self._queue:
                if self._closed:
                    return ()
                self._changed.wait()
            deadline = self._queue[0][0] + FLUSH_SECONDS
            while not (self._flushing or self._closed or len(self._queue) >= FLUSH_EVENTS):
                if not self._changed.wait(max(deadline - monotonic(), 0.0)):
                    break
            events = [self._queue.popleft()[1] for _ in range(min(len(self._queue), MAX_EVENTS))]
            self._queue_bytes -= sum(map(len, events))
            self._sending = len(events)
            return events

    def _send(self, events: Sequence[bytes]) -> None:
        outbox = Outbox(events, None)
        for batch in outbox:
            try:
                response = self._retrying()(self._attempt, batch)
                receipt = outbox.settle(batch, response)
            except Exception as error:  # whatever it is, the thread must live for those that follow
                self._lost(len(batch.events), error)
                continue
            if receipt is not None and receipt.rejected:
                self._lost(receipt.rejected, Rejected(receipt.rejections))

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
        refused = isinstance(error, ApiError | Rejected) and not given_up
        with self._changed:
            if refused:
                self.refused += events
            else:
                self.dropped += events
        # Not the error itself: what it says may be the event's own.
        logger.warning("%d emitted events are lost: %s", events, _kind(error))
        if self._on_loss is not None:
            try:
                self._on_loss(events, error)
            except Exception:  # its author's, whom neither a producer nor the thread can tell
                logger.exception("on_loss failed")

    def _drop_queue(self) -> None:
        self.dropped += len(self._queue)
        self._queue.clear()
        self._queue_bytes = 0

    def _is_empty(self) -> bool:
        return not self._queue and not self._sending


def _kind(error: BaseException) -> str:
    status = f" {error.status}" if isinstance(error, ApiError) else ""
    return type(error).__name__ + status


def _forked() -> None:
    for emitter in list(_emitters):
        emitter.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
