"""What Rampart's audit routes are asked for. Their days are UTC's."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from tocsin.domain.errors import Malformed
from tocsin.domain.times import utc
from tocsin.wire import filters
from tocsin.wire.filters import Filter, Query
from tocsin.wire.parameters import known, number, once

__all__ = [
    "MAX_DAYS",
    "DayPage",
    "day_asked",
    "day_of",
    "day_page",
    "days_asked",
    "minute_of",
    "next_offset",
    "seqs_asked",
]

MAX_DAYS: Final = 366
"""Of one answer's statistics."""

_DEFAULT_LIMIT, _MAX_LIMIT = 50, 500
_OFFSETS: Final = 10**7
_FILTERS: Final = {"tool": "tool_name", "action": "action", "agent": "agent_id"} | {
    "session": "session_id"
}
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class DayPage:
    """Of a day's events that ``filter`` lets through, skip ``offset``, then take ``limit``.

    Only its oldest ``left`` events are looked at; 0: all of them.
    """

    day: date
    limit: int
    offset: int
    filter: Filter
    left: int = 0


def next_offset(left: int, offset: int) -> int:
    """Return as one number what a page with a filter goes on with.

    Rampart's clients give it back as ``offset``, whatever it is. JavaScript's know it exactly while
    a day has fewer than 900 million events.
    """
    return left * _OFFSETS + offset


def day_page(query: Query, now_ms: int, allowed: frozenset[str] | None) -> DayPage:
    """Return what ``/v1/audit/events`` is asked for; without a date, of today.

    Raises:
        Malformed: a parameter is not known, not understood, or given twice.
    """
    known(query, ("date", "limit", "offset", *_FILTERS))
    given = once(query, {"date", "limit", "offset"})
    limit = number(given, "limit", "how many to return")
    filter = filters.parse(
        [(_FILTERS[name], value) for name, value in query if name in _FILTERS], allowed=allowed
    )
    left, offset = 0, number(given, "offset", "how many to skip, from 0") or 0
    if filter:
        left, offset = divmod(offset, _OFFSETS)
    return DayPage(
        day=_day(given, "date", day_of(now_ms)),
        limit=_DEFAULT_LIMIT if limit is None else min(max(limit, 1), _MAX_LIMIT),
        offset=offset,
        filter=filter,
        left=left,
    )


def day_asked(query: Query) -> date:
    """Return the day that an export is asked for.

    Raises:
        Malformed: there is none, or something else is asked for.
    """
    known(query, ("date",))
    given = once(query, {"date"})
    if "date" not in given:
        raise Malformed("date is required: a day, as in 2026-03-03")
    return _day(given, "date", date.min)


def days_asked(query: Query, now_ms: int) -> tuple[date, date, int | None]:
    """Return the first and the last day that statistics are asked for; else today.

    And the seq ``before`` which events are counted; None: all are.

    Raises:
        Malformed: they are no days, or too many; or ``before`` goes on with days that are not said.
    """
    names = {"from", "to", "before"}
    known(query, names)
    given, today = once(query, names), day_of(now_ms)
    first, last = _day(given, "from", today), _day(given, "to", today)
    before = number(given, "before", "the seq of an event")
    if before is not None and names - given.keys():
        raise Malformed("before goes on with the same days: give from and to as well")
    if last < first:
        raise Malformed("to is before from: give the first day and the last")
    if (last - first).days >= MAX_DAYS:
        raise Malformed(f"statistics are of {MAX_DAYS} days at most: ask for fewer at once")
    return first, last, before


def seqs_asked(query: Query) -> tuple[int, int | None]:
    """Return the first and the last seq that are asked for; None: up to the head.

    Raises:
        Malformed: they are no seqs, or out of order.
    """
    known(query, ("from", "to"))
    given = once(query, {"from", "to"})
    first = max(number(given, "from", "the seq of an event") or 1, 1)
    last = number(given, "to", "the seq of an event")
    if last is not None and last < first:
        raise Malformed("to is before from: give the first seq and the last")
    return first, last


def day_of(at_ms: int) -> date:
    """Return the day of a Unix time in milliseconds."""
    return utc(at_ms).date()


def minute_of(day: date) -> int:
    """Return the minute since 1970 in which a day begins; 0 for what is before."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return max(int(midnight.timestamp()) // 60, 0)


def _day(given: dict[str, str], name: str, default: date) -> date:
    text = given.get(name)
    if text is None:
        return default
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Malformed(f"{name} is a day, as in 2026-03-03")
