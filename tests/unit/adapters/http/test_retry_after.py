"""For how long an answer asks to be left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.adapters.http.retry_after import retry_after_ms

NOW_MS = 784_111_777_000  # Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110


@pytest.mark.parametrize(
    ("value", "asked_ms"),
    [
        (b"120", 120_000),
        (b"0", 0),
        (b"0120", 120_000),
        (b"999999999", 999_999_999_000),
        (b"9999999999", 0),
        (b"Sun, 06 Nov 1994 08:50:37 GMT", 60_000),
        (b"Sunday, 06-Nov-94 08:50:37 GMT", 60_000),
        (b"Sun Nov  6 08:50:37 1994", 60_000),
        (b"Sun, 06 Nov 1994 08:50:37 -0000", 60_000),
        (b"Sun, 06 Nov 1994 08:49:37 GMT", 0),
        (b"Sun, 06 Nov 1994 08:48:37 GMT", 0),
        (b"Fri, 32 Dec 1994 23:59:59 GMT", 0),
        (b"-1", 0),
        (b"+1", 0),
        (b"1.5", 0),
        (b"1e9", 0),
        (b"120 ", 0),
        (b"\xd9\xa1\xd9\xa2", 0),
        (b"tomorrow", 0),
        (b"", 0),
    ],
)
def test_it_is_seconds_or_a_date(value: bytes, asked_ms: int) -> None:
    headers = [(b"Content-Type", b"5"), (b"RETRY-AFTER", value)]
    assert retry_after_ms(headers, NOW_MS) == asked_ms


def test_the_first_counts_and_none_asks_for_nothing() -> None:
    assert retry_after_ms([(b"retry-after", b"1"), (b"retry-after", b"2")], NOW_MS) == 1_000
    assert retry_after_ms([], NOW_MS) == 0


@pytest.mark.parametrize("zone", ["GMT", "-2359", "+2359"])
@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59", "Mon, 01 Jan 0001 00:00:00"])
def test_the_first_and_the_last_day_are_times(date: str, zone: str) -> None:
    assert 0 <= retry_after_ms([(b"Retry-After", f"{date} {zone}".encode())], NOW_MS) < 2**53


@given(
    value=st.one_of(
        st.binary(max_size=60),
        st.from_regex(
            rb"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,5} [0-9:]{1,9} [A-Z+0-9-]+"
        ),
        st.from_regex(rb"[A-Za-z0-9 ,:+-]{1,40}", fullmatch=True),
    )
)
def test_whatever_is_asked_is_a_time(value: bytes) -> None:
    assert 0 <= retry_after_ms([(b"Retry-After", value)], NOW_MS) < 2**53
