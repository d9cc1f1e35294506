"""How many events a minute: a series of counts, and what is too many of them.

The level is a Gamma-Poisson filter with a discount (A. C. Harvey and C. Fernandes, *Time Series
Models for Count or Qualitative Observations*, 1989; M. West and P. J. Harrison, *Bayesian
Forecasting and Dynamic Models*, 1997), times the shape of the hours. What it predicts is a negative
binomial count; its spread is that of the series, by moments, beside what is not known of the level.
The last minutes, one to thirty, are looked at (a scan statistic: J. Glaz, J. Naus and
S. Wallenstein, *Scan Statistics*, 2001), so that few events and slow rises show, too. A minute
teaches half an hour later, and no more than four standard deviations, so that a spike is no habit;
but what stays for most of half an hour is.
"""

from math import ceil, exp, expm1, inf, log1p, sqrt
from struct import Struct
from typing import Final, Self

from tocsin.domain.detect import tails
from tocsin.domain.detect.shape import Shape
from tocsin.domain.detect.surprise import Surprise

__all__ = ["Rate"]

SCALES: Final = (1, 2, 5, 12, 30)
"""How many windows, of one minute each, are looked at together."""

_RING: Final = SCALES[-1]
_FEWEST: Final = 5  # events; fewer are no spike
_WARM_UP: Final = 15  # windows that taught
_KNOWN: Final = 200.0  # events after which a level is known well enough to follow it
_SHORTEST: Final = 120.0  # windows of memory,
_LONGEST: Final = 2880.0  # and two days
_SPREAD: Final = 1440.0  # windows of memory of the spread: a day
_LUMPS: Final = 4.0  # events come in lumps of five, it is believed
_LUMPS_EVENTS: Final = 5.0  # as much as if so many had been seen
_CLIP: Final = 4.0  # standard deviations
_CLIP_FEW: Final = 3.0  # or so many events
_STRAIN: Final = 30.0  # windows: if most of so many were clipped,
_STRAINING: Final = 12  # windows at most that are looked at for that: one spike is in as many
_RELEARN: Final = 15.0  # the level is learned anew, by so many
_NOTABLE: Final = 2.5  # standard deviations, below which no tail is computed
_MOST_COUNT: Final = (1 << 32) - 1
_START_AGAIN: Final = 7 * 1440  # minutes back: the clock was wrong before
_DAY: Final = 1440
_FORGOTTEN: Final = 7 * 1440.0  # minutes after which a long silence is
_MOST: Final = 1e30  # of any number of the state,
_LEAST: Final = 1e-9  # and of the minutes that taught, if there were any
_TALKS: Final = 60  # minutes: who always talks is never silent for longer
_LONGER: Final = 3  # times the longest silence is no silence yet
_PACKED: Final = Struct(f"<qqq{_RING}I{6 + len(SCALES)}d")


