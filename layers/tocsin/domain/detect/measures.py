"""What a detector finds, as the series' own past judges it."""

from dataclasses import dataclass, field
from struct import Struct, error
from typing import Any, Final, Self

from tocsin.domain.detect.budget import LEVEL, Peak, Peaks
from tocsin.domain.detect.packing import join, split
from tocsin.domain.detect.proportion import Proportion
from tocsin.domain.detect.rate import Rate
from tocsin.domain.detect.shape import Shape
from tocsin.domain.detect.surprise import Surprise
from tocsin.domain.detect.value import Value

__all__ = ["Calls", "Figure", "Judged", "Outcomes"]

type Judged = tuple[Surprise, Peak]

_SHOWN: Final = 4  # seqs of an alert
_PLACE: Final = Struct("<qQ")
_SEQS: Final = Struct(f"<{_SHOWN}Q")


@dataclass(slots=True)
class Calls:
    """Calls a minute."""

    rate: Rate = field(default_factory=Rate)
    peaks: Peaks = field(default_factory=Peaks)
    minute: int = 0
    first_seq: int = 0  # of the minute

    def see(self, minute: int, seq: int, org: Shape, *, late: bool) -> Judged | None:
        """Count a call; one that comes late only teaches."""
        if minute > self.minute:
            self.minute, self.first_seq = minute, seq
        found = self.rate.see(minute, org)
        return None if late else _judged(self.peaks, found, minute)

    def threshold(self, judged: Judged, least_nats: float) -> float | None:
        """Return the calls a minute from which what was judged would be as unlikely as that."""
        found, peak = judged
        if peak.excess + LEVEL < least_nats:
            return None
        own = (found.nats - LEVEL) / peak.excess  # as the rate's own baseline says
        return self.rate.most(LEVEL + (least_nats - LEVEL) * own, found.windows)

    def pack(self) -> bytes:
        """Return the state's bytes."""
        return join((self.rate.pack(), self.peaks.pack(), _PLACE.pack(self.minute, self.first_seq)))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Return what was packed, or raise ValueError."""
        rate, peaks, place = split(data)
        return cls(Rate.unpack(rate), Peaks.unpack(peaks), *_unpacked(_PLACE, place))


@dataclass(slots=True)
class Outcomes:
    """Whether calls fail."""

    proportion: Proportion = field(default_factory=Proportion)
    peaks: Peaks = field(default_factory=Peaks)
    seqs: list[int] = field(default_factory=list)  # of the last that failed

    def see(self, minute: int, seq: int, *, failed: bool) -> Judged | None:
        """Take how a call ended."""
        if failed:
            self.seqs = [*self.seqs, seq][-_SHOWN:]
        return _judged(self.peaks, self.proportion.see(failed), minute)

    def pack(self) -> bytes:
        """Return the state's bytes."""
        seqs = _SEQS.pack(*([0] * _SHOWN + self.seqs)[-_SHOWN:])
        return join((self.proportion.pack(), self.peaks.pack(), seqs))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Return what was packed, or raise ValueError."""
        proportion, peaks, seqs = split(data)
        shown = [seq for seq in _unpacked(_SEQS, seqs) if seq]
        return cls(Proportion.unpack(proportion), Peaks.unpack(peaks), shown)


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


def _unpacked(packed: Struct, data: bytes) -> tuple[Any, ...]:
    try:
        return packed.unpack(data)
    except error as wrong:
        raise ValueError("a measure's places have another length") from wrong


def _judged(peaks: Peaks, found: Surprise | None, minute: int) -> Judged | None:
    peak = None if found is None else peaks.see(found.nats, minute)
    return None if found is None or peak is None else (found, peak)
