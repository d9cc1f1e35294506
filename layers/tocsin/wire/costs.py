"""What is asked of costs: a span of time, how fine, and by what (Govrix Scout).

Figures are kept by the hour: a span begins with the hour that ``from`` is in, and ends with that
before ``to``, or that it is in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, get_args

from tocsin.domain.calls import NAMED
from tocsin.domain.errors import Malformed
from tocsin.domain.limits import MAX_BREAKDOWN_DAYS, MAX_COST_DAYS, MAX_NAME_CHARS
from tocsin.domain.times import moment_of, utc
from tocsin.wire.filters import Query
from tocsin.wire.parameters import known, once

__all__ = [
    "GRANULARITIES",
    "GROUPS",
    "Asked",
    "Granularity",
    "breakdown",
    "summary",
    "timeseries",
]

type Granularity = Literal["hour", "day", "week", "month"]

GRANULARITIES: Final[tuple[Granularity, ...]] = get_args(Granularity.__value__)
_HOUR: Final = timedelta(hours=1)
_DEFAULT: Final = timedelta(days=7)
GROUPS: Final = {"protocol": "provider"} | {name: name for name in NAMED}
"""What costs are broken down by, and its name here."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The hours from ``start`` on and before ``end``, both in UTC.

    ``group`` is one of :data:`~tocsin.domain.calls.NAMED`.
    """

    start: datetime
    end: datetime
    granularity: Granularity = "day"
    group: str = "agent"
    agent_id: str | None = None


def summary(query: Query, now_ms: int) -> Asked:
    """Return what a summary is asked for.

    Raises:
        Malformed: a parameter is not known or not understood, beyond its limits, or given twice.
    """
    given = _given(query, {"from", "to", "granularity"})
    return Asked(*_span(given, now_ms, MAX_COST_DAYS), granularity=_granularity(given))


def breakdown(query: Query, now_ms: int) -> Asked:
    """Return what a breakdown is asked for; raises what :func:`summary` does."""
    given = _given(query, {"from", "to", "group_by"})
    group = GROUPS.get(given.get("group_by", "agent"))
    if group is None:
        raise Malformed(f"group_by is one of {', '.join(sorted(GROUPS))}")
    return Asked(*_span(given, now_ms, MAX_BREAKDOWN_DAYS), group=group)


def timeseries(query: Query, now_ms: int) -> Asked:
    """Return what a time series is asked for; raises what :func:`summary` does."""
    given = _given(query, {"from", "to", "granularity", "agent_id"})
    agent_id = given.get("agent_id")
    if agent_id is not None and not 1 <= len(agent_id) <= MAX_NAME_CHARS:
        raise Malformed(f"agent_id has 1 to {MAX_NAME_CHARS} characters")
    span = _span(given, now_ms, MAX_COST_DAYS)
    return Asked(*span, granularity=_granularity(given), agent_id=agent_id)


def _given(query: Query, names: set[str]) -> dict[str, str]:
    known(query, names)
    return once(query, names)


def _granularity(given: Mapping[str, str]) -> Granularity:
    asked = given.get("granularity", "day")
    for each in GRANULARITIES:
        if each == asked:
            return each
    raise Malformed(f"granularity is one of {', '.join(GRANULARITIES)}")


def _span(given: Mapping[str, str], now_ms: int, most_days: int) -> tuple[datetime, datetime]:
    try:
        end = _time(given, "to") or utc(now_ms)
        start = _time(given, "from") or end - _DEFAULT
        start = start.replace(minute=0, second=0, microsecond=0)
        hours = -((start - end) // _HOUR)  # rounded up
        end = start + hours * _HOUR
    except OverflowError as error:
        raise Malformed("from and to are within the years 1 to 9999") from error
    if hours <= 0:
        raise Malformed("to is not after from: nothing can be between them")
    if end - start > timedelta(days=most_days, hours=1):
        raise Malformed(f"from and to are {most_days} days apart at most: ask for less at once")
    return start, end


def _time(given: Mapping[str, str], name: str) -> datetime | None:
    text = given.get(name)
    if text is None:
        return None
    try:
        return moment_of(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"{name} is a time, as in 2026-01-15T10:00:00Z, with + as %2B") from error
