"""What subscribers ask for: a dialect and a filter, and in other words what that lets through."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tocsin.wire import govrix, igris, kavach, rampart
from tocsin.wire.filters import Render

__all__ = ["AGENTS", "TYPES", "VIEWS", "View"]

TYPES = ("tool_call", "completion", "auth.signin", "custom", "vendor.thing")  # of what is sent
AGENTS = tuple(f"agent-{number}" for number in range(4))  # one for each producer


@dataclass(frozen=True, slots=True)
class View:
    """``encode`` is what the dialect makes of an event that ``shows`` lets through."""

    path: str
    query: Sequence[tuple[str, str]]
    encode: Render
    shows: Callable[[dict[str, Any]], bool]

    @property
    def name(self) -> str:
        return f"{self.path}?{'&'.join('='.join(pair) for pair in self.query)}"


def _all(fields: dict[str, Any]) -> bool:
    return True


IGRIS, GOVRIX = "/api/v1/events", "/api/v1/events/stream"
RAMPART, KAVACH = "/v1/events/stream", "/api/kavach/events/stream"

VIEWS = (
    View(IGRIS, (), igris.encode, _all),
    View(GOVRIX, (), govrix.encode, _all),
    View(RAMPART, (), rampart.encode, _all),
    View(KAVACH, (), kavach.encode, _all),
    View(
        IGRIS,
        (("types", "tool_call,vendor.thing"),),
        igris.encode,
        lambda fields: fields["type"] in ("tool_call", "vendor.thing"),
    ),
    View(
        GOVRIX,
        (("agent_id", AGENTS[1]),),
        govrix.encode,
        lambda fields: fields.get("agent_id") == AGENTS[1],
    ),
    View(
        RAMPART,
        (("action", "deny"), ("types", "tool_call")),
        rampart.encode,
        lambda fields: fields["action"] == "deny" and fields["type"] == "tool_call",
    ),
    View(  # two messages for a sign-in that cost something, of which the last has the id
        KAVACH,
        (("types", "auth.signin,cost.recorded"),),
        kavach.Asked(frozenset({"auth.signin", "cost.recorded"})),
        lambda fields: fields["type"] == "auth.signin" or fields.get("cost_usd", 0) > 0,
    ),
    View(  # nothing, ever: only the cursor moves
        GOVRIX, (("session_id", "nobody-s"),), govrix.encode, lambda fields: False
    ),
)
