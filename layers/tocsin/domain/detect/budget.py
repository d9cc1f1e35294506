"""From which surprise on an org is alerted, so that false alerts stay within its budget.

Peaks over a threshold (A. Siffer et al., *Anomaly Detection in Streams with Extreme Value Theory*,
2017): how often, in all of an org's series, a surprise exceeds a low level, and by how much, says
which is exceeded as often as the budget allows. If every baseline were right, the excess would
be exponential with a mean of 1 nat, which is the prior; what series are really like is learned.
"""

from dataclasses import dataclass
from math import exp, log
from struct import Struct
from typing import Final, Self

from tocsin.domain.detect.tails import MOST_NATS

__all__ = ["LEVEL", "Budget", "Peak", "Peaks"]

LEVEL: Final = 7.0
"""Nats from which on a surprise counts as a peak: one in 1,100."""

_APART: Final = 60  # minutes: what is nearer belongs to one peak
_DAYS: Final = 5.0  # of memory
_DAY: Final = 1440.0
_BACK: Final = 7 * 1440  # minutes
_PRIOR_PEAKS: Final = 20.0  # of a mean excess of 1 nat
_PRIOR_DAYS: Final = 0.25  # of
_PRIOR_A_DAY: Final = 50.0
_OWN_PRIOR: Final = 3.0  # peaks of a series, of 1 nat
_MOST: Final = 1e12
_PEAKS: Final = Struct("<q5d")
_BUDGET: Final = Struct("<q3d")


@dataclass(frozen=True, slots=True)
class Peak:
    """A surprise beyond :data:`LEVEL`, in nats beyond it, and what its peak came to before."""

    excess: float
    before: float | None  # None: it begins


class Peaks:
    """The peaks of one series and kind, by which it is judged itself. O(1), 48 bytes packed.

    Whose baseline is often surprised by far is not well described by it: its surprises are divided
    by their mean excess, without the greatest (once is no habit).
    """

    __slots__ = ("_began", "_count", "_greatest", "_own", "_peak", "_total")

    def __init__(self) -> None:
        self._began = -1  # the minute of the present peak
        self._own = 0.0  # its excess as the series' baseline says,
        self._peak = 0.0  # and as it is judged
        self._count = 0.0  # peaks before it, discounted,
        self._total = 0.0  # their excess,
        self._greatest = 0.0  # and the greatest

    def see(self, nats: float, minute: int) -> Peak | None:
        """Judge a surprise; None if it is below the level."""
        own = min(nats, MOST_NATS) - LEVEL
        if not own > 0:
            return None
        began = self._began < 0 or not 0 <= minute - self._began < _APART
        if began:
            self._close(minute)
        self._own = max(self._own, own)
        excess = own / self._mean()
        before = None if began else self._peak
        self._peak = max(self._peak, excess)
        return Peak(excess, before)

    def pack(self) -> bytes:
        """Return the state's bytes."""
        return _PEAKS.pack(
            self._began, self._own, self._peak, self._count, self._total, self._greatest
        )

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Return the state of :meth:`pack`, or a new one if these bytes are none."""
        peaks = cls()
        if len(packed) == _PEAKS.size:
            began, *numbers = _PEAKS.unpack(packed)
            if abs(began) < _MOST and all(0 <= number < _MOST for number in numbers):
                peaks._began = began
                peaks._own, peaks._peak, peaks._count, peaks._total, peaks._greatest = numbers
        return peaks

    def _mean(self) -> float:
        peaks = max(self._count - 1, 0.0)
        total = max(self._total - self._greatest, 0.0)
        return max((_OWN_PRIOR + total) / (_OWN_PRIOR + peaks), 1.0)

    def _close(self, minute: int) -> None:
        keep = exp(-abs(minute - self._began) / _DAY / _DAYS) if self._began >= 0 else 1.0
        self._count = self._count * keep + (self._own > 0)
        self._total = self._total * keep + self._own
        self._greatest = max(self._greatest * keep, self._own)
        self._began, self._own, self._peak = minute, 0.0, 0.0


class Budget:
    """The peaks of an org's series of all kinds, and what may be told of them. 32 bytes packed."""

    __slots__ = ("_at", "_count", "_days", "_excess")

    def __init__(self) -> None:
        self._at = -1  # the minute until which days are counted
        self._days = 0.0  # discounted
        self._count = 0.0  # peaks, discounted,
        self._excess = 0.0  # and their excess, in nats

    def see(self, peak: Peak, minute: int, a_day: float = 1.0) -> bool:
        """Count a peak; whether to alert, if there may be as many false alerts a day."""
        self._pass(minute)
        most = self.threshold(a_day) - LEVEL  # more teaches no more: an attack is no habit
        excess = min(peak.excess, most)
        if peak.before is None:
            self._count += 1
            self._excess += excess
        else:
            self._excess += max(excess - peak.before, 0.0)
        return peak.excess >= most

    def threshold(self, a_day: float = 1.0) -> float:
        """Return the nats from which on to alert, for as many false alerts a day as this."""
        rate = (self._count + _PRIOR_DAYS * _PRIOR_A_DAY) / (self._days + _PRIOR_DAYS)
        mean = (self._excess + _PRIOR_PEAKS) / (self._count + _PRIOR_PEAKS)
        return LEVEL + mean * max(log(rate / max(a_day, 1e-6)), 1.0)

    def pack(self) -> bytes:
        """Return the state's bytes."""
        return _BUDGET.pack(self._at, self._days, self._count, self._excess)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Return the state of :meth:`pack`, or a new one if these bytes are none."""
        budget = cls()
        if len(packed) == _BUDGET.size:
            at, *numbers = _BUDGET.unpack(packed)
            if abs(at) < _MOST and all(0 <= number < _MOST for number in numbers):
                budget._at = at
                budget._days, budget._count, budget._excess = numbers
        return budget

    def _pass(self, minute: int) -> None:
        """Let time pass, of which a clock that goes back has none."""
        if self._at < 0 or minute < self._at - _BACK:  # new, or the clock was far ahead before
            self._at = minute
        days = (minute - self._at) / _DAY
        if days > 0:
            keep = exp(-days / _DAYS)
            self._days = self._days * keep + _DAYS * (1 - keep)
            self._count *= keep
            self._excess *= keep
            self._at = minute
