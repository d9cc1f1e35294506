"""What a subscriber wants to see: filters from a query, and dialects that keep to them.

Filters of the same meaning are equal, so that their subscribers share bytes. What can't be
understood is refused, and never means "everything".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tocsin.domain import canonical
from tocsin.domain.errors import Forbidden, Malformed
from tocsin.domain.limits import MAX_NAME_CHARS, MAX_TYPE_CHARS
from tocsin.domain.segment import SealedEvent
from tocsin.wire.event import RESERVED_TYPES, is_open_type

__all__ = ["ACTIONS", "Filter", "Filtered", "is_event_type", "parse", "render", "types_of"]

ACTIONS: Final = frozenset({"allow", "deny", "alert", "log"})

_IDS: Final = ("agent_id", "session_id", "server_id")

type Query = Sequence[tuple[str, str]]
"""A query's parameters in order, decoded; those that are not filters are ignored."""

type Render = Callable[[SealedEvent], bytes]
"""A dialect: ``b""`` hides the event. Hashable, since equal ones share bytes."""


@dataclass(frozen=True)
class Filter:
    """An event must have one of ``types``, and each other field as given; None: any will do.

    ``types`` are event types.
    """

    types: frozenset[str] | None = None
    agent_id: str | None = None
    session_id: str | None = None
    server_id: str | None = None
    action: str | None = None
    _wanted: tuple[tuple[str, frozenset[str], tuple[bytes, ...]], ...] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Prepare the bytes to look for in an entry."""
        wanted = {"type": self.types} | {
            name: frozenset({value})
            for name in (*_IDS, "action")
            if (value := getattr(self, name)) is not None
        }
        prepared = tuple(
            (name, values, tuple(_member(name, value) for value in sorted(values)))
            for name, values in wanted.items()
            if values is not None
        )
        object.__setattr__(self, "_wanted", prepared)

    def __bool__(self) -> bool:
        """Whether it can hide anything."""
        return bool(self._wanted)

    def matches(self, event: SealedEvent) -> bool:
        """Whether the event is to be seen.

        An entry is canonical, so any member appears in it as these very bytes: when a search does
        not find them, nothing needs parsing.
        """
        entry = event.entry
        for _, _, members in self._wanted:
            if not any(member in entry for member in members):
                return False
        if not self._wanted:
            return True
        fields = canonical.parse(entry)
        return all(fields.get(name) in values for name, values, _ in self._wanted)


@dataclass(frozen=True)
class Filtered:
    """A dialect that hides what a filter does not let through."""

    encode: Render
    filter: Filter
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare the hash: every delivery looks bytes up by it."""
        object.__setattr__(self, "_hash", hash((self.encode, self.filter)))

    def __hash__(self) -> int:
        """Return the prepared hash."""
        return self._hash

    def __call__(self, event: SealedEvent) -> bytes:
        """Return the dialect's bytes of an event; empty when it is hidden."""
        return self.encode(event) if self.filter.matches(event) else b""


def render(encode: Render, filter: Filter) -> Render:
    """Return the dialect with a filter: itself when the filter hides nothing."""
    return Filtered(encode, filter) if filter else encode


def parse(query: Query, *, typed: bool = True, allowed: frozenset[str] | None = None) -> Filter:
    """Return the filter that a query asks for, within the event types that are ``allowed``.

    If not ``typed``, ``types`` is ignored: it holds a dialect's own names there.

    Raises:
        Malformed: a filter is empty, given twice, or names what no event can have.
        Forbidden: none of the types asked for is allowed.
    """
    given: dict[str, str] = {}
    for name, value in query:
        if name in (*_IDS, "action"):
            if name in given:
                raise Malformed(f"{name} is given twice: ask for one in each stream")
            if not 1 <= len(value) <= MAX_NAME_CHARS:
                raise Malformed(f"{name} takes 1 to {MAX_NAME_CHARS} characters, or leave it out")
            given[name] = value
    if given.get("action", "log") not in ACTIONS:
        raise Malformed(f"action is one of {', '.join(sorted(ACTIONS))}")
    types = types_of(query) if typed else None
    return Filter(types=within(types, allowed), **given)


def types_of(query: Query, names: frozenset[str] | None = None) -> frozenset[str] | None:
    """Return what ``types`` lists, comma-separated; None when it is not there.

    ``names`` are the valid ones; None: event types.

    Raises:
        Malformed: one of them is unknown.
    """
    lists = [value for name, value in query if name == "types"]
    if not lists:
        return None
    types = frozenset(type for each in lists for type in each.split(","))
    unknown = sorted(
        type for type in types if not (is_event_type(type) if names is None else type in names)
    )
    if unknown:
        known = "an event type, as in tool_call or vendor.name"
        if names is not None:
            known = "one of " + ", ".join(sorted(names))
        raise Malformed(f"types: {unknown[0][:MAX_TYPE_CHARS]!r} is not {known}")
    return types


def within(types: frozenset[str] | None, allowed: frozenset[str] | None) -> frozenset[str] | None:
    """Return the types that are both asked for and allowed; None is all of them.

    Raises:
        Forbidden: there are none.
    """
    if types is None or allowed is None:
        return allowed if types is None else types
    if types.isdisjoint(allowed):
        raise Forbidden("none of these types may be seen here: ask for one that is allowed")
    return types & allowed


def is_event_type(text: str) -> bool:
    """Whether an event can have this type, be it a client's or Tocsin's own."""
    if RESERVED_TYPES.fullmatch(text):
        return text == text.lower()
    return is_open_type(text)


def _member(name: str, value: str) -> bytes:
    return b'"%b":%b' % (name.encode(), canonical.canonical(value))
