"""The library's event: as the application emits it, and as subscribers see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tocsin.domain.errors import Detail, Invalid
from tocsin.domain.privacy import Pii
from tocsin.domain.segment import SealedEvent
from tocsin.wire import kavach
from tocsin.wire.intake import raw
from tocsin.wire.intake.encoding import encoded
from tocsin.wire.pricing import estimate
from tocsin.wire.screening import screen

__all__ = ["Emission", "StreamEvent", "read", "shown"]


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """A sealed event, as subscribers see it.

    Attributes:
        id: The id that the application gave it; otherwise Tocsin's own.
        seq: Its place in the log, from 1 without holes: the cursor to resume after.
        hash: The chain's hash up to and with this event, in hex; ``prev_hash`` is the one before.
    """

    id: str
    type: str
    timestamp: datetime
    data: Any
    agent_id: str | None
    user_id: str | None
    seq: int
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Emission:
    """A valid event, not stamped yet. ``plain`` is what ``canonical()`` asks of it."""

    fields: dict[str, Any]
    plain: bool
    size_bytes: int


def read(event: Mapping[str, Any], pii: Pii | None, now_ms: int) -> Emission:
    """Check an event that the application emits, in camelCase or snake_case.

    Credentials in it are masked, what becomes of personal data is as ``pii`` says, and a call that
    does not say what it cost is priced. None: the log does all that.

    Raises:
        Invalid: a field is missing, not known, NaN, or of another kind; ``details`` says which. Or
            it holds personal data, which ``pii`` refuses.
        Forbidden: it has a type that only Tocsin may use.
        TooLarge: it is nested too deep.
        TypeError: it holds a value that JSON has no form for.
    """
    body = encoded({"type": None, **event})
    request = raw.parse(body)
    if request.ignored:
        message = "Unknown field: put what is your own under data or metadata"
        raise Invalid([Detail(field=name, message=message) for name in sorted(request.ignored)])
    plain = request.plain
    if pii is not None:
        if refused := screen(request.events, pii):
            message = f"Holds personal data ({', '.join(refused[0])}), which is refused here"
            raise Invalid([Detail(field="event", message=message)])
        plain = estimate(request.events, now_ms) and plain
    return Emission(request.events[0], plain, len(body))


def shown(sealed: SealedEvent, types: frozenset[str] | None) -> list[StreamEvent]:
    """Return what a subscriber to these of KavachOS' types sees of an event; None: all."""
    return [
        StreamEvent(
            id=message["id"],
            type=message["type"],
            timestamp=datetime.fromisoformat(message["timestamp"]),
            data=message["data"],
            agent_id=message.get("agentId"),
            user_id=message.get("userId"),
            seq=sealed.seq,
            prev_hash=sealed.prev_hash.hex(),
            hash=sealed.hash.hex(),
        )
        for message in kavach.messages(sealed, types, own_ids=True)
    ]
