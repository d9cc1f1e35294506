"""Ways to say how unusual a minute's count is: Tocsin's, and those that it is measured against."""

from collections import deque
from math import log, sqrt
from random import Random
from typing import Any, Final, Protocol, Self

from tocsin.domain.detect.budget import LEVEL, Peak, Peaks
from tocsin.domain.detect.rate import Rate
from tocsin.domain.detect.shape import Shape

__all__ = ["Forest", "Multiple", "Tocsin", "Way", "ZScore"]

_MEMORY: Final = 120.0  # windows


class Way(Protocol):
    """A series' detector: told each minute's count, it answers with a score."""

    def see(self, minute: int, count: int) -> float:
        """Return how unusual this is; only the order of scores matters."""

    def fork(self) -> Self:
        """Return the same state for another course of things."""


class Tocsin:
    """The deployed detectors: a rate and its peaks, beside the shape of the org."""

    def __init__(self, org: Shape) -> None:
        self.org, self.rate, self.peaks = org, Rate(), Peaks()
        self.peak: Peak | None = None

    def see(self, minute: int, count: int) -> float:
        """Return the judged nats."""
        self.peak = None
        surprise = self.rate.see(minute, self.org, count) if count else None
        if surprise is None:
            return 0.0
        self.peak = self.peaks.see(surprise.nats, minute)
        return self.peak.excess + LEVEL if self.peak else min(surprise.nats, LEVEL)

    def fork(self) -> "Tocsin":
        """Return the same state for another course of things, through its bytes."""
        other = Tocsin(self.org)
        other.rate, other.peaks = Rate.unpack(self.rate.pack()), Peaks.unpack(self.peaks.pack())
        return other


class Multiple:
    """How many times the mean of the last hour a minute is (Igris' rule: three times)."""

    def __init__(self) -> None:
        self._last: deque[int] = deque(maxlen=60)
        self._sum = 0

    def see(self, minute: int, count: int) -> float:
        """Return the multiple."""
        mean = max(self._sum / max(len(self._last), 1), 1 / 60)
        known = len(self._last) == 60
        if known:
            self._sum -= self._last[0]
        self._last.append(count)
        self._sum += count
        return count / mean if known else 0.0

    def fork(self) -> "Multiple":
        """Return the same state for another course of things."""
        other = Multiple()
        other._last, other._sum = self._last.copy(), self._sum
        return other


class ZScore:
    """Standard deviations above an exponentially weighted mean; no less than a Poisson count's."""

    def __init__(self) -> None:
        self._mean = self._variance = 0.0
        self._windows = 0

    def see(self, minute: int, count: int) -> float:
        """Return the z-score."""
        self._windows += 1
        gain = max(1 / _MEMORY, 1 / self._windows)
        off = count - self._mean
        score = off / sqrt(max(self._variance, self._mean, 1 / _MEMORY))
        self._mean += gain * off
        self._variance = (1 - gain) * (self._variance + gain * off * off)
        return score if self._windows > 60 else 0.0

    def fork(self) -> "ZScore":
        """Return the same state for another course of things."""
        other = ZScore()
        other._mean, other._variance = self._mean, self._variance
        other._windows = self._windows
        return other


class Forest:
    """A small Random Cut Forest (S. Guha et al., 2016): trees of reservoirs of shingles.

    The trees are cut anew as often as their sample has changed by an eighth; the score is a
    point's depth, as in an isolation forest's, in the cuts of Guha et al.: by the ranges.
    """

    TREES, SAMPLE, SHINGLE = 20, 64, 4

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 (not for secrets)
        self._shingle: deque[float] = deque(maxlen=self.SHINGLE)
        self._samples: list[list[tuple[float, ...]]] = [[] for _ in range(self.TREES)]
        self._trees: list[Any] = [None] * self.TREES
        self._seen = 0

    def see(self, minute: int, count: int) -> float:
        """Return the mean over the trees of 1 / depth where the shingle would be cut off."""
        self._shingle.append(log(1 + count))
        if len(self._shingle) < self.SHINGLE:
            return 0.0
        point = tuple(self._shingle)
        score = 0.0
        if self._seen > self.SAMPLE:
            score = sum(self._displaced(tree, point) for tree in self._trees) / self.TREES
        self._learn(point)
        return score

    def fork(self) -> "Forest":
        """Return the same state for another course of things."""
        other = Forest(self._seen)
        other._shingle, other._seen = self._shingle.copy(), self._seen
        other._samples, other._trees = [each[:] for each in self._samples], self._trees[:]
        return other

    def _learn(self, point: tuple[float, ...]) -> None:
        self._seen += 1
        for sample in self._samples:
            if len(sample) < self.SAMPLE:
                sample.append(point)
            elif self._random.random() < 0.2:  # the reservoir forgets: about five hours
                sample[self._random.randrange(self.SAMPLE)] = point
        if self._seen >= self.SAMPLE and self._seen % (self.SAMPLE // 2) == 0:
            number = self._seen // (self.SAMPLE // 2) % 4  # a quarter of the trees
            for each in range(number, self.TREES, 4):
                self._trees[each] = self._cut(self._samples[each])
            for each, tree in enumerate(self._trees):
                if tree is None:
                    self._trees[each] = self._cut(self._samples[each])

    def _cut(self, points: list[tuple[float, ...]]) -> Any:
        """Return a tree: (least, most, ranges' sum, axis, place, left, right, how many)."""
        columns = list(zip(*points, strict=True))
        least, most = tuple(map(min, columns)), tuple(map(max, columns))
        total = sum(most) - sum(least)
        if len(points) == 1 or total == 0:
            return least, most, 0.0, 0, 0.0, None, None, len(points)
        where = self._random.uniform(0, total)
        axis = 0
        while where > most[axis] - least[axis] and axis < self.SHINGLE - 1:
            where -= most[axis] - least[axis]
            axis += 1
        place = least[axis] + where
        left = [each for each in points if each[axis] <= place]
        right = [each for each in points if each[axis] > place]
        if not left or not right:
            return least, most, 0.0, 0, 0.0, None, None, len(points)
        return least, most, total, axis, place, self._cut(left), self._cut(right), len(points)

    def _displaced(self, node: Any, point: tuple[float, ...]) -> float:
        """Return how many points a new one is expected to displace (its collusive depth)."""
        whole, reached = 0.0, 1.0
        while node is not None:
            least, most, total, axis, place, left, right, size = node
            out = sum(
                max(low - value, value - high, 0.0)
                for low, high, value in zip(least, most, point, strict=True)
            )
            cut_off = out / (total + out) if out else 0.0
            whole += reached * cut_off * size
            reached *= 1 - cut_off
            if left is None or reached < 1e-3:
                break
            node = left if point[axis] <= place else right
        return whole + reached
