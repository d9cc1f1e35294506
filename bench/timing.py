"""Rates that can be compared on a noisy machine.

The variants take turns in short rounds, so that a disturbance affects all of them; the clock is
this process's CPU time, so that being preempted does not count; the median of the rounds is taken.
"""

import gc
import os
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from statistics import median

__all__ = ["Rates", "Variant", "measure"]

ROUNDS = 7
ROUND_SECONDS = 0.06
_WARM_UP_CALLS = 3


@dataclass(frozen=True, slots=True)
class Variant:
    """A call that handles ``units`` of something."""

    call: Callable[[], object]
    units: int


@dataclass(frozen=True, slots=True)
class Rates:
    """Units a second of CPU time, by round."""

    by_round: tuple[float, ...]

    @property
    def typical(self) -> float:
        """The median."""
        return median(self.by_round)

    def over(self, baseline: "Rates") -> float:
        """How many times the baseline's rate this is: the median of the rounds."""
        return median(a / b for a, b in zip(self.by_round, baseline.by_round, strict=True))


def measure(
    variants: Mapping[str, Variant], rounds: int = ROUNDS, round_seconds: float = ROUND_SECONDS
) -> dict[str, Rates]:
    """Run the variants in turns, each for about ``round_seconds`` (at least one call) a round.

    What they print goes nowhere: Lambda functions print their metrics.
    """
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        return _measure(variants, rounds, round_seconds)


def _measure(
    variants: Mapping[str, Variant], rounds: int, round_seconds: float
) -> dict[str, Rates]:
    for variant in variants.values():
        for _ in range(_WARM_UP_CALLS):
            variant.call()
    by_round: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, variant in variants.items():
            gc.collect()
            by_round[name].append(_one_round(variant, round_seconds))
    return {name: Rates(tuple(rates)) for name, rates in by_round.items()}


def _one_round(variant: Variant, seconds: float) -> float:
    calls = 0
    began = now = time.process_time()
    while now - began < seconds:
        variant.call()
        calls += 1
        now = time.process_time()
    return calls * variant.units / (now - began)
