"""Agents' traffic as it may be: counts a minute, of which it is known what is unusual."""

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from math import exp, log, pi, sin
from random import Random
from typing import Final

__all__ = ["BEGIN", "BURSTY", "CHANGES", "KINDS", "POISSON", "Change", "Series", "fleet", "poisson"]

BEGIN: Final = 29_005_920  # minutes: a midnight, of a Monday
RATES: Final = (0.05, 50.0)  # a minute, log-uniform
POISSON, BURSTY, ON_AND_OFF = KINDS = ("Poisson", "bursty", "on and off")
_SIZES: Final = (1.0, 30.0)  # of the negative binomial counts of what is bursty, log-uniform
_ON: Final = (0.2, 0.8)  # of the time, uniform
_STAY: Final = 0.8  # for five minutes

type Change = Callable[[int], float]
"""What a rate is multiplied by, so many minutes after something began."""

CHANGES: Final[dict[str, Change]] = {
    "step ×5": lambda _: 5.0,  # noqa: RUF001 (the sign of multiplication)
    "step ×2": lambda _: 2.0,  # noqa: RUF001
    "spike ×10": lambda minutes: 10.0 if minutes == 0 else 1.0,  # noqa: RUF001
    "ramp ×5": lambda minutes: 1 + 4 * min(minutes / 60, 1.0),  # noqa: RUF001
    "drift ×2": lambda minutes: 1 + minutes / 1440,  # noqa: RUF001
    "silence": lambda _: 0.0,
}


def poisson(random: Random, mean: float) -> int:
    """Return a Poisson count; a great one by the normal distribution."""
    if mean > 60:
        return max(round(random.gauss(mean, mean**0.5)), 0)
    least, product, count = exp(-mean), random.random(), 0
    while product > least:
        product *= random.random()
        count += 1
    return count


@dataclass(slots=True)
class Series:
    """One series: it knows its rate, and when it is active."""

    random: Random
    rate: float  # a minute, on average
    kind: str
    shaped: bool  # by the time of day and the weekday
    size: float  # of its counts, if it is bursty
    share: float  # of the time that it is on, if it is not always
    on: bool = False

    def expected(self, minute: int) -> float:
        """Return the rate of this minute, before what chance does."""
        if not self.shaped:
            return self.rate
        day, of_day = divmod(minute, 1440)
        weekend = (day + 3) % 7 >= 5
        return (
            self.rate * (0.3 if weekend else 1.2) * (1 + 0.8 * sin(2 * pi * (of_day / 1440 - 0.35)))
        )

    def count(self, minute: int, times: float = 1.0) -> int:
        """Return the events of the next minute."""
        mean = self.expected(minute) * times
        if self.kind == BURSTY:
            mean *= self.random.gammavariate(self.size, 1 / self.size)
        elif self.kind == ON_AND_OFF:
            stays = _STAY if self.on else 1 - (1 - _STAY) * self.share / (1 - self.share)
            self.on ^= self.random.random() > stays
            mean *= self.on / self.share
        return poisson(self.random, mean) if mean else 0

    def fork(self, seed: int) -> "Series":
        """Return the same series in another course of things."""
        other = copy(self)
        other.random = Random(seed)  # noqa: S311 (not for secrets)
        return other


def fleet(series: int, seed: int) -> Iterator[Series]:
    """Return an org's series: of all kinds, every second one with a shape."""
    random = Random(seed)  # noqa: S311 (not for secrets)
    low, high = map(log, RATES)
    for number in range(series):
        yield Series(
            Random(random.random()),  # noqa: S311
            exp(random.uniform(low, high)),
            KINDS[number % len(KINDS)],
            number // len(KINDS) % 2 == 1,
            exp(random.uniform(*map(log, _SIZES))),
            random.uniform(*_ON),
        )
