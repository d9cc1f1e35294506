"""Writing and reading points in time."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.times import iso, iso_ms, moment_of, ms_of, time_ms, utc

LAST_MS = 253_402_300_799_999  # of the year 9999


@given(st.integers(0, LAST_MS))
def test_what_is_written_is_read_back(at_ms: int) -> None:
    assert ms_of(moment_of(iso_ms(at_ms))) == ms_of(utc(at_ms)) == at_ms


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_774_000_000_007, "2026-03-20T09:46:40.007Z"),
        (LAST_MS, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_time_is_written_in_utc_with_milliseconds(at_ms: int, text: str) -> None:
    assert iso_ms(at_ms) == text


def test_a_moment_of_another_zone_is_written_in_utc_and_cut_to_milliseconds() -> None:
    there = timezone(timedelta(hours=2))
    assert iso(datetime(2026, 1, 1, 1, 30, 0, 1_999, there)) == "2025-12-31T23:30:00.001Z"


def test_a_text_without_an_offset_is_utc() -> None:
    assert moment_of("2026-01-01T00:00:00") == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_part_of_a_millisecond_counts_as_a_whole_one() -> None:
    moment = utc(5) + timedelta(microseconds=1)
    assert (ms_of(utc(5)), ms_of(moment)) == (5, 6)


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError):
        moment_of("yesterday")


@pytest.mark.parametrize("digits", ["1712051231230", "17120512312", "1712051231", "1"])
def test_digits_are_no_time(digits: str) -> None:
    with pytest.raises(ValueError, match="digits"):
        moment_of(digits)
    assert moment_of("20260101") == datetime(2026, 1, 1, tzinfo=UTC)


MOMENT = datetime(2026, 1, 15, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-15T10:00:00Z", MOMENT),
        ("2026-01-15T10:00:00.123Z", MOMENT + timedelta(milliseconds=123)),
        ("2026-01-15T10:00:00.1230001Z", MOMENT + timedelta(milliseconds=123)),
        ("2026-01-15T10:00:00.123001Z", MOMENT + timedelta(milliseconds=124)),
        ("2026-01-15T12:00:00+02:00", MOMENT),
        ("2026-01-15T10:00:00", MOMENT),
        ("2026-01-15", MOMENT.replace(hour=0)),
    ],
)
def test_times_are_taken_as_iso_8601(text: str, moment: datetime) -> None:
    assert time_ms(text) == round(moment.timestamp() * 1000)


@pytest.mark.parametrize("text", ["", "now", "2026-13-01", "2026-01-15T10:00:00 02:00", "evt_x"])
def test_other_times_are_none(text: str) -> None:
    assert time_ms(text) is None


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_the_ends_of_time_are_times(text: str) -> None:
    assert time_ms(text) is not None
