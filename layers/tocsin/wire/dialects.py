"""The four dialects of the stream, each with what its clients rely on besides the messages."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tocsin.domain.limits import HEARTBEAT_SECONDS, KAVACH_HEARTBEAT_SECONDS
from tocsin.wire import filters, frames, govrix, igris, kavach, rampart
from tocsin.wire.filters import Query, Render

__all__ = [
    "DIALECTS",
    "GOVRIX",
    "IGRIS",
    "KAVACH",
    "PARAMETERS",
    "RAMPART",
    "SHORTEST_HEARTBEAT_SECONDS",
    "Dialect",
    "Heartbeat",
]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The comment that a stream sends after this many seconds of silence."""

    data: bytes = frames.HEARTBEAT
    seconds: float = HEARTBEAT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One product's stream, at the path that its clients know.

    ``opening`` makes its first bytes from the cursor and the milliseconds to wait before
    reconnecting. ``names`` are the dialect's own types, and ``asked`` makes the dialect for a
    client that asks for some of them; if there are none, ``types`` means event types.
    ``unauthorized`` is all that a stream without a valid credential says, and ``too_many`` what
    one too many is told; None: an HTTP error.
    """

    path: str
    encode: Render
    opening: Callable[[int | str, int], bytes] = frames.opening
    heartbeat: Heartbeat = Heartbeat()
    names: frozenset[str] | None = None
    asked: Callable[[frozenset[str]], Render] | None = None
    unauthorized: bytes | None = None
    too_many: str | None = None

    def render(self, query: Query, allowed: frozenset[str] | None = None) -> Render:
        """Return the dialect with what a query filters, within the event types ``allowed``.

        Raises:
            Malformed: a filter is not understood.
            Forbidden: nothing of what it asks for is allowed.
        """
        encode, own = self.encode, self.asked is not None
        if self.asked and (names := filters.types_of(query, self.names)) is not None:
            encode = self.asked(names)
        return filters.render(encode, filters.parse(query, typed=not own, allowed=allowed))


IGRIS: Final = Dialect(path="/api/v1/events", encode=igris.encode)
GOVRIX: Final = Dialect(path="/api/v1/events/stream", encode=govrix.encode)
RAMPART: Final = Dialect(path="/v1/events/stream", encode=rampart.encode, opening=rampart.opening)
KAVACH: Final = Dialect(
    path="/api/kavach/events/stream",
    encode=kavach.encode,
    heartbeat=Heartbeat(kavach.HEARTBEAT, KAVACH_HEARTBEAT_SECONDS),
    names=kavach.TYPES,
    asked=kavach.Asked,
    unauthorized=kavach.UNAUTHORIZED,
    too_many="Too many connections",
)

DIALECTS: Final = (IGRIS, RAMPART, GOVRIX, KAVACH)
PARAMETERS: Final = filters.PARAMETERS | {"after", "since", "token", "lastEventId"}
"""What a stream is asked for; some clients that can't send headers send ``lastEventId``."""

SHORTEST_HEARTBEAT_SECONDS: Final = min(dialect.heartbeat.seconds for dialect in DIALECTS)
