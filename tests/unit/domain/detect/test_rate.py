"""A rate knows what is too much, learns what stays, and is not taught by a spike."""

from random import Random

import pytest

from tocsin.domain.detect.budget import LEVEL, Peaks
from tocsin.domain.detect.rate import Rate
from tocsin.domain.detect.shape import Shape
from tocsin.domain.detect.surprise import Surprise

NOW = 29_000_000  # minutes
HOUR, DAY = 60, 1440
ALARMING = 15.0  # nats: once in a day of a thousand series and more
ORG = Shape()


def poisson(random: Random, mean: float) -> int:
    return sum(random.random() < mean / 200 for _ in range(200))


def told(rate: Rate, begin: int, counts: list[int]) -> list[float]:
    """Return the nats of each window."""
    nats = []
    for minute, count in enumerate(counts, begin):
        surprise = rate.see(minute, ORG, count) if count else None
        nats.append(surprise.nats if surprise else 0.0)
    return nats


def known(per_minute: float, minutes: int = DAY, seed: int = 1) -> tuple[Rate, int, Random]:
    rate, random = Rate(), Random(seed)  # noqa: S311
    calm = told(rate, NOW, [poisson(random, per_minute) for _ in range(minutes)])
    assert max(calm) < ALARMING
    return rate, NOW + minutes, random


@pytest.mark.parametrize("per_minute", [5.0, 20.0])
@pytest.mark.parametrize("minutes", [HOUR, DAY])
def test_five_times_as_much_shows_within_two_windows(per_minute: float, minutes: int) -> None:
    rate, now, random = known(per_minute, minutes)
    assert max(told(rate, now, [poisson(random, 5 * per_minute) for _ in range(2)])) > ALARMING


def test_few_events_show_in_half_an_hour() -> None:
    rate, now, random = known(0.2, 3 * DAY)
    counts = [poisson(random, 1.2) for _ in range(30)]
    assert max(told(rate, now, counts)) > ALARMING


def test_an_event_is_counted_at_once_and_what_was_seen_and_expected_is_said() -> None:
    rate, now, _ = known(2.0)
    found = [rate.see(now, ORG) for _ in range(30)]
    surprises = [each for each in found if each is not None]
    assert [each.nats for each in surprises] == sorted(each.nats for each in surprises)
    last = surprises[-1]
    assert last == Surprise(last.nats, 30, last.expected, 1)
    assert last.expected == pytest.approx(2.0, rel=0.3)


def test_a_spike_teaches_little() -> None:
    rate, now, random = known(10.0)
    first, second = (
        max(told(rate, now + after, [100] + [poisson(random, 10.0) for _ in range(30)]))
        for after in (0, 31)
    )
    assert second > first / 2


def test_what_stays_is_accepted_within_an_hour_and_a_half() -> None:
    rate, now, random = known(5.0)
    nats = told(rate, now, [poisson(random, 25.0) for _ in range(3 * HOUR)])
    assert max(nats[:HOUR]) > 100
    assert max(nats[90:]) < ALARMING


def test_what_comes_in_bursts_is_expected_in_bursts() -> None:
    rate, peaks, random = Rate(), Peaks(), Random(2)  # noqa: S311
    calm = told(rate, NOW, [50 * (random.random() < 0.05) for _ in range(4 * DAY)])
    judged = [peaks.see(nats, NOW + minute) for minute, nats in enumerate(calm)]
    assert max(calm[DAY:]) < 2 * ALARMING
    assert max(peak.excess for peak in judged[DAY:] if peak) < ALARMING - LEVEL


def test_late_events_are_counted_where_they_belong_and_tell_nothing() -> None:
    rate, now, _ = known(3.0)
    rate.see(now + 1, ORG)
    assert rate.see(now, ORG, 40) is None
    surprise = rate.see(now + 1, ORG)
    assert surprise is not None
    assert (surprise.windows, surprise.seen >= 42 / 2) == (2, True)
    before = rate.pack()
    assert rate.see(now - 100, ORG, 10**6) is None
    assert rate.pack() == before


def test_a_clock_that_was_years_ahead_is_forgotten() -> None:
    rate, now, random = known(10.0)
    rate.see(now + 10**7, ORG)
    assert max(told(rate, now, [poisson(random, 10.0) for _ in range(DAY)])) < ALARMING


def test_who_always_talks_is_missed_and_who_does_not_is_not() -> None:
    for per_minute in (1.0, 10.0):
        rate, now, _ = known(per_minute, 2 * DAY)
        quiet = rate.quiet_until(ALARMING, ORG)
        assert quiet is not None
        assert ALARMING / per_minute < quiet - now + 2 < 3 * ALARMING / per_minute + 20
    young, _, _ = known(10.0, DAY // 2)
    assert young.quiet_until(ALARMING, ORG) is None
    nightly = Rate()
    for day in range(3):
        told(nightly, NOW + day * DAY, [10] * 12 * HOUR)
    assert nightly.quiet_until(ALARMING, ORG) is None


def test_a_series_fits_into_few_bytes() -> None:
    assert len(known(5.0, HOUR)[0].pack()) < 400
