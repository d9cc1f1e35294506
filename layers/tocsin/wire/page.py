"""What a list is asked for: Govrix Scout's ``limit`` and ``offset``, and Tocsin's own bounds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tocsin.domain.errors import Malformed
from tocsin.domain.limits import DEFAULT_LIST_EVENTS, MAX_LIST_EVENTS
from tocsin.wire import filters
from tocsin.wire.filters import Filter, Query

__all__ = ["Page", "parse"]

_NUMBER: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
_NAMES: Final = ("limit", "offset", "before", "after", "since")


@dataclass(frozen=True, slots=True)
class Page:
    """Of the events that ``filter`` lets through, skip ``offset``, then take ``limit``.

    All have a seq below ``before``. ``after`` and ``since`` are the lower bound, as they are where
    a stream begins; each is as it was sent.
    """

    limit: int = DEFAULT_LIST_EVENTS
    offset: int = 0
    before: int | None = None
    after: str | None = None
    since: str | None = None
    filter: Filter = field(default_factory=Filter)


def parse(query: Query, allowed: frozenset[str] | None = None) -> Page:
    """Return what a query asks for, within the event types that are ``allowed``.

    Raises:
        Malformed: a parameter is not understood, beyond its limits, or given twice.
        Forbidden: none of the types asked for is allowed.
    """
    query = list(query)
    given: dict[str, str] = {}
    for name, value in query:
        if name in _NAMES:
            if name in given:
                raise Malformed(f"{name} is given twice: give it once")
            given[name] = value
    limit = _number(given, "limit", f"a number from 1 to {MAX_LIST_EVENTS:,}")
    if limit is not None and not 1 <= limit <= MAX_LIST_EVENTS:
        raise Malformed(f"limit is a number from 1 to {MAX_LIST_EVENTS:,}")
    return Page(
        limit=DEFAULT_LIST_EVENTS if limit is None else limit,
        offset=_number(given, "offset", "how many to skip, from 0") or 0,
        before=_number(given, "before", "the seq of an event, as in 41"),
        after=given.get("after"),
        since=given.get("since"),
        filter=filters.parse(query, allowed=allowed),
    )


def _number(given: Mapping[str, str], name: str, what: str) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise Malformed(f"{name} is {what}")
    return int(text)
