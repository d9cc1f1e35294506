"""How unusual one more value of a series is: a latency, a cost, a reading.

Four forecasters say where the next value will be, each as a Student-t distribution: the level, the
time of day's profile, an autoregression on both, and the last value. Their mixture, weighted by how
well each foretold the values before (Herbster and Warmuth 1998, "Tracking the Best Expert"), gives
the value's tail probability. Locations and scales follow the data by the weights of the t
likelihood with four degrees of freedom (Lange, Little and Taylor 1989, "Robust Statistical Modeling
Using the t Distribution"), so that a spike teaches little and a lasting shift is learned.

What no single value shows is seen in two short means against their own long past, as in Ahmad et
al. 2017, "Unsupervised real-time anomaly detection for streaming data": of the residuals (a shift)
and of the logarithm of their size (noise that grows, or a line gone flat).

At last, tails that are heavier than t's are learned from the surprises themselves: beyond their
95th percentile they are divided by their mean excess (as in Siffer et al. 2017, "Anomaly Detection
in Streams with Extreme Value Theory", with an exponential tail).
"""

import math
from array import array
from struct import Struct, error
from typing import Final, Self

from tocsin.domain.detect.surprise import Surprise

__all__ = ["Value"]

_HOUR_MS: Final = 3_600_000
_HOURS: Final = 24
_LARGEST: Final = 1e30  # a value beyond is taken as this, so that no square is infinite

_LEVEL: Final = 1 / 64  # the share of a new value in a level and in a scale
_LONG: Final = 1 / 1024  # and in what a short mean is compared with
_SHIFT: Final = 1 / 8
_SPREAD: Final = 1 / 16
_DAYS: Final = 7.0  # how many days an hour's profile remembers
_SHARE: Final = 0.01  # of the forecasters' weights that is shared out after each value
_FORGET: Final = 0.998  # of the autoregression's past
_FEATURES: Final = 5
_LARGEST_GAIN: Final = 100.0
_WARM_UP: Final = 16.0  # after so many values half of a surprise is believed
_TAIL: Final = 0.05
_TAIL_NATS: Final = -math.log(_TAIL)

_VERSION: Final = 1
_PROFILE: Final = 2 * _HOURS
_NUMBERS: Final = 28 + _FEATURES + _FEATURES * _FEATURES
_STATE: Final = Struct(f"<B?Qq{_NUMBERS}d{_PROFILE}f")


