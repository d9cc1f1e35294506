"""Whose silence is waited for, and when it will be told."""

import heapq
import struct
from dataclasses import dataclass, field
from typing import Final

from tocsin.domain.detect.packing import Damaged, join, split

__all__ = ["MOST_WATCHED", "Agenda"]

MOST_WATCHED: Final = 500
"""Of an org's agents; more are not waited for."""

_DUE: Final = struct.Struct(">q")


@dataclass(slots=True)
class Agenda:
    """The keys of states, by the time (Unix ms) at which they are to be looked at."""

    _due: list[tuple[int, str]] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """Whether nothing can be added."""
        return len(self._due) >= MOST_WATCHED

    @property
    def next_ms(self) -> int:
        """The next time; 0: there is none."""
        return self._due[0][0] if self._due else 0

    def add(self, at_ms: int, key: str) -> None:
        """Add a key."""
        heapq.heappush(self._due, (at_ms, key))

    def pop(self, until_ms: int) -> tuple[int, str] | None:
        """Take out the next that is due by then."""
        return heapq.heappop(self._due) if self._due and self._due[0][0] <= until_ms else None

    def keys_until(self, until_ms: int) -> list[str]:
        """Return the keys that are due by then."""
        return [key for at_ms, key in self._due if at_ms <= until_ms]

    def pack(self) -> bytes:
        """Return it as bytes."""
        return join(_DUE.pack(at_ms) + key.encode() for at_ms, key in sorted(self._due))

    @classmethod
    def unpack(cls, data: bytes) -> "Agenda":
        """Return what :meth:`pack` wrote, or raise Damaged."""
        try:
            return cls([(_DUE.unpack(each[:8])[0], each[8:].decode()) for each in split(data)])
        except (struct.error, UnicodeDecodeError) as error:
            raise Damaged("an agenda") from error
