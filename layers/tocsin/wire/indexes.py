"""What a list of sessions or agents is asked for, and what it says of one (Govrix Scout)."""

import re
from dataclasses import dataclass
from typing import Any, Final

from tocsin.domain.errors import Malformed
from tocsin.domain.limits import DEFAULT_LIST_EVENTS, MAX_LIST_EVENTS, MAX_NAME_CHARS
from tocsin.domain.projection import Item
from tocsin.wire.filters import Query
from tocsin.wire.parameters import known, number, once

__all__ = [
    "CURSOR",
    "CURSOR_OF_AGENTS",
    "Asked",
    "agent",
    "created_beyond",
    "parse",
    "parse_agents",
    "session",
    "unseen_agent",
]

_PARAMETERS: Final = frozenset({"limit", "cursor"})
CURSOR: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}#[0-9]{16}")
"""Where a page ended."""
_CREATED: Final = re.compile(rf"created#([\s\S]{{1,{MAX_NAME_CHARS}}})")
CURSOR_OF_AGENTS: Final = re.compile(f"{CURSOR.pattern}|{_CREATED.pattern}")
"""The same of agents: those that were only created follow those that were seen, by id."""
_NANO: Final = 10**9


@dataclass(frozen=True, slots=True)
class Asked:
    """Up to ``limit``, from where the page with this ``next_cursor`` ended; empty: the newest.

    With ``created_after`` all that were seen are behind it, and agents that were created up to
    this id.
    """

    limit: int = DEFAULT_LIST_EVENTS
    cursor: str = ""
    created_after: str = ""


def parse(query: Query) -> Asked:
    """Return what a query asks for.

    Raises:
        Malformed: a parameter is not known or not understood, beyond its limits, or given twice.
    """
    return _parse(query, CURSOR)


def parse_agents(query: Query) -> Asked:
    """Return the same of a list of agents."""
    asked = _parse(query, CURSOR_OF_AGENTS)
    if created := _CREATED.fullmatch(asked.cursor):
        return Asked(asked.limit, created_after=created[1])
    return asked


def created_beyond(id: str) -> str:
    """Return the cursor to agents that were created and sent nothing, with ids beyond this one."""
    return f"created#{id}"


def _parse(query: Query, cursors: re.Pattern[str]) -> Asked:
    known(query, _PARAMETERS)
    given = once(query, _PARAMETERS)
    limit = number(given, "limit", f"a number from 1 to {MAX_LIST_EVENTS:,}")
    if limit is not None and not 1 <= limit <= MAX_LIST_EVENTS:
        raise Malformed(f"limit is a number from 1 to {MAX_LIST_EVENTS:,}")
    cursor = given.get("cursor", "")
    if cursor and not cursors.fullmatch(cursor):
        raise Malformed("cursor is the next_cursor of a page before, with # as %23")
    return Asked(DEFAULT_LIST_EVENTS if limit is None else limit, cursor)


def agent(id: str, item: Item, active_since: str) -> dict[str, Any]:
    """Return what is said of an agent, which is idle if it was not seen since a time.

    What Tocsin is not told of agents is null.
    """
    failed = item.get("last_error_at")
    status = "active" if str(item.get("seen", "")) >= active_since else "idle"
    if failed and failed == item["last_timestamp"]:
        status = "error"
    return {
        "id": id,
        "name": id,
        "description": None,
        "framework": None,
        "status": status,
        "labels": {},
        "last_error_at": failed,
        **_figures(item),
    }


def unseen_agent(id: str) -> dict[str, Any]:
    """Return what is said of an agent that has sent nothing yet."""
    return agent(id, {}, active_since="~")  # beyond any time


def session(id: str, item: Item) -> dict[str, Any]:
    """Return what is said of a session."""
    return {"id": id, **_figures(item)}


def _figures(item: Item) -> dict[str, Any]:
    counters = ("events", "denials", "prompt_tokens", "completion_tokens", "total_tokens")
    return {
        "total_requests": item.get("calls", 0),
        "total_cost_usd": int(item.get("cost_nano_usd", 0)) / _NANO,
        "error_count": item.get("errors", 0),
        "last_model_used": item.get("last_model"),
        "first_seen_at": item.get("first_timestamp"),
        "last_seen_at": item.get("last_timestamp"),
        "first_seq": item.get("first_seq"),
        "last_seq": item.get("last_seq"),
        **{name: item.get(name, 0) for name in counters},
    }