def _tail(t: float) -> float:
    """Return P(T > t) of Student's t with four degrees of freedom, exact in both tails."""
    u = t / math.sqrt(4.0 + t * t)
    if t <= 0.0:
        return (1.0 - u) ** 2 * (2.0 + u) / 4.0
    v = 4.0 / (4.0 + t * t) / (1.0 + u)
    return v * v * (2.0 + u) / 4.0


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
        "_anchor",
        "_at_ms",
        "_coefficients",
        "_count",
        "_excess",
        "_gain",
        "_hours",
        "_last",
        "_level",
        "_long",
        "_offset",
        "_percentile",
        "_positive",
        "_profile",
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
        self._at_ms = 0
        self._hours = 0.0  # that the profile has seen
        self._step = 0.0  # the smallest difference of two values in a row: their resolution
        self._last = [0.0, 0.0, 0.0]  # value, the one before, and the profile at the last
        self._y = 0.0
        self._long = _Located()
        self._level = _Located()
        self._offset = 0.0  # of the level above the profile
        self._profile = array("f", [math.nan]) * _PROFILE
        self._coefficients = [0.0, 1.0, 0.0, 0.0, 0.0]
        self._gain = _fresh_gain()
        self._squares = [0.0] * 4
        self._weights = [0.25] * 4
        self._shift = _Short()
        self._spread = _Short()
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
        if self._count == 0:
            self._anchor = raw
            self._at_ms = at_ms
        y = raw - self._anchor
        self._count += 1
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
            self._at_ms,
            *(self._anchor, self._hours, self._step, self._y, *self._last),
            *(self._level.at, self._level.square, self._offset),
            *(self._long.at, self._long.square),
            *(self._shift.mean, self._shift.long.at, self._shift.long.square),
            *(self._spread.mean, self._spread.long.at, self._spread.long.square),
            *(self._percentile, self._excess, *self._squares, *self._weights),
            *self._coefficients,
            *(each for row in self._gain for each in row),
            *self._profile,
        )

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Return the state that was packed.

        Raises:
            ValueError: These bytes are none, or of another version.
        """
        try:
            version, positive, count, at_ms, *numbers = _STATE.unpack(packed)
        except error as wrong:
            raise ValueError("not a packed series of values: its size is wrong") from wrong
        if version != _VERSION:
            raise ValueError(f"a packed series of values of version {version}, not {_VERSION}")
        numbers, profile = numbers[:-_PROFILE], numbers[-_PROFILE:]
        if not all(map(math.isfinite, numbers)):
            raise ValueError("not a packed series of values: it has numbers that are not finite")
        self = cls(positive=positive)
        self._count, self._at_ms = count, at_ms
        take = iter(numbers).__next__
        self._anchor, self._hours, self._step, self._y = take(), take(), take(), take()
        self._last = [take() for _ in self._last]
        self._level.at, self._level.square, self._offset = take(), take(), take()
        self._long.at, self._long.square = take(), take()
        for short in (self._shift, self._spread):
            short.mean, short.long.at, short.long.square = take(), take(), take()
        self._percentile, self._excess = take(), take()
        self._squares = [take() for _ in self._squares]
        self._weights = [take() for _ in self._weights]
        self._coefficients = [take() for _ in self._coefficients]
        self._gain = [[take() for _ in row] for row in self._gain]
        self._profile = array("f", profile)
        return self

    def _judge(self, y: float, raw: float, at_ms: int) -> tuple[float, float, int]:
        step = abs(y - self._y)
        if step > 1e-9 * (1.0 if self._positive else abs(raw)):
            constant = self._step == 0.0
            if constant or step < self._step:
                self._step = step
            if constant and self._count > 1:
                before = self._y
                self._learn(y, at_ms)
                nats = math.log(self._count) if y > 0.0 or not self._positive else 0.0
                return self._calibrated(self._believed(nats)), before, 1
        elif self._step == 0.0:
            self._at_ms = at_ms
            return 0.0, self._y, 1
        nats, expected, shift, spread, marginal = self._learn(y, at_ms)
        windows = 1
        for z, two_sided, length in (
            (shift, not self._positive, 8),
            (spread, True, 16),
            (marginal, not self._positive, 1),
        ):
            if length == 16 and self._positive:
                continue
            tail = 2.0 * _tail(abs(z)) if two_sided else _tail(z)
            if -math.log(tail) > nats:
                nats, windows = -math.log(tail), length
        nats = max(0.0, nats - math.log(3.0 if self._positive else 4.0))
        return self._calibrated(self._believed(nats)), expected, windows

    def _believed(self, nats: float) -> float:
        return nats * self._count / (self._count + _WARM_UP)

    def _calibrated(self, nats: float) -> float:
        """Return a surprise divided by how surprising this series usually is, and learn that."""
        over = nats - self._percentile
        if over <= 0.0:
            result = nats * _TAIL_NATS / self._percentile
        else:
            result = _TAIL_NATS + over / self._excess
        share = max(_LONG, 1.0 / (self._count + _WARM_UP))
        move = 4.0 * _TAIL_NATS * share
        self._percentile = max(_TAIL_NATS, self._percentile + move * ((over > 0.0) - _TAIL))
        if over > 0.0:
            slow = min(1.0, share / _TAIL)
            self._excess = max(1.0, self._excess + slow * (over - self._excess))
        return result

    def _learn(self, y: float, at_ms: int) -> tuple[float, float, float, float, float]:
        """Take in a value; return p, the forecast, and how far the short means are away."""
        share = max(_LEVEL, 1.0 / self._count)
        floor = self._step * self._step / 12.0  # of a uniform rounding error
        last, level, squares, weights = self._last, self._level, self._squares, self._weights
        scale = math.sqrt(max(level.square, floor))
        place = self._season(at_ms)
        season = place[3]
        features = (
            1.0,
            (last[0] - level.at) / scale,
            (last[1] - level.at) / scale,
            (season - level.at) / scale,
            (last[2] - level.at) / scale,
        )
        regressed = sum(map(float.__mul__, self._coefficients, features))
        forecasts = (level.at, season + self._offset, level.at + scale * regressed, self._y)
        nats = expected = 0.0
        likelihoods = []
        residuals = []
        for i, forecast in enumerate(forecasts):
            spread = math.sqrt(max(squares[i], floor))
            z = (y - forecast) / spread
            tail = _tail(z) if self._positive else 2.0 * _tail(abs(z))
            nats -= weights[i] * math.log(max(tail, 1e-300))
            expected += weights[i] * forecast
            likelihoods.append(weights[i] * (1.0 + min(4.0, z * z / 4.0)) ** -2.5 / spread)
            residuals.append(z)
            weight = 5.0 / (4.0 + z * z)
            square = spread * spread
            squares[i] = square + share * (weight * (y - forecast) ** 2 - square)
        total = sum(likelihoods)
        if total > 0.0:
            for i, likelihood in enumerate(likelihoods):
                weights[i] = (1.0 - _SHARE) * likelihood / total + _SHARE / 4.0

        self._regress(features, (y - forecasts[2]) / scale, residuals[2])
        level.learn(y, share, floor)
        self._learn_season(place, y, at_ms)
        z = residuals[1]
        self._offset += share * 5.0 / (4.0 + z * z) * (y - forecasts[1])
        z = residuals[2]
        clean = y if abs(z) <= 3.0 else forecasts[2] + (y - forecasts[2]) * 3.0 / abs(z)
        last[0], last[1], last[2] = clean, last[0], season
        self._y = y
        z = residuals[1]
        long = max(_LONG, 1.0 / (self._count + _WARM_UP))
        shift = self._shift.learn(max(-4.0, min(4.0, z)), _SHIFT, long)
        noise = math.log(0.01 + min(16.0, residuals[2] ** 2))
        spread = self._spread.learn(noise, _SPREAD, long)
        return nats, expected, shift, spread, self._long.learn(y, long, floor)

    def _regress(self, features: tuple[float, ...], error: float, z: float) -> None:
        """Learn the autoregression by recursive least squares, weighted by the t likelihood."""
        gain, coefficients = self._gain, self._coefficients
        weight = 5.0 / (4.0 + z * z)
        products = [sum(map(float.__mul__, row, features)) for row in gain]
        divisor = _FORGET / weight + sum(map(float.__mul__, products, features))
        trace = sum(gain[i][i] for i in range(_FEATURES))
        if not (0.0 < divisor < 1e30 and 0.0 < trace < 1e30):
            self._gain = _fresh_gain()
            return
        forget = _FORGET if trace < _LARGEST_GAIN * _FEATURES else 1.0
        for i, product in enumerate(products):
            k = product / divisor
            coefficients[i] += k * error
            gain[i] = [(g - k * q) / forget for g, q in zip(gain[i], products, strict=True)]

    def _season(self, at_ms: int) -> tuple[int, int, float, float]:
        """Return the hours' places in the profile around a time, how far it is, and its value."""
        hour, rest = divmod(at_ms, _HOUR_MS)
        day, hour = divmod(hour, _HOURS)
        weekend = _HOURS if (day + 3) % 7 >= 5 else 0
        part = rest / _HOUR_MS
        index, beside = weekend + hour, weekend + (hour + 1) % _HOURS
        here, there = self._of_hour(index), self._of_hour(beside)
        return index, beside, part, here + part * (there - here)

    def _of_hour(self, index: int) -> float:
        value = self._profile[index]
        if value != value:
            value = self._profile[index % _HOURS]
        return self._level.at - self._offset if value != value else value

    def _learn_season(self, place: tuple[int, int, float, float], y: float, at_ms: int) -> None:
        passed = min(max(0.0, (at_ms - self._at_ms) / _HOUR_MS), 1.0)
        self._at_ms = at_ms
        self._hours += passed
        before = min(self._hours / _HOURS, _DAYS)
        index, beside, part, value = place
        gain = passed / (before + passed) if passed > 0.0 else 0.0
        gain *= (y - value) / (part * part + (1.0 - part) * (1.0 - part))
        for i, share in ((index, 1.0 - part), (beside, part)):
            old = self._profile[i]
            if share > 0.0:
                self._profile[i] = y if old != old else old + gain * share


def _fresh_gain() -> list[list[float]]:
    return [[float(i == j) for j in range(_FEATURES)] for i in range(_FEATURES)]
