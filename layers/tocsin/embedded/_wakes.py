"""Wakes within a process. What is waiting when it ends is found by whoever delivers next."""

import time
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from threading import Condition
from typing import override

from tocsin.ports.notify import Wakes

__all__ = ["LocalWakes"]


class LocalWakes(Wakes):
    """:class:`~tocsin.ports.notify.Wakes` in memory: one thread waits, and any may wake."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        """``seconds`` is a clock that nobody sets."""
        self._seconds = seconds
        self._changed = Condition()
        self._now: dict[bool, dict[tuple[str, str], None]] = {False: {}, True: {}}
        self._later: list[tuple[float, str, str, bool]] = []
        self._heard = False

    @override
    def wake(
        self, org: str, ids: Sequence[str], *, delay_seconds: int = 0, slow: bool = False
    ) -> None:
        with self._changed:
            for id in ids:
                if delay_seconds > 0:
                    heappush(self._later, (self._seconds() + delay_seconds, org, id, slow))
                else:
                    self._now[slow][org, id] = None
        self.nudge()

    def nudge(self) -> None:
        """End the wait of who waits: it looks what there is."""
        with self._changed:
            self._heard = True
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Wait for a wake or a nudge since the last wait, or so long at most."""
        with self._changed:
            if not self._heard:
                due = self._later[0][0] - self._seconds() if self._later else seconds
                self._changed.wait(max(min(due, seconds), 0))
            self._heard = False

    def due(self, *, slow: bool) -> Sequence[tuple[str, str]]:
        """Take the endpoints that are to be looked at now, each once."""
        with self._changed:
            while self._later and self._later[0][0] <= self._seconds():
                _, org, id, is_slow = heappop(self._later)
                self._now[is_slow][org, id] = None
            taken, self._now[slow] = list(self._now[slow]), {}
            return taken

    def forget(self) -> bool:
        """Forget all wakes; return whether there were any."""
        with self._changed:
            forgotten = any(self._now.values()) or bool(self._later)
            self._later.clear()
            for waiting in self._now.values():
                waiting.clear()
            return forgotten
