"""Emitted events that wait to be sent: bounded, and taken in batches."""

from collections import deque
from collections.abc import Sequence
from threading import Condition
from time import monotonic
from typing import Final

from tocsin.domain.limits import MAX_EVENTS_PER_BATCH

__all__ = ["Queue"]

QUEUE_EVENTS: Final = 10_000
QUEUE_BYTES: Final = 64 * 1024 * 1024
FLUSH_EVENTS: Final = 100
FLUSH_SECONDS: Final = 0.1


class Queue:
    """Many put, one takes. Nobody holds its lock for longer than a few microseconds."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._waiting_bytes = 0
        self._taken = 0  # but not settled
        self._flushing = 0
        self._closed = self._cleared = False
        self._changed = Condition()

    def put(self, data: bytes) -> bool:
        """Add an event at the end; False when there is no room, or it is closed."""
        with self._changed:
            if (
                self._closed
                or len(self._waiting) >= QUEUE_EVENTS
                or self._waiting_bytes + len(data) > QUEUE_BYTES
            ):
                return False
            self._waiting.append((monotonic(), data))
            self._waiting_bytes += len(data)
            if len(self._waiting) in (1, FLUSH_EVENTS):  # what the taker is waiting for
                self._changed.notify_all()
            return True

    def take(self, unsettled: int = 0) -> Sequence[bytes]:
        """Wait for the next batch, and return it; this settles the one before. Empty: it is over.

        With ``unsettled``, so many events of earlier batches are not settled yet, and empty means
        that nothing waits at present.

        A batch is ready when it has :data:`FLUSH_EVENTS`, when its first event waited for
        :data:`FLUSH_SECONDS`, or when somebody flushes.
        """
        with self._changed:
            self._taken = unsettled
            self._changed.notify_all()
            while not self._waiting:
                if self._closed or unsettled:
                    return ()
                self._changed.wait()
            deadline = self._waiting[0][0] + FLUSH_SECONDS
            while not (self._flushing or self._closed or len(self._waiting) >= FLUSH_EVENTS):
                if not self._changed.wait(max(deadline - monotonic(), 0.0)):
                    break
            count = min(len(self._waiting), MAX_EVENTS_PER_BATCH)
            events = [self._waiting.popleft()[1] for _ in range(count)]
            self._waiting_bytes -= sum(map(len, events))
            self._taken = unsettled + count
            return events

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until there is something to take; return whether there is. Ends when cleared."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._cleared, timeout_seconds)
            return bool(self._waiting)

    def flush(self, timeout_seconds: float | None = None) -> bool:
        """Have batches taken at once, and wait until all are settled; return whether they are."""
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(self._is_settled, timeout_seconds)
            finally:
                self._flushing -= 1

    def close(self) -> None:
        """Accept no more; what waits can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def clear(self) -> int:
        """Forget what waits; return how many events that are."""
        with self._changed:
            count = len(self._waiting)
            self._waiting.clear()
            self._cleared = True
            self._waiting_bytes = 0
            self._changed.notify_all()
            return count

    def _is_settled(self) -> bool:
        return not self._waiting and not self._taken
