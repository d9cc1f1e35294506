"""What a list is asked for: Govrix Scout's ``limit`` and ``offset``, and Tocsin's own bounds.

A parameter that a list does not have is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from tocsin.domain.errors import Malformed
from tocsin.domain.limits import DEFAULT_LIST_EVENTS, MAX_LIST_EVENTS
from tocsin.domain.times import moment_of, ms_of
from tocsin.wire import filters
from tocsin.wire.filters import Filter, Query
from tocsin.wire.parameters import known, number, once

__all__ = ["ONLY_LISTS", "PARAMETERS", "Order", "Page", "parse"]

type Order = Literal["asc", "desc"]
"""By seq: the oldest first, or the newest."""

_ORDERS: Final[tuple[Order, ...]] = get_args(Order.__value__)
_OF_A_PAGE: Final = frozenset({"limit", "offset", "order"})
_BOUNDS: Final = frozenset({"before", "after", "since", "from", "to"})

ONLY_LISTS: Final = _OF_A_PAGE | (_BOUNDS - {"after", "since"})
"""What no stream is asked for."""

PARAMETERS: Final = _OF_A_PAGE | _BOUNDS | filters.PARAMETERS
"""What a list that comes in pages is asked for."""


@dataclass(frozen=True, slots=True)
class Page:
    """Of the events that ``filter`` lets through, skip ``offset``, then take ``limit``.

    All have a seq below ``before``. ``after`` and ``since`` are the lower bound, as they are where
    a stream begins; each is as it was sent. All have a timestamp from ``from_ms`` on and before
    ``to_ms`` (Unix times).
    """

    limit: int = DEFAULT_LIST_EVENTS
    offset: int = 0
    before: int | None = None
    after: str | None = None
    since: str | None = None
    filter: Filter = field(default_factory=Filter)
    from_ms: int | None = None
    to_ms: int | None = None
    order: Order = "desc"

    @property
    def selective(self) -> bool:
        """Whether an event's content decides if it belongs here."""
        return bool(self.filter) or self.from_ms is not None or self.to_ms is not None


def parse(
    query: Query, allowed: frozenset[str] | None = None, *, session_id: str | None = None
) -> Page:
    """Return what a query asks for, within the event types that are ``allowed``.

    With ``session_id`` it is of all that a session's list holds: that one does not come in pages.

    Raises:
        Malformed: a parameter is not known or not understood, beyond its limits, or given twice.
        Forbidden: none of the types asked for is allowed.
    """
    query = list(query)
    if session_id is None:
        known(query, PARAMETERS)
    else:
        known(query, PARAMETERS - _OF_A_PAGE - {"session_id"})
        query.append(("session_id", session_id))
    given = once(query, _OF_A_PAGE | _BOUNDS)
    from_ms, to_ms = _time(given, "from"), _time(given, "to")
    if from_ms is not None and to_ms is not None and to_ms < from_ms:
        raise Malformed("to is before from: nothing can be between them")
    order = given.get("order", "desc")
    if order not in _ORDERS:
        raise Malformed("order is asc, the oldest first, or desc, the newest first")
    limit = number(given, "limit", f"a number from 1 to {MAX_LIST_EVENTS:,}")
    if limit is not None and not 1 <= limit <= MAX_LIST_EVENTS:
        raise Malformed(f"limit is a number from 1 to {MAX_LIST_EVENTS:,}")
    return Page(
        limit=DEFAULT_LIST_EVENTS if limit is None else limit,
        offset=number(given, "offset", "how many to skip, from 0") or 0,
        before=number(given, "before", "the seq of an event, as in 41"),
        after=given.get("after"),
        since=given.get("since"),
        filter=filters.parse(query, allowed=allowed),
        from_ms=from_ms,
        to_ms=to_ms,
        order=order,
    )


def _time(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    try:
        return ms_of(moment_of(text))
    except (ValueError, OverflowError) as error:
        raise Malformed(f"{name} is a time, as in 2026-01-15T10:00:00Z, with + as %2B") from error