class Rate:
    """A series of events in windows of one minute. O(1), about 380 bytes packed.

    ``minute`` is Unix time in minutes. The shape that is passed is the org's: it stands in for
    the series' own.
    """

    __slots__ = (
        "_alpha", "_beta", "_head", "_last", "_limits", "_limits_of", "_longest", "_lumps",
        "_mass", "_ring", "_squares", "_strain", "_trained", "shape",
    )  # fmt: skip

    def __init__(self) -> None:
        self.shape = Shape()
        self._head = -1  # the open window
        self._last = -1  # the minute of the last event
        self._trained = -_RING  # windows that taught; the first ones are from before the series
        self._ring = [0] * _RING  # counts, the open window's first
        self._alpha = 0.0  # events, discounted
        self._beta = 0.0  # average minutes, discounted
        self._lumps = [0.0] * len(SCALES)  # of each scale: squares beyond a Poisson count's
        self._mass = 0.0  # expected events of the windows that these are of,
        self._squares = 0.0  # and their squares
        self._strain = 0.0  # the share of windows that were clipped
        self._longest = 0.0  # minutes without an event
        self._limits: list[tuple[float, float, float]] | None = None  # of the open window,
        self._limits_of = -1  # and the org's shape in this hour

    def see(self, minute: int, org: Shape, events: int = 1) -> Surprise | None:
        """Count events, and say how surprising the open window is now, if it may be.

        A window only grows, so looking at each event takes no more chances than looking at its
        end. What comes late only teaches, and not at all if it is more than half an hour late.
        """
        if minute != self._head:
            if minute < self._head and self._late(minute, events):
                return None
            self._advance(minute, org)
        ring = self._ring
        before = ring[0]
        ring[0] = now = min(before + events, _MOST_COUNT)
        self._spoke(minute)
        step = max(now.bit_length() - 5, 0)  # of many, one in sixteen is looked at
        if before >> step == now >> step or self._trained < _WARM_UP:
            return None
        if sum(ring) < _FEWEST:
            return None
        if self._limits is None or self._limits_of != org.hour:
            worth = self.shape.between(minute, minute + 1, org)
            self._limits = [self._predict(place, worth) for place in range(len(SCALES))]
            self._limits_of = org.hour
        found: Surprise | None = None
        for scale, (limit, mean, size) in zip(SCALES, self._limits, strict=True):
            seen = now if scale == 1 else sum(ring[:scale])
            if seen > limit:
                nats = tails.count(seen, mean, size)
                if found is None or nats > found.nats:
                    found = Surprise(nats, seen / scale, mean / scale, scale)
        return found

    def most(self, nats: float, scale: int) -> float | None:
        """Return how many events a minute, in a scale's last windows, are as surprising as that."""
        if self._limits is None:
            return None
        _, mean, size = self._limits[SCALES.index(scale)]
        low, high = 0, _MOST_COUNT
        while low < high:
            middle = (low + high) // 2
            if tails.count(middle, mean, size) < nats:
                low = middle + 1
            else:
                high = middle
        return low / scale

    def quiet_until(self, nats: float, org: Shape) -> int | None:
        """Return the minute from which on silence is at least as unlikely, in nats.

        None if that cannot be said: of less than a day, of hours of a day of a kind that the series
        has not been through, and of a series that is often silent.
        """
        if self._trained < _DAY or self._longest > _TALKS or not self._beta:
            return None
        spread = self._lump(len(SCALES) - 1)
        events = nats * (spread / log1p(spread) if spread > 0 else 1.0)
        size = self._alpha / (1 + spread)
        events = size * expm1(min(events / size, 50.0)) if size else inf
        wanted = events * self._beta / self._alpha
        for hours in range(1, 25):
            if not self.shape.knows(self._last // 60 + hours - 1):
                return None
            worth = self.shape.between(self._last, self._last + 60 * hours, org)
            if worth >= wanted:
                minutes = ceil(60 * hours * wanted / worth)
                return self._last + max(minutes, _LONGER * ceil(self._longest)) + 1
        return None

    def pack(self) -> bytes:
        """Return the state's bytes."""
        return self.shape.pack() + _PACKED.pack(
            self._head, self._last, self._trained, *self._ring, self._alpha, self._beta,
            *self._lumps, self._mass, self._squares, self._strain, self._longest,
        )  # fmt: skip

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Return the state of :meth:`pack`, or a new one if these bytes are none."""
        rate = cls()
        shape, rest = packed[: Shape.PACKED_BYTES], packed[Shape.PACKED_BYTES :]
        if len(rest) != _PACKED.size:
            return rate
        head, last, trained, *others = _PACKED.unpack(rest)
        ring, numbers = others[:_RING], others[_RING:]
        if not all(abs(number) < _MOST for number in (head, last, trained, *numbers)):
            return rate
        alpha, beta, *lumps, mass, squares, strain, longest = numbers
        if trained < -_RING or min(alpha, mass, squares, strain, longest) < 0:
            return rate
        if beta < _LEAST and trained > 0:
            return rate
        rate.shape = Shape.unpack(shape)
        rate._head, rate._last, rate._trained, rate._ring = head, last, trained, ring
        rate._alpha, rate._beta, rate._lumps = alpha, beta, lumps
        rate._mass, rate._squares, rate._strain, rate._longest = mass, squares, strain, longest
        return rate

    def _spoke(self, minute: int) -> None:
        gap = minute - self._last
        if gap and self._last >= 0:
            self._longest = max(self._longest * (1 - min(gap / _FORGOTTEN, 1.0)), float(gap))
        self._last = minute

    def _late(self, minute: int, events: int) -> bool:
        """Count what is of a closed window; start again if the clock was far ahead before."""
        behind = self._head - minute
        if behind > _START_AGAIN:
            self._head, self._last, self._ring = minute, minute, [0] * _RING
            self._limits = None
            return False
        if behind < _RING:
            self._ring[behind] = min(self._ring[behind] + events, _MOST_COUNT)
        return True

    def _advance(self, minute: int, org: Shape) -> None:
        """Close the windows before this one."""
        self._limits = None
        if self._head < 0:
            self._head = minute
            return
        oldest, gap = self._head - _RING + 1, minute - self._head
        self._head = minute
        for window in range(oldest, oldest + min(gap, _RING)):
            if self._trained >= 0:
                self._learn(window, org)
            self._trained += 1
            self._ring.pop()
            self._ring.insert(0, 0)
        if gap > _RING:
            self._learn_silence(oldest + _RING, oldest + gap, org)

    def _learn(self, window: int, org: Shape) -> None:
        """Learn from the oldest window of the ring."""
        worth = self.shape.between(window, window + 1, org)
        count = float(self._ring[-1])
        relearns = self._strain > 0.5
        if self._trained >= _WARM_UP:
            mean = self._alpha / self._beta * worth
            keep = 1 - 1 / _SPREAD
            strained = False
            for place, scale in enumerate(SCALES):
                expected = scale * mean
                seen = float(sum(self._ring[-scale:]))
                if seen > expected + _CLIP_FEW:
                    spread = sqrt(expected + self._beyond(place, expected))
                    most = expected + max(_CLIP * spread, _CLIP_FEW)
                    if seen > most:
                        seen = most
                        strained |= scale <= _STRAINING
                        if scale == 1 and not relearns:
                            count = most
                self._lumps[place] = self._lumps[place] * keep + (seen - expected) ** 2 - expected
            self._mass = self._mass * keep + mean
            self._squares = self._squares * keep + mean * mean
            self._strain += (strained - self._strain) / _STRAIN
        keep = 1 - 1 / (_RELEARN if relearns else self._memory())
        self._alpha = self._alpha * keep + count
        self._beta = self._beta * keep + worth
        self.shape.see(window, count)

    def _learn_silence(self, start: int, stop: int, org: Shape) -> None:
        """Learn from the empty windows from ``start`` until before ``stop``, at once."""
        windows = stop - start
        worth = self.shape.between(start, stop, org) / windows
        if self._trained >= _WARM_UP:
            mean = self._alpha / self._beta * worth
            keep, weight = _faded(_SPREAD, windows)
            for place, scale in enumerate(SCALES):
                surplus = (scale * mean) ** 2 - scale * mean
                self._lumps[place] = self._lumps[place] * keep + weight * surplus
            self._mass = self._mass * keep + weight * mean
            self._squares = self._squares * keep + weight * mean * mean
            self._strain *= _faded(_STRAIN, windows)[0]
        keep, weight = _faded(self._memory(), windows)
        self._alpha *= keep
        self._beta = self._beta * keep + weight * worth
        self._trained += windows

    def _memory(self) -> float:
        """Return over how many windows the level is averaged."""
        enough = _KNOWN * (1 + self._lump(0)) * self._beta
        return min(max(enough / max(self._alpha, 1e-9), _SHORTEST), _LONGEST)

    def _lump(self, place: int) -> float:
        """Return how much more, in a scale's windows, the variance is than the mean, by it."""
        surplus = self._lumps[place] / SCALES[place] + _LUMPS * _LUMPS_EVENTS
        return max(surplus / (self._mass + _LUMPS_EVENTS), 0.0)

    def _beyond(self, place: int, mean: float) -> float:
        """Return a scale's variance beyond the mean: by the mean, or its square if that is more."""
        scale = SCALES[place]
        by_square = self._lumps[place] / (scale * scale * self._squares) if self._squares else 0.0
        return max(self._lump(place) * mean, by_square * mean * mean)

    def _predict(self, place: int, worth: float) -> tuple[float, float, float]:
        """Return what a scale's windows must exceed to be looked at, their mean and its size."""
        scale = SCALES[place]
        events = self._alpha + 0.5
        mean = events / self._beta * worth * scale
        beyond = self._beyond(place, mean) + mean * mean * (1 + self._lump(place)) / events
        limit = mean + _NOTABLE * sqrt(mean + beyond)
        return max(limit, _FEWEST - 1), mean, mean * mean / beyond


def _faded(memory: float, windows: int) -> tuple[float, float]:
    """Return what so many windows leave of what was, and what they weigh themselves."""
    keep = exp(windows * log1p(-1 / memory))
    return keep, memory * (1 - keep)
