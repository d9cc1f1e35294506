"""What a detector finds, as the series' own past judges it."""

from dataclasses import dataclass, field
from typing import Self

from tocsin.domain.detect.budget import Peak, Peaks
from tocsin.domain.detect.packing import join, split
from tocsin.domain.detect.proportion import Proportion
from tocsin.domain.detect.rate import Rate
from tocsin.domain.detect.shape import Shape
from tocsin.domain.detect.surprise import Surprise
from tocsin.domain.detect.value import Value

__all__ = ["Calls", "Figure", "Judged", "Outcomes"]

type Judged = tuple[Surprise, Peak]


@dataclass(slots=True)
class Calls:
    """Calls a minute."""

    rate: Rate = field(default_factory=Rate)
    peaks: Peaks = field(default_factory=Peaks)

    def see(self, minute: int, org: Shape, *, late: bool) -> Judged | None:
        """Count a call; one that comes late only teaches."""
        found = self.rate.see(minute, org)
        return None if late else _judged(self.peaks, found, minute)

    def pack(self) -> bytes:
        """Return the state's bytes."""
        return join((self.rate.pack(), self.peaks.pack()))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Return what was packed, or raise ValueError."""
        rate, peaks = split(data)
        return cls(Rate.unpack(rate), Peaks.unpack(peaks))


@dataclass(slots=True)
class Outcomes:
    """Whether calls fail."""

    proportion: Proportion = field(default_factory=Proportion)
    peaks: Peaks = field(default_factory=Peaks)

    def see(self, minute: int, *, failed: bool) -> Judged | None:
        """Take how a call ended."""
        return _judged(self.peaks, self.proportion.see(failed), minute)

    def pack(self) -> bytes:
        """Return the state's bytes."""
        return join((self.proportion.pack(), self.peaks.pack()))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Return what was packed, or raise ValueError."""
        proportion, peaks = split(data)
        return cls(Proportion.unpack(proportion), Peaks.unpack(peaks))


def _value() -> Value:
    return Value(positive=True)


@dataclass(slots=True)
class Figure:
    """A latency, a number of tokens, a cost: the more the worse."""

    value: Value = field(default_factory=_value)
    peaks: Peaks = field(default_factory=Peaks)
    seen: bool = False

    def see(self, figure: float, at_ms: int) -> Judged | None:
        """Take a figure above 0."""
        self.seen = True
        found = self.value.see(figure, at_ms)
        if found.seen <= found.expected:
            return None
        return _judged(self.peaks, found, at_ms // 60_000)

    def pack(self) -> bytes:
        """Return the state's bytes."""
        return join((self.value.pack(), self.peaks.pack())) if self.seen else b""

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Return what was packed, or raise ValueError."""
        if not data:
            return cls()
        value, peaks = split(data)
        return cls(Value.unpack(value), Peaks.unpack(peaks), seen=True)


def _judged(peaks: Peaks, found: Surprise | None, minute: int) -> Judged | None:
    peak = None if found is None else peaks.see(found.nats, minute)
    return None if found is None or peak is None else (found, peak)
