"""Runs of the detectors over simulated traffic, minute by minute through all series of an org."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from time import process_time
from typing import Final

from bench.detection.traffic import BEGIN, CHANGES, Series, fleet
from bench.detection.ways import Forest, Multiple, Tocsin, Way, ZScore
from tocsin.domain.detect.budget import Budget
from tocsin.domain.detect.proportion import Proportion
from tocsin.domain.detect.shape import Shape

__all__ = ["FOREST", "TOCSIN", "Calm", "calm", "failures", "forest", "told"]

TOCSIN, FOREST = "Tocsin", "forest"
DAY: Final = 1440
WARM_UP: Final = DAY  # minutes in which an org is new: they are counted by themselves
_END: Final = 14 * 60  # minutes of the last day: changes begin in the afternoon
_COOLDOWN: Final = 60  # minutes for which a series' scores are one alert
_LONG: Final = {"ramp ×5": 120, "drift ×2": DAY}  # noqa: RUF001 (the sign of multiplication)
_MINUTES: Final = 60
FOREST_SERIES: Final = 24

type Peaks = dict[tuple[int, int], float]
"""The greatest score of each (series, hour)."""


@dataclass(slots=True)
class Calm:
    """An org's traffic without anything unusual, and what each way made of it."""

    series: list[Series]
    ways: dict[str, list[Way]]
    peaks: dict[str, Peaks]
    end: int = BEGIN  # the minute that was reached
    days: float = 0.0  # without the first
    first: int = 0  # alerts by Tocsin's own threshold in the first day,
    later: int = 0  # and after it
    thresholds: list[float] = field(default_factory=list)  # of every day
    false_silences: int = 0  # in the last day
    silences: list[int] = field(default_factory=list)  # minutes, of series of which it can be said
    seconds: float = 0.0  # of CPU, Tocsin alone
    windows: int = 0
    events: int = 0

    def matched(self, way: str, a_day: float) -> float:
        """Return the score that is exceeded as often as this."""
        scores = sorted(self.peaks[way].values(), reverse=True)
        allowed = int(a_day * self.days)
        return scores[allowed] if len(scores) > allowed else 0.0

    def exceeded(self, way: str, score: float) -> float:
        """Return how often a day it is exceeded."""
        return sum(each > score for each in self.peaks[way].values()) / self.days


def calm(series: int, days: int, seed: int, a_day: float) -> Calm:
    """Run a new org over as many days, the first one and a part of the next beside them."""
    org, budget = Shape(), Budget()
    made = list(fleet(series, seed))
    tocsins = [Tocsin(org) for _ in made]
    ways: dict[str, list[Way]] = {
        TOCSIN: list(tocsins),
        "multiple": [Multiple() for _ in made],
        "z-score": [ZScore() for _ in made],
    }
    run = Calm(made, ways, {way: {} for way in ways})
    alerted = [0] * series
    quiet: list[int | None] = [None] * series
    run.end = BEGIN + WARM_UP + days * DAY + _END
    run.days = (run.end - BEGIN - WARM_UP) / DAY
    for minute in range(BEGIN, run.end):
        counts = [each.count(minute) for each in made]
        began = process_time()
        org.see(minute, sum(counts))
        scores = [0.0] * series
        for number, count in enumerate(counts):
            if not count:
                continue
            tocsin = tocsins[number]
            scores[number] = tocsin.see(minute, count)
            tells = tocsin.peak is not None and budget.see(tocsin.peak, minute, a_day)
            if tells and minute - alerted[number] >= _COOLDOWN:
                run.first += minute < BEGIN + WARM_UP
                run.later += minute >= BEGIN + WARM_UP
                alerted[number] = minute
        run.seconds += process_time() - began
        run.windows += len(counts)
        run.events += sum(counts)
        known = minute >= BEGIN + WARM_UP
        if known:
            _note(run.peaks[TOCSIN], minute, scores)
        for way in ("multiple", "z-score"):
            scores = [one.see(minute, each) for one, each in zip(ways[way], counts, strict=True)]
            if known:
                _note(run.peaks[way], minute, scores)
        if minute % DAY == DAY - 1:
            run.thresholds.append(budget.threshold(a_day))
        if minute >= run.end - DAY:
            for number, count in enumerate(counts):
                until = quiet[number]
                if until is not None and minute >= until:
                    run.false_silences += 1
                    quiet[number] = None
                if count:
                    quiet[number] = tocsins[number].rate.quiet_until(budget.threshold(a_day), org)
    run.thresholds.append(budget.threshold(a_day))
    run.silences = [each - run.end if each else -1 for each in quiet]
    return run


def forest(run: Calm) -> None:
    """Add a forest for a few of a calm run's series, with a day and a half of their own."""
    chosen = range(0, len(run.series), max(len(run.series) // FOREST_SERIES, 1))
    run.peaks[FOREST] = {}
    run.ways[FOREST] = []
    for number in chosen:
        series = run.series[number].fork(number)
        way = Forest(number)
        for minute in range(run.end - 3 * DAY // 2, run.end):
            score = way.see(minute, series.count(minute))
            if minute >= run.end - DAY:
                _note(run.peaks[FOREST], minute, [score], number)
        run.ways[FOREST].append(way)


def told(
    run: Calm, change: str, thresholds: Mapping[str, tuple[str, float]]
) -> dict[str, list[tuple[Series, int | None]]]:
    """Let every series change, each in a fork of its own, and return when that was told.

    ``thresholds`` has a way and a score for each name in the result, which says for each series
    how many minutes after the change's begin its score was exceeded.
    """
    times, minutes = CHANGES[change], _LONG.get(change, _MINUTES)
    every = 4 if minutes == DAY else 1
    answer: dict[str, list[tuple[Series, int | None]]] = {name: [] for name in thresholds}
    for number in range(0, len(run.series), every):
        series = run.series[number].fork(number)
        counts = [series.count(run.end + after, times(after)) for after in range(minutes)]
        for way in {way for way, _ in thresholds.values()}:
            place = number
            if way == FOREST:
                place, apart = divmod(number, max(len(run.series) // FOREST_SERIES, 1))
                if apart:
                    continue
            fork = run.ways[way][place].fork()
            scores = [fork.see(run.end + after, count) for after, count in enumerate(counts)]
            for name, (of, threshold) in thresholds.items():
                if of == way:
                    first = (after for after, score in enumerate(scores) if score > threshold)
                    answer[name].append((run.series[number], next(first, None)))
    return answer


def failures(rate: float, then: float, threshold: float, seed: int) -> tuple[list[int], int]:
    """Return after how many calls of a higher rate of failures each of 200 outages was told.

    Beside them, how many of 200,000 calls at the usual rate were told of.
    """
    random, proportion = Random(seed), Proportion()  # noqa: S311 (not for secrets)
    told, false = [], 0
    for _ in range(200):
        for _ in range(1_000):
            surprise = proportion.see(random.random() < rate)
            false += surprise is not None and surprise.nats > threshold
        fork = Proportion.unpack(proportion.pack())
        for calls in range(1, 101):
            surprise = fork.see(random.random() < then)
            if surprise is not None and surprise.nats > threshold:
                told.append(calls)
                break
    return told, false


def _note(peaks: Peaks, minute: int, scores: Sequence[float], first: int = 0) -> None:
    """Keep the greatest score of each series' hour."""
    hour = minute // _COOLDOWN
    for number, score in enumerate(scores, first):
        if score > 2 and score > peaks.get((number, hour), 0.0):
            peaks[number, hour] = score
