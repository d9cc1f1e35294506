"""What a subscriber wants to see: filters from a query, and dialects that keep to them.

Filters of the same meaning are equal, so that their subscribers share bytes. What can't be
understood is refused, and never means "everything".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tocsin.domain import canonical
from tocsin.domain.errors import Forbidden, Malformed
from tocsin.domain.limits import MAX_NAME_CHARS, MAX_TYPE_CHARS, MAX_TYPES_ASKED
from tocsin.domain.reports import call_id
from tocsin.domain.segment import SealedEvent
from tocsin.wire.event import ACTIONS, RESERVED_TYPES, is_open_type
from tocsin.wire.parameters import once

__all__ = [
    "PARAMETERS",
    "Facts",
    "Filter",
    "Filtered",
    "is_event_type",
    "parse",
    "render",
    "types_of",
]

type Query = Sequence[tuple[str, str]]
"""A query's parameters in order, decoded."""

type Render = Callable[[SealedEvent], bytes]
"""A dialect: ``b""`` hides the event. Hashable, since equal ones share bytes."""


class Facts(NamedTuple):
    """What filters can ask of an event; read once for all who ask."""

    type: str | None
    agent_id: str | None
    session_id: str | None
    server_id: str | None
    action: str | None
    user_id: str | None
    tool_name: str | None
    model: str | None
    provider: str | None
    compliance_tag: str | None
    trace_id: str | None
    call_id: str | None

    @classmethod
    def of(cls, event: SealedEvent) -> "Facts":
        """Read an event."""
        return cls.among(canonical.parse(event.entry))

    @classmethod
    def among(cls, fields: Mapping[str, Any]) -> "Facts":
        """Return what an event's fields say."""
        return cls._make((*map(fields.get, cls._fields[:-1]), call_id(fields)))


_NAMES: Final = Facts._fields[1:]
PARAMETERS: Final = frozenset({*Facts._fields, "types"})
"""The names of filters in a query."""


@dataclass(frozen=True)
class Filter:
    """An event must have one of ``types``, and each other field as given; None: any will do.

    ``types`` are event types, and ``call_id`` is that of :func:`tocsin.domain.reports.call_id`.
    """

    types: frozenset[str] | None = None
    agent_id: str | None = None
    session_id: str | None = None
    server_id: str | None = None
    action: str | None = None
    user_id: str | None = None
    tool_name: str | None = None
    model: str | None = None
    provider: str | None = None
    compliance_tag: str | None = None
    trace_id: str | None = None
    call_id: str | None = None
    _wanted: tuple[tuple[int, str], ...] = field(init=False, repr=False, compare=False)
    _members: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare the facts to compare, and the bytes to look for in an entry."""
        wanted = {name: value for name in _NAMES if (value := getattr(self, name)) is not None}
        places = tuple((Facts._fields.index(name), value) for name, value in wanted.items())
        object.__setattr__(self, "_wanted", places)
        object.__setattr__(self, "_members", tuple(_member(*each) for each in wanted.items()))

    def __bool__(self) -> bool:
        """Whether it can hide anything."""
        return self.types is not None or bool(self._wanted)

    def matches(self, event: SealedEvent) -> bool:
        """Whether the event is to be seen.

        An entry is canonical, so any member appears in it as these very bytes: when a search does
        not find them, nothing needs parsing. Types are too many to search for.
        """
        if not all(member in event.entry for member in self._members):
            return False
        return not self or self.lets(Facts.of(event))

    def lets(self, facts: Facts) -> bool:
        """Whether an event with these facts is to be seen; takes no longer for many types."""
        if self.types is not None and facts.type not in self.types:
            return False
        return all(facts[place] == value for place, value in self._wanted)


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
        Malformed: a filter is empty, given twice, or names what no event can have; or both ``type``
            and ``types`` are given.
        Forbidden: none of the types asked for is allowed.
    """
    given = once(query, (*_NAMES, "type"))
    for name, value in given.items():
        if not 1 <= len(value) <= MAX_NAME_CHARS:
            raise Malformed(f"{name} takes 1 to {MAX_NAME_CHARS} characters, or leave it out")
    if given.get("action", "log") not in ACTIONS:
        raise Malformed(f"action is one of {', '.join(sorted(ACTIONS))}")
    type = given.pop("type", None)
    types = types_of(query) if typed else None
    if type is not None:
        if types is not None:
            raise Malformed("type and types both say which types: give one of them")
        types = _event_types([type], "type")
    return Filter(types=within(types, allowed), **given)


def types_of(query: Query, names: frozenset[str] | None = None) -> frozenset[str] | None:
    """Return what ``types`` lists, comma-separated, perhaps with blanks; None: it is not there.

    ``names`` are the dialect's own, of which a client may know more than there are: others beside
    them are ignored. None: event types.

    Raises:
        Malformed: there are too many, or one of them is no event type, or none is known.
    """
    lists = [value for name, value in query if name == "types"]
    if not lists:
        return None
    if sum(each.count(",") + 1 for each in lists) > MAX_TYPES_ASKED:
        raise Malformed(f"types names more than {MAX_TYPES_ASKED}: ask for fewer, or for all")
    types = frozenset(type.strip(" ") for each in lists for type in each.split(","))
    if names is None:
        return _event_types(types, "types")
    if known_names := types & names:
        return known_names
    raise _unknown("types", min(types), "one of " + ", ".join(sorted(names)))


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


def _event_types(types: Iterable[str], name: str) -> frozenset[str]:
    for type in sorted(types):
        if not is_event_type(type):
            raise _unknown(name, type, "an event type, as in tool_call or vendor.name")
    return frozenset(types)


def _unknown(name: str, type: str, known: str) -> Malformed:
    return Malformed(f"{name}: {type[:MAX_TYPE_CHARS]!r} is not {known}")


def _member(name: str, value: str) -> bytes:
    if name == "call_id":  # tool_call_id, or metadata.response_id
        return b'_id":%b' % canonical.canonical(value)
    return b'"%b":%b' % (name.encode(), canonical.canonical(value))
