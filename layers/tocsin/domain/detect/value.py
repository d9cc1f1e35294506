"""How unusual one more value of a series is: a latency, a cost, a reading.

Four forecasters say where the next value will be, each as a Student-t distribution: the level, the
time of day's profile, an autoregression on both, and the last value. The surprise is the mean of
theirs (a logarithmic pool: Genest and Zidek 1986, "Combining Probability Distributions"), weighted
by how well each foretold the values before (Herbster and Warmuth 1998, "Tracking the Best Expert").
Locations and scales follow the data by the weights of the t likelihood with four degrees of freedom
(Lange, Little and Taylor 1989, "Robust Statistical Modeling Using the t Distribution"), so that a
spike teaches little and a lasting shift is learned.

What no single value shows is seen in two short means against their own long past, as in Ahmad et
al. 2017, "Unsupervised real-time anomaly detection for streaming data": of the residuals (a shift)
and of the logarithm of their size (noise that grows or goes). Besides, a value may be unlike all
others, or the same for too long.

At last, how heavy the series' tails are is learned from the surprises themselves: beyond their
95th percentile they are divided by their mean excess (as in Siffer et al. 2017, "Anomaly Detection
in Streams with Extreme Value Theory", with an exponential tail).
"""

import math
from array import array
from struct import Struct, error
from typing import Final, Self

from tocsin.domain.detect.profile import PLACES, Profile
from tocsin.domain.detect.regression import Regression
from tocsin.domain.detect.surprise import Surprise

__all__ = ["Value"]

_LARGEST: Final = 1e30  # a value beyond is taken as this, so that no square is infinite
_SMALLEST: Final = 1e-100  # a difference below is none, so that no square is 0
_PRECISION: Final = 1e-9  # nor is one that rounding makes, relative to the value

_LEVEL: Final = 1 / 128  # the share of a new value in a level and in a scale
_LONG: Final = 1 / 1024  # and in what a short mean is compared with
_SHIFTS: Final = 8  # values in the short mean of residuals
_SPREADS: Final = 16  # and of their logarithms
_SHARE: Final = 0.01  # of the forecasters' weights that is shared out after each value
_LARGEST_SQUARE: Final = 1e70
_LATEST_MS: Final = 1 << 62
_MOST_VALUES: Final = 1 << 31  # that are counted
_WARM_UP: Final = 16.0  # after so many values half of a surprise is believed
_TAIL: Final = 0.05
_TAIL_NATS: Final = -math.log(_TAIL)
_LEAST_PERCENTILE: Final = _TAIL_NATS - math.log(3.0)  # where the bound on p is too careful

_VERSION: Final = 1
_NUMBERS: Final = 51
_STATE: Final = Struct(f"<B?IIq{_NUMBERS}d{PLACES}f")


def _tail(t: float) -> float:
    """Return P(T > t) of Student's t with four degrees of freedom, exact in both tails."""
    u = t / math.sqrt(4.0 + t * t)
    if t <= 0.0:
        return (1.0 - u) ** 2 * (2.0 + u) / 4.0
    v = 4.0 / (4.0 + t * t) / (1.0 + u)
    return v * v * (2.0 + u) / 4.0


def _of_most(nats: float, ways: float) -> float:
    """Return how surprising the most surprising of several is (Šidák 1967), in nats."""
    if nats > 30.0:
        return nats - math.log(ways)
    p = math.exp(-nats)
    return -math.log(-math.expm1(ways * math.log1p(-p))) if p < 1.0 else 0.0


class _Located:
    """A location and a squared scale that follow values by the weights of the t likelihood."""

    __slots__ = ("at", "square")

    def __init__(self) -> None:
        self.at = 0.0
        self.square = 0.0

    def learn(self, y: float, share: float, floor: float) -> float:
        """Take in a value; return how many scales it was away."""
        away = y - self.at
        square = max(self.square, floor)
        weight = 5.0 / (4.0 + away * away / square)
        self.at += share * weight * away
        self.square = square + share * (weight * away * away - square)
        return away / math.sqrt(square)


