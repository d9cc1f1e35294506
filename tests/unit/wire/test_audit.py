"""What Rampart's audit routes are asked for."""

from datetime import date

import pytest

from tocsin.domain.errors import Malformed
from tocsin.wire import audit
from tocsin.wire.filters import Filter, Query

NOW_MS = 1_772_539_199_999  # 2026-03-03T11:59:59.999Z
TODAY = date(2026, 3, 3)


def test_the_documented_defaults() -> None:
    assert audit.day_page([], NOW_MS, None) == audit.DayPage(TODAY, 50, 0, Filter())
    assert audit.days_asked([], NOW_MS) == (TODAY, TODAY, None)
    assert audit.seqs_asked([]) == (1, None)


def test_everything_that_can_be_asked_for() -> None:
    query = [("date", "2026-01-31"), ("limit", "7"), ("offset", "3"), ("tool", "exec")]
    query += [("action", "ask"), ("agent", "a"), ("session", "s/1")]
    filter = Filter(tool_name="exec", action="ask", agent_id="a", session_id="s/1")
    asked = audit.DayPage(date(2026, 1, 31), 7, 3, filter)
    assert audit.day_page(query, NOW_MS, None) == asked
    days = [("from", "2025-03-03"), ("to", "2026-03-03")]
    assert audit.days_asked(days, NOW_MS) == (date(2025, 3, 3), TODAY, None)
    assert audit.days_asked([*days, ("before", "7")], NOW_MS) == (date(2025, 3, 3), TODAY, 7)
    assert audit.seqs_asked([("from", "5"), ("to", "5")]) == (5, 5)


@pytest.mark.parametrize(
    ("limit", "given"), [("0", 1), ("500", 500), ("501", 500), ("9" * 16, 500)]
)
def test_a_limit_is_clamped(limit: str, given: int) -> None:
    assert audit.day_page([("limit", limit)], NOW_MS, None).limit == given


@pytest.mark.parametrize(("left", "offset"), [(0, 0), (0, 9_999_999), (1, 0), (899_999_999, 7)])
def test_what_a_page_goes_on_with_comes_back_as_its_offset(left: int, offset: int) -> None:
    number = audit.next_offset(left, offset)
    assert number < 2**53
    tool, asked = ("tool", "exec"), ("offset", str(number))
    page = audit.day_page([tool, asked], NOW_MS, None)
    assert (page.left, page.offset) == (left, offset)
    assert audit.day_page([asked], NOW_MS, None).offset == number  # without a filter it is a place


@pytest.mark.parametrize(
    "query",
    [
        *(
            [("date", day)]
            for day in ("", "today", "2026-02-30", "2026-3-3", "20260303", "0000-01-01")
        ),
        *([("limit", value)] for value in ("", "-1", "ten", "1e3", "9" * 17)),
        *([("offset", value)] for value in ("", "-1", "x")),
        [("date", "2026-03-03")] * 2,
        [("agent_id", "a")],
        [("tool", "")],
        [("action", "denied")],
    ],
    ids=str,
)
def test_a_page_that_is_not_understood_is_refused(query: Query) -> None:
    with pytest.raises(Malformed):
        audit.day_page(query, NOW_MS, None)


@pytest.mark.parametrize(
    "query",
    [
        [("from", "2026-03-04")],  # tomorrow, and to is today
        [("from", "2026-03-02"), ("to", "2026-03-01")],
        [("from", "2025-03-02")],  # 367 days
        [("from", "x")],
        [("date", "2026-03-02")],
        [("before", "7")],  # of which days?
        [("before", "7"), ("from", "2026-03-03")],
        [("before", "x"), ("from", "2026-03-03"), ("to", "2026-03-03")],
    ],
    ids=str,
)
def test_days_that_are_not_understood_are_refused(query: Query) -> None:
    with pytest.raises(Malformed):
        audit.days_asked(query, NOW_MS)


def test_an_export_takes_one_day_and_nothing_else() -> None:
    assert audit.day_asked([("date", "9999-12-31")]) == date.max
    for query in ([], [("date", "")], [("date", "2026-03-03"), ("tool", "x")]):
        with pytest.raises(Malformed):
            audit.day_asked(query)


@pytest.mark.parametrize("query", [[("from", "x")], [("to", "0")], [("from", "3"), ("to", "2")]])
def test_seqs_that_are_not_understood_are_refused(query: Query) -> None:
    with pytest.raises(Malformed):
        audit.seqs_asked(query)


def test_only_what_is_allowed_is_asked_for() -> None:
    allowed = frozenset({"audit"})
    assert audit.day_page([], NOW_MS, allowed).filter == Filter(allowed)
    assert audit.minute_of(date(1970, 1, 2)) == 1_440
    assert audit.minute_of(date.min) == 0
    with pytest.raises(Malformed):
        audit.day_page([("types", "tool_call")], NOW_MS, allowed)
