"""What is usual at a time of day."""

import pytest

from tocsin.domain.detect.profile import Profile

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MONDAY_MS = 4 * DAY_MS  # 5 January 1970


def told(days: int, step_ms: int = HOUR_MS, since_ms: int = MONDAY_MS) -> Profile:
    """Return a profile that was told the hour of the day as the value."""
    profile = Profile()
    for at_ms in range(since_ms, since_ms + days * DAY_MS, step_ms):
        profile.learn(profile.place(at_ms, 0.0), at_ms % DAY_MS / HOUR_MS, at_ms)
    return profile


def test_before_anything_is_seen_it_is_what_one_says() -> None:
    assert Profile().place(MONDAY_MS, 7.5).value == 7.5


def test_an_hour_is_known_the_next_day() -> None:
    assert told(1).place(MONDAY_MS + DAY_MS + 9 * HOUR_MS, 0.0).value == 9.0


def test_between_two_hours_it_is_on_the_line() -> None:
    assert told(1).place(MONDAY_MS + DAY_MS + 9 * HOUR_MS + HOUR_MS // 4, 0.0).value == 9.25


@pytest.mark.parametrize("step_ms", [60_000, 10 * 60_000, HOUR_MS // 2])
def test_it_learns_from_values_at_any_times(step_ms: int) -> None:
    assert told(10, step_ms).place(MONDAY_MS + 14 * HOUR_MS, 0.0).value == pytest.approx(14, abs=1)


def test_a_weekend_is_apart_and_a_workday_until_it_is_known() -> None:
    profile = told(5)
    saturday_ms = MONDAY_MS + 5 * DAY_MS + 9 * HOUR_MS
    assert profile.place(saturday_ms, 0.0).value == 9.0
    profile.learn(profile.place(saturday_ms, 0.0), 100.0, saturday_ms)
    assert profile.place(saturday_ms, 0.0).value == 100.0
    assert profile.place(MONDAY_MS + 7 * DAY_MS + 9 * HOUR_MS, 0.0).value == 9.0


def test_many_values_in_a_moment_teach_no_more_than_the_moment() -> None:
    profile = told(7)
    at_ms = MONDAY_MS + 7 * DAY_MS + 9 * HOUR_MS
    for i in range(1_000):
        profile.learn(profile.place(at_ms + i, 0.0), 1_000.0, at_ms + i)
    assert profile.place(at_ms, 0.0).value < 200.0


def test_a_clock_that_goes_back_teaches_nothing() -> None:
    profile = told(2)
    before = profile.values.tobytes()
    profile.learn(profile.place(MONDAY_MS, 0.0), 50.0, MONDAY_MS)
    assert profile.values.tobytes() == before