class _Short:
    """A short mean, and where it usually is."""

    __slots__ = ("long", "mean")

    def __init__(self) -> None:
        self.mean = 0.0
        self.long = _Located()
        self.long.square = 1.0

    def learn(self, z: float, short: float, long: float) -> float:
        """Take in a value; return how many scales its short mean is away from its past."""
        self.mean += short * (z - self.mean)
        return self.long.learn(self.mean, long, 1e-6)


class Value:
    """What is remembered of a series of values, and how unusual its next one is.

    ``positive`` is for what is above zero and only bad when high, as latency, tokens and cost are:
    values are judged by their logarithm and upwards, and zeros are skipped. Otherwise any
    number is judged as it is, in both directions.
    """

    __slots__ = (
        "_all",
        "_anchor",
        "_count",
        "_ends",
        "_excess",
        "_goes_on",
        "_last",
        "_level",
        "_offset",
        "_percentile",
        "_positive",
        "_profile",
        "_regression",
        "_run_nats",
        "_same",
        "_shift",
        "_spread",
        "_squares",
        "_step",
        "_weights",
        "_y",
    )

    def __init__(self, *, positive: bool = False) -> None:
        self._positive = positive
        self._count = 0
        self._anchor = 0.0  # the first value: all others are kept relative to it
        self._step = 0.0  # the smallest difference of two values in a row: their resolution
        self._last = [0.0, 0.0, 0.0]  # value, the one before, and the profile at the last
        self._y = 0.0
        self._all = _Located()
        self._level = _Located()
        self._offset = 0.0  # of the level above the profile
        self._profile = Profile()
        self._regression = Regression()
        self._squares = [0.0] * 4
        self._weights = [0.25] * 4
        self._shift = _Short()
        self._spread = _Short()
        self._same = 0  # how many values in a row have been the same
        self._run_nats = 0.0  # and how surprising that is
        self._goes_on = self._ends = 0.0  # how often such values went on, and ended
        self._percentile = _TAIL_NATS
        self._excess = 1.0

    def see(self, x: float, at_ms: int) -> Surprise:
        """Take in a value at a time (Unix ms), and say how unusual it is after those before.

        What is no number (NaN), and zero and below where values are positive, is skipped.
        """
        if x != x or (self._positive and x <= 0.0):
            return Surprise(0.0, x, x)
        x = max(-_LARGEST, min(_LARGEST, x))
        raw = math.log(x) if self._positive else x
        at_ms = max(-_LATEST_MS, min(_LATEST_MS, at_ms))
        if self._count == 0:
            self._anchor = raw
            self._profile.at_ms = at_ms
        y = raw - self._anchor
        self._count = min(self._count + 1, _MOST_VALUES)
        nats, expected, windows = self._judge(y, raw, at_ms)
        expected += self._anchor
        if self._positive:
            expected = math.exp(min(expected, 69.0))
        return Surprise(nats, x, expected, windows)

    def pack(self) -> bytes:
        """Return the state, bytes for :meth:`unpack`: what is packed anywhere goes on exactly."""
        return _STATE.pack(
            _VERSION,
            self._positive,
            self._count,
            self._same,
            self._profile.at_ms,
            *(self._anchor, self._profile.hours, self._step, self._y, *self._last),
            *(self._level.at, self._level.square, self._offset),
            *(self._all.at, self._all.square),
            *(self._shift.mean, self._shift.long.at, self._shift.long.square),
            *(self._spread.mean, self._spread.long.at, self._spread.long.square),
            *(self._percentile, self._excess, *self._squares, *self._weights),
            *(self._run_nats, self._goes_on, self._ends),
            *self._regression.coefficients,
            *self._regression.gain,
            *self._profile.values,
        )

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Return the state that was packed.

        Raises:
            ValueError: These bytes are none, or of another version.
        """
        try:
            version, positive, count, same, at_ms, *numbers = _STATE.unpack(packed)
        except error as wrong:
            raise ValueError("not a packed series of values: its size is wrong") from wrong
        if version != _VERSION:
            raise ValueError(f"a packed series of values of version {version}, not {_VERSION}")
        numbers, profile = numbers[:-PLACES], numbers[-PLACES:]
        if not all(abs(each) <= _LARGEST_SQUARE for each in numbers):
            raise ValueError("not a packed series of values: it has numbers that none can have")
        self = cls(positive=positive)
        self._count, self._same, self._profile.at_ms = count, same, at_ms
        take = iter(numbers).__next__
        self._anchor, self._profile.hours, self._step, self._y = take(), take(), take(), take()
        self._last = [take() for _ in self._last]
        self._level.at, self._level.square, self._offset = take(), take(), take()
        self._all.at, self._all.square = take(), take()
        for short in (self._shift, self._spread):
            short.mean, short.long.at, short.long.square = take(), take(), take()
        self._percentile, self._excess = take(), take()
        self._squares = [take() for _ in self._squares]
        self._weights = [take() for _ in self._weights]
        self._run_nats, self._goes_on, self._ends = take(), take(), take()
        regression = self._regression
        regression.coefficients = [take() for _ in regression.coefficients]
        regression.gain = [take() for _ in regression.gain]
        self._profile.values = array("f", profile)
        if not self._is_sound():
            raise ValueError("not a packed series of values: it has numbers that none can have")
        return self

    def _is_sound(self) -> bool:
        """Return whether the state's numbers are such that any value can follow."""
        located = (self._level, self._all, self._shift.long, self._spread.long)
        least = (
            *(each.square for each in located),
            *self._squares,
            *self._weights,
            self._profile.hours,
        )
        counted = (self._step, self._run_nats, self._goes_on, self._ends)
        return (
            min(*least, *counted) >= 0.0
            and min(self._percentile, self._excess) > 0.1
            and (self._count > 0 or self._step == 0.0)
            and not any(math.isinf(each) for each in self._profile.values)
        )

    def _judge(self, y: float, raw: float, at_ms: int) -> tuple[float, float, int]:
        """Return how unusual a value is, in nats, what was expected, and over how many values."""
        before, step = self._y, abs(y - self._y)
        if step < _SMALLEST or step <= _PRECISION * (1.0 if self._positive else abs(raw)):
            step = 0.0
        if self._step == 0.0:
            if step == 0.0:
                self._run(True)
                self._profile.at_ms = at_ms
                return 0.0, before, 1
            self._run(False)
            self._step = step  # the first that is not like all before it
            self._learn(y, at_ms)
            nats = math.log(self._count) if y > 0.0 or not self._positive else 0.0
            return self._calibrated(nats), before, 1
        if 0.0 < step < self._step:
            self._step = step
        flat = self._run(step == 0.0)
        nats, expected, shift, spread, unseen = self._learn(y, at_ms)
        windows = 1
        if self._positive:
            away = max(shift, unseen)
            other = -math.log(max(_tail(away), 1e-300))
        else:
            shift, spread, unseen = abs(shift), abs(spread), abs(unseen)
            away = max(shift, spread, unseen)
            other = -math.log(max(2.0 * _tail(away), 1e-300))
        if other > nats:
            nats = other
            windows = 1 if away == unseen else _SHIFTS if away == shift else _SPREADS
        if flat > nats and not self._positive:
            nats, windows = flat, self._same
        ways = 3.0 if self._positive else 5.0  # to be unusual, of which this is the most
        return self._calibrated(_of_most(nats, ways)), expected, windows

    def _run(self, same: bool) -> float:
        """Return how surprising it is that so many values have been the same, and learn that."""
        if not same:
            self._ends += self._same > 0
            self._same, self._run_nats = 0, 0.0
        else:
            if self._same:
                self._run_nats -= math.log(
                    (self._goes_on + 1.0) / (self._goes_on + self._ends + 2.0)
                )
                self._goes_on += 1.0
            self._same = min(self._same + 1, _MOST_VALUES)
        if self._goes_on + self._ends > 1.0 / _LONG:
            self._goes_on, self._ends = self._goes_on / 2.0, self._ends / 2.0
        return self._run_nats

    def _calibrated(self, nats: float) -> float:
        """Return a surprise divided by how surprising this series usually is, and learn that."""
        nats *= self._count / (self._count + _WARM_UP)
        share = max(_LONG, 1.0 / (self._count + _WARM_UP))
        over = nats - self._percentile
        if over <= 0.0:
            result = nats * _TAIL_NATS / self._percentile
        else:
            result = _TAIL_NATS + over / self._excess
            over = min(over, 4.0 * self._excess)
            self._excess = max(0.2, self._excess + share / _TAIL * (over - self._excess))
        move = 4.0 * _TAIL_NATS * share * ((over > 0.0) - _TAIL)
        self._percentile = max(_LEAST_PERCENTILE, self._percentile + move)
        return result

    def _learn(self, y: float, at_ms: int) -> tuple[float, float, float, float, float]:
        """Take in a value.

        Return its surprise in nats and the forecast; how many scales the short means of the
        residuals and of their logarithms are away from theirs; and the value itself from all.
        """
        share = max(_LEVEL, 1.0 / self._count)
        long = max(_LONG, 1.0 / (self._count + _WARM_UP))
        floor = self._step * self._step / 12.0  # the variance of a uniform rounding error
        level, last = self._level, self._last
        at, scale = level.at, math.sqrt(max(level.square, floor))
        place = self._profile.place(at_ms, at - self._offset)
        season = place.value
        features = (
            (last[0] - at) / scale,
            (last[1] - at) / scale,
            (season - at) / scale,
            (last[2] - at) / scale,
        )
        regressed = at + scale * self._regression.forecast(features)
        forecasts = (at, season + self._offset, regressed, self._y)
        nats, forecast, residuals = self._mix(y, forecasts, share, floor)

        z = residuals[2]
        self._regression.learn(features, (y - regressed) / scale, (4.0 + z * z) / 5.0)
        clean = y if abs(z) <= 3.0 else regressed + (y - regressed) * 3.0 / abs(z)
        self._last = [clean, last[0], season]
        self._y = y
        level.learn(y, share, floor)
        self._profile.learn(place, y, at_ms)
        noise = math.log(0.01 + min(16.0, z * z))
        z = residuals[1]
        self._offset += share * 5.0 / (4.0 + z * z) * (y - forecasts[1])
        shift = self._shift.learn(max(-4.0, min(4.0, z)), 1.0 / _SHIFTS, long)
        spread = self._spread.learn(noise, 1.0 / _SPREADS, long)
        return nats, forecast, shift, spread, self._all.learn(y, long, floor)

    def _mix(
        self, y: float, forecasts: tuple[float, ...], share: float, floor: float
    ) -> tuple[float, float, list[float]]:
        """Return a value's surprise and its forecast, pooled, and each forecaster's residual."""
        squares, weights = self._squares, self._weights
        nats = expected = total = 0.0
        residuals, likelihoods = [], []
        for i, forecast in enumerate(forecasts):
            square = max(squares[i], floor)
            scale = math.sqrt(square)
            away = y - forecast
            z = away / scale
            weight = weights[i]
            if weight > _SHARE:
                tail = _tail(z) if self._positive else 2.0 * _tail(abs(z))
                nats -= weight * math.log(max(tail, 1e-300))
            expected += weight * forecast
            likelihood = weight * (1.0 + min(4.0, z * z / 4.0)) ** -2.5 / scale
            total += likelihood
            likelihoods.append(likelihood)
            residuals.append(z)
            squares[i] = square + share * (5.0 / (4.0 + z * z) * away * away - square)
        if total > 0.0:
            self._weights = [(1.0 - _SHARE) * each / total + _SHARE / 4.0 for each in likelihoods]
        return nats, expected, residuals
