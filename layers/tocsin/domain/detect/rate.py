"""Calls a minute."""

import math
import struct
from dataclasses import dataclass

from tocsin.domain.detect.packing import Damaged
from tocsin.domain.detect.shape import Shape
from tocsin.domain.detect.surprise import Surprise

__all__ = ["Rate"]

_PACKED = struct.Struct("<qqdd")


@dataclass(slots=True)
class Rate:
    """A series of counts."""

    minute: int = 0
    count: int = 0
    level: float = 0.0
    windows: float = 0.0

    def see(self, minute: int, shape: Shape, *, late: bool = False) -> Surprise | None:
        """Count a call."""
        if minute > self.minute:
            if self.minute:
                gone = min(minute - self.minute, 1_000)
                self.windows = min(self.windows + gone, 1_000)
                self.level += (self.count - self.level * gone) / self.windows
            self.minute, self.count = minute, 0
        if minute < self.minute:
            return None
        self.count += 1
        expected = max(self.level, 0.2)
        if self.windows < 30 or self.count < 3 * expected:
            return None
        nats = self.count * math.log(self.count / expected) - self.count + expected
        return Surprise(nats, self.count, expected)

    def quiet_until(self, nats: float) -> int | None:
        """Return the minute at which silence is as unlikely as that."""
        if self.windows < 60 or self.level < 0.2:
            return None
        return self.minute + 1 + math.ceil(nats / self.level)

    def pack(self) -> bytes:
        """Return it as bytes."""
        return _PACKED.pack(self.minute, self.count, self.level, self.windows)

    @classmethod
    def unpack(cls, data: bytes) -> "Rate":
        """Return what :meth:`pack` wrote, or raise Damaged."""
        try:
            return cls(*_PACKED.unpack(data))
        except struct.error as error:
            raise Damaged("a rate") from error
