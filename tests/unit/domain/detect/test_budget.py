"""The budget holds however many series there are, and whatever they are like."""

from math import log
from random import Random

import pytest

from tocsin.domain.detect.budget import LEVEL, Budget, Peaks

NOW, DAY = 29_000_000, 1440


def alerts(
    budget: Budget, peaks_a_day: int, mean: float, days: int, now: int, seed: int = 1
) -> int:
    """Return how many alerts there are of peaks of as many nats beyond the level on average."""
    random, told = Random(seed), 0  # noqa: S311
    for number in range(peaks_a_day * days):
        peak = Peaks().see(LEVEL + random.expovariate(1 / mean), now)
        assert peak is not None
        told += budget.see(peak, now + number * DAY // peaks_a_day)
    return told


@pytest.mark.parametrize("peaks_a_day", [20, 4_000])
@pytest.mark.parametrize("mean", [0.7, 1.5])
def test_a_budget_of_one_a_day_is_kept(peaks_a_day: int, mean: float) -> None:
    budget = Budget()
    alerts(budget, peaks_a_day, mean, 2, NOW)
    assert alerts(budget, peaks_a_day, mean, 10, NOW + 2 * DAY) <= 20
    threshold = LEVEL + mean * log(peaks_a_day)
    assert budget.threshold() == pytest.approx(threshold, abs=2.0)


def test_a_new_org_can_alert_and_is_not_flooded() -> None:
    assert LEVEL + 2 < Budget().threshold() < 15
    assert alerts(Budget(), 4_000, 1.0, 1, NOW) < 20


def test_a_larger_budget_tells_more() -> None:
    budget = Budget()
    alerts(budget, 500, 1.0, 5, NOW)
    assert budget.threshold(10) == pytest.approx(budget.threshold(1) - log(10), abs=1)


def test_attacks_do_not_raise_the_threshold_much() -> None:
    calm, attacked = Budget(), Budget()
    for budget in (calm, attacked):
        alerts(budget, 200, 1.0, 5, NOW)
    for number in range(10):
        peak = Peaks().see(5_000.0, NOW)
        assert peak is not None
        assert attacked.see(peak, NOW + 5 * DAY + number * 100)
    assert attacked.threshold() < calm.threshold() + 2


def test_one_peak_is_counted_once_and_by_its_height() -> None:
    once, often = Budget(), Budget()
    peaks = Peaks()
    for nats in (7.5, 7.4, 9.0, 8.0, 12.0):
        peak = peaks.see(nats, NOW)
        assert peak is not None
        often.see(peak, NOW)
    whole = Peaks().see(12.0, NOW)
    assert whole is not None
    once.see(whole, NOW)
    assert often.threshold() == pytest.approx(once.threshold(), abs=0.1)
    assert Peaks().see(LEVEL, NOW) is None


def test_a_series_that_is_often_surprised_must_surprise_more() -> None:
    peaks = Peaks()
    judged = []
    for number in range(8):
        peak = peaks.see(LEVEL + 30, NOW + number * 200)
        assert peak is not None
        judged.append(peak.excess)
    assert judged[0] == judged[1] == 30  # once is no habit
    assert judged == sorted(judged, reverse=True)
    assert judged[-1] < 3
