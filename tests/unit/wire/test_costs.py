"""What a query may ask of costs, agents and sessions, and what is refused."""

from collections.abc import Callable

import pytest

from tocsin.domain.errors import Malformed
from tocsin.domain.times import iso, moment_of, ms_of
from tocsin.wire import costs, indexes
from tocsin.wire.costs import Asked
from tocsin.wire.filters import Query

NOW = ms_of(moment_of("2026-11-27T10:44:30Z"))


def test_what_is_not_said_is_the_last_seven_days_by_the_day() -> None:
    for parse in (costs.summary, costs.breakdown, costs.timeseries):
        asked = parse([], NOW)
        assert iso(asked.start) == "2026-11-20T10:00:00.000Z"
        assert iso(asked.end) == "2026-11-27T11:00:00.000Z"
        assert (asked.granularity, asked.group, asked.agent_id) == ("day", "agent", None)


def test_a_span_begins_with_an_hour_and_ends_with_one() -> None:
    query = [("from", "2026-11-27T01:30:00+01:00"), ("to", "2026-11-27T02:00:00.001Z")]
    asked = costs.summary(query, NOW)
    assert iso(asked.start) == "2026-11-27T00:00:00.000Z"
    assert iso(asked.end) == "2026-11-27T03:00:00.000Z"
    assert costs.summary([("from", "2025-11-27"), ("to", "2026-11-28")], NOW)
    assert costs.breakdown([("from", "2026-08-27"), ("to", "2026-11-27")], NOW)


@pytest.mark.parametrize("parse", [costs.summary, costs.breakdown, costs.timeseries])
@pytest.mark.parametrize(
    "query",
    [
        [("from", "2026-11-28")],
        [("from", "2026-11-27T11:00:00Z")],
        [("from", "yesterday")],
        [("from", "")],
        [("to", "1764240000")],
        [("from", "2025-11-26"), ("to", "2026-11-28T02:00:00Z")],
        [("from", "0001-01-01T00:00:00+23:00")],
        [("to", "0001-01-01")],
        [("to", "9999-12-31T23:59:59-01:00")],
        [("from", "9999-12-31T23:00:00Z"), ("to", "9999-12-31T23:59:59Z")],
        [("to", "2026-11-27"), ("to", "2026-11-27")],
        [("granularity", "minute")],
        [("granularity", "")],
        [("group_by", "session")],
        [("agent_id", "")],
        [("agent_id", "a" * 257)],
        [("unknown", "1")],
    ],
)
def test_what_is_not_understood_is_refused(
    parse: Callable[[Query, int], Asked], query: Query
) -> None:
    with pytest.raises(Malformed):
        parse(query, NOW)


def test_a_breakdown_is_of_less_at_once() -> None:
    with pytest.raises(Malformed, match="92 days"):
        costs.breakdown([("from", "2026-08-01"), ("to", "2026-11-27")], NOW)


@pytest.mark.parametrize(
    "query",
    [
        [("limit", "0")],
        [("limit", "1001")],
        [("limit", "-1")],
        [("cursor", "2026-11-27T10:40#1")],
        [("cursor", "~")],
        [("offset", "3")],
        [("limit", "1"), ("limit", "1")],
    ],
)
def test_a_list_of_agents_takes_a_limit_and_a_cursor(query: Query) -> None:
    with pytest.raises(Malformed):
        indexes.parse(query)
    assert indexes.parse([]).limit == 50
    cursor = f"2026-11-27T10:40#{3:016}"
    asked = indexes.parse([("limit", "1000"), ("cursor", cursor)])
    assert (asked.limit, asked.cursor) == (1_000, cursor)
