"""The hours' shape is learned, borrowed until then, and has no steps."""

from itertools import pairwise

import pytest

from tocsin.domain.detect.shape import Shape

HOUR, DAY = 60, 1440
MONDAY = (29_000_160 // DAY + 4) * DAY  # minutes; 29,000,160 is a Thursday's midnight


def office(minute: int) -> float:
    """Return the events of an hour of an office's day."""
    weekday = minute // DAY * DAY < (MONDAY + 5 * DAY)
    return (400.0 if 8 <= minute // HOUR % 24 < 18 else 40.0) * (1.0 if weekday else 0.2)


def learned(days: int, first: Shape | None = None) -> Shape:
    shape = first or Shape()
    for minute in range(MONDAY, MONDAY + days * DAY + 1, HOUR):
        shape.see(minute, office(minute))
    return shape


def test_nothing_is_known_of_a_new_one() -> None:
    assert Shape().factor(MONDAY // HOUR) == 1
    assert Shape().between(MONDAY, MONDAY + 90) == pytest.approx(90)


def test_a_week_teaches_nights_and_weekends() -> None:
    shape = learned(8)
    day, night = (shape.factor((MONDAY + 14 * DAY) // HOUR + hour) for hour in (12, 2))
    saturday = shape.factor((MONDAY + 19 * DAY) // HOUR + 12)
    assert 5 < day / night < 10.5
    assert 3 < day / saturday < 5.5


def test_a_new_series_borrows_the_orgs_until_it_has_its_own() -> None:
    org, own = learned(8), Shape()
    noon = MONDAY // HOUR + 12
    assert own.factor(noon, org) == org.factor(noon)
    for minute in range(MONDAY, MONDAY + 7 * DAY, HOUR):
        own.see(minute, 100)
    assert abs(own.factor(noon, org) - 1) < abs(org.factor(noon) - 1) / 3
    few = Shape()
    for minute in range(MONDAY, MONDAY + 2 * DAY, HOUR):
        few.see(minute, 1 if minute % 180 == 0 else 0)
    assert few.factor(noon, org) == pytest.approx(org.factor(noon), rel=0.3)


def test_there_are_no_steps_at_the_hours() -> None:
    shape = learned(8)
    minutes = [shape.between(minute, minute + 1) for minute in range(MONDAY, MONDAY + DAY)]
    assert max(abs(one - other) for one, other in pairwise(minutes)) < 0.05


def test_factors_change_only_with_the_hour() -> None:
    shape = learned(3)
    before = [shape.factor(hour) for hour in range(48)]
    now = MONDAY + 3 * DAY
    shape.see(now + 59, 10**9)
    shape.see(now - DAY, 10**9)
    assert [shape.factor(hour) for hour in range(48)] == before
    shape.see(now + HOUR, 1)
    assert [shape.factor(hour) for hour in range(48)] != before


def test_one_wild_hour_teaches_little() -> None:
    calm, wild = learned(8), learned(8)
    now = MONDAY + 8 * DAY
    wild.see(now, 10**12)
    for each in (calm, wild):
        each.see(now + HOUR, 1)
    noon = now // HOUR + 12
    assert wild.factor(noon) == pytest.approx(calm.factor(noon), rel=0.15)
