"""What the bench prints."""

from collections.abc import Sequence
from math import exp, inf, log
from statistics import mean, median
from typing import Final

from bench.detection.measure import (
    DAY,
    FOREST,
    FOREST_SERIES,
    TOCSIN,
    Calm,
    calm,
    failures,
    forest,
    told,
)
from bench.detection.traffic import BURSTY, CHANGES, KINDS, POISSON, Series
from bench.report import number, show
from tocsin.domain.detect import tails

__all__ = ["main"]

SERIES: Final = 1_000
DAYS: Final = 3
SEED: Final = 1
A_DAY: Final = 1.0  # false alerts that are allowed

BANDS: Final = ((0.05, 0.5), (0.5, 2.0), (2.0, 5.0), (5.0, 15.0), (15.0, 50.0))
_STEP: Final = "step ×5"  # noqa: RUF001 (the sign of multiplication)
_WITHIN: Final = {
    "spike ×10": (1,),  # noqa: RUF001
    "ramp ×5": (10, 60, 120),  # noqa: RUF001
    "drift ×2": (60, 1440),  # noqa: RUF001
}
_OWN: Final = "Tocsin"
_INDEPENDENT: Final = (POISSON, BURSTY)
_MATCHED: Final = f"{_OWN}, matched"

type Told = Sequence[tuple[Series, int | None]]


def main(*, series: int = SERIES, days: int = DAYS, seed: int = SEED) -> None:
    """Measure and print."""
    run = calm(series, days, seed, A_DAY)
    forest(run)
    ways = {
        _OWN: (TOCSIN, run.thresholds[-1]),
        _MATCHED: (TOCSIN, run.matched(TOCSIN, A_DAY)),
        "multiple": ("multiple", run.matched("multiple", A_DAY)),
        "z-score": ("z-score", run.matched("z-score", A_DAY)),
        FOREST: (FOREST, run.matched(FOREST, 0.0) if run.peaks[FOREST] else 0.0),
    }
    _false(run, ways)
    found = {change: told(run, change, ways) for change in CHANGES if change != "silence"}
    show(
        "Recall by kind of change, and the median delay in windows of what is found",
        ("change", *ways),
        [
            (f"{change}, in {within}", *(_recall(each, within) for each in by.values()))
            for change, by in found.items()
            for within in _WITHIN.get(change, (2, 10, 60))
        ],
        (f"{FOREST}: {FOREST_SERIES} series only, at more false alerts than the others.",),
    )
    show(
        f"{_STEP} within two windows, by the rate",
        ("a minute", *ways, *(column for kind in _INDEPENDENT for column in (kind, "known"))),
        [_band(run, found[_STEP], low, high) for low, high in (*BANDS, (0.0, 1e9))],
        (
            f"{' and '.join(_INDEPENDENT)}: {_OWN}'s, of such series alone; known: of who knows",
            "  each one's distribution, and looks at two windows, at as many false alerts.",
        ),
    )
    show(
        f"{_STEP} within two and ten windows, by traffic",
        ("traffic", *(f"{way} {within}" for way in (_OWN, "z-score") for within in (2, 10))),
        [
            (
                f"{kind}{', by the clock' if shaped else ''}, {low:g} to {high:g}",
                *(
                    _recall(
                        [
                            each
                            for each in found[_STEP][way]
                            if each[0].kind == kind
                            and each[0].shaped == shaped
                            and low <= each[0].rate < high
                        ],
                        within,
                    )
                    for way in (_OWN, "z-score")
                    for within in (2, 10)
                ),
            )
            for kind in KINDS
            for shaped in (False, True)
            for low, high in ((2.0, 10.0), (10.0, 50.0))
        ],
    )
    _silence(run)
    _failures(run)


def _false(run: Calm, ways: dict[str, tuple[str, float]]) -> None:
    show(
        f"False alerts a day of {len(run.series):,} series, over {run.days:.1f} calm days",
        ("way", "threshold", "a day"),
        [
            (f"{_OWN}, by its budget of {A_DAY:g}", "", number(run.later / run.days)),
            *(
                (name, number(score), number(run.exceeded(way, score)))
                for name, (way, score) in ways.items()
            ),
            ("Igris' rule, three times", "3", number(run.exceeded("multiple", 3.0))),
            ("z-score of three", "3", number(run.exceeded("z-score", 3.0))),
        ],
        (
            f"in the org's first day: {run.first}; thresholds in nats, day by day: "
            + ", ".join(map(number, run.thresholds)),
            f"{run.windows / run.seconds:,.0f} windows and {run.events / run.seconds:,.0f} events "
            "a second on one core, counts told by the minute.",
        ),
    )


def _recall(found: Told, within: int) -> str:
    if not found:
        return "-"
    delays = [delay for _, delay in found if delay is not None and delay < within]
    share = f"{len(delays) / len(found):.3f}"
    return f"{share} ({median(delays) + 1:.0f})" if delays else share


def _band(
    run: Calm, found: dict[str, list[tuple[Series, int | None]]], low: float, high: float
) -> tuple[str, ...]:
    within = {
        name: [each for each in by if low <= each[0].rate < high] for name, by in found.items()
    }
    row = ["all" if high > 1e6 else f"{low:g} to {high:g}"]
    row += [_recall(each, 2) for each in within.values()]
    for kind in _INDEPENDENT:
        alone = [each for each in within[_OWN] if each[0].kind == kind]
        chances = [_knows(series, run) for series, _ in alone]
        row += [_recall(alone, 2), f"{mean(chances):.3f}" if chances else "-"]
    return tuple(row)


def _knows(series: Series, run: Calm) -> float:
    """Return the chance that the first two windows of a step show to who knows the distribution.

    Of what is not unusual, one of all series' windows in a day may.
    """
    expected, size = 2 * series.expected(run.end), inf
    if series.kind == BURSTY:
        size = 2 * series.size
    seen = int(expected) + 1
    while tails.count(seen, expected, size) < log(len(run.series) * DAY / A_DAY):
        seen += 1
    stepped = 5 * expected
    if seen > stepped:
        return exp(-tails.count(seen, stepped, size))
    below, term = 0.0, exp(-tails.no_count(stepped, size))
    for count in range(seen):
        below += term
        term *= (count / size + 1) * stepped / (1 + stepped / size) / (count + 1)
    return 1 - below


def _silence(run: Calm) -> None:
    rows = []
    for low, high in BANDS:
        after = [
            minutes
            for series, minutes in zip(run.series, run.silences, strict=True)
            if low <= series.rate < high
        ]
        said = [minutes for minutes in after if minutes >= 0]
        share = f"{len(said) / len(after):.3f}" if after else "-"
        rows.append((f"{low:g} to {high:g}", share, number(median(said)) if said else "-"))
    show(
        "Silence that begins at the end",
        ("a minute", "can be told", "after minutes (median)"),
        rows,
        (f"false silences in the last calm day: {run.false_silences}",),
    )


def _failures(run: Calm) -> None:
    rows = []
    for usual in (0.002, 0.01, 0.05, 0.2):
        for then in (0.5, 1.0):
            told, false = failures(usual, then, run.thresholds[-1], SEED)
            found = [f"{sum(calls <= most for calls in told) / 200:.3f}" for most in (8, 32, 100)]
            rows.append((f"{usual:.1%}", f"{then:.0%}", *found, str(false)))
    show(
        f"Failures that become more, told at {number(run.thresholds[-1])} nats",
        ("usual", "then", "in 8 calls", "in 32", "in 100", "false in 200,000"),
        rows,
    )
