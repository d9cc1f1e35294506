"""What was read from a store, remembered for half a minute."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tocsin.ports.world import Clock

__all__ = ["BRIEFLY_MS", "REMEMBERED_MS", "Remembered"]

REMEMBERED_MS = 30_000  # so that what is revoked stops everywhere within a minute
BRIEFLY_MS = 3_000
"""For what must be known everywhere within five seconds."""

MAX_ITEMS = 10_000


@dataclass(frozen=True, slots=True)
class _Read[V]:
    value: V
    at_ms: int
    at_seconds: float  # of a clock that nobody sets


class Remembered[K, V]:
    """Reads by name, at most once in 30 seconds or as it is told.

    That something is not there is remembered, too.
    """

    def __init__(
        self,
        read: Callable[[K], V],
        clock: Clock,
        seconds: Callable[[], float] = time.monotonic,
        remembered_ms: int = REMEMBERED_MS,
    ) -> None:
        """Read with ``read``; what it raises is passed on and not remembered.

        ``seconds`` only ever grows, while ``clock`` may be set back.
        """
        self._from_store = read
        self._clock = clock
        self._seconds = seconds
        self._remembered_ms = remembered_ms
        self._reads: dict[K, _Read[V]] = {}

    def read(self, name: K) -> V:
        """Return what is there, or was there when last read, up to so long ago."""
        if (known := self._known(name)) is None:
            return self.renew(name)
        return known.value

    def unknown(self, names: Iterable[K]) -> list[K]:
        """Return those of the names that would be read now."""
        return [name for name in names if self._known(name) is None]

    def renew(self, name: K) -> V:
        """Return what is there now, and remember that."""
        now_ms, now = self._clock.now_ms(), self._seconds()
        value = self._from_store(name)
        self._keep(name, _Read(value, now_ms, now))
        return value

    def renew_all(self, names: Iterable[K], read: Callable[[], Mapping[K, V]], lacking: V) -> None:
        """Have several be what ``read`` returns of them, or ``lacking``, and remember that."""
        now_ms, now = self._clock.now_ms(), self._seconds()
        values = read()
        for name in names:
            self._keep(name, _Read(values.get(name, lacking), now_ms, now))

    def forget(self, name: K) -> None:
        """Have it read again next time."""
        self._reads.pop(name, None)

    def _known(self, name: K) -> "_Read[V] | None":
        now_ms, now = self._clock.now_ms(), self._seconds()
        known = self._reads.get(name)
        if (
            known is None
            or now_ms - known.at_ms >= self._remembered_ms
            or (now - known.at_seconds) * 1000 >= self._remembered_ms
        ):
            return None
        return known

    def _keep(self, name: K, read: "_Read[V]") -> None:
        if len(self._reads) >= MAX_ITEMS:
            self._reads.clear()
        self._reads[name] = read
