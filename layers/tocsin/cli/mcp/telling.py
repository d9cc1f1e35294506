"""What is recorded of calls and tools: the events. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from secrets import token_bytes
from typing import Any, Final

from tocsin.cli.mcp.meta import Meta
from tocsin.cli.mcp.values import keyed_hash, label, storable
from tocsin.domain.times import iso

__all__ = ["ONE", "Call", "Caller", "Event", "Recording", "Telling"]

type Event = dict[str, Any]

_ARGUED: Final = frozenset({"name", "arguments", "_meta"})


@dataclass(frozen=True, slots=True)
class Recording:
    """What is recorded about a call, besides that it happened.

    Attributes:
        session: The session that all calls belong to.
        server: The server's name; None: what the server calls itself, or else ``command``.
        agent: The agent's id; None: what the client calls itself.
        arguments: Whether calls are recorded with their arguments; they can hold secrets.
        results: Whether calls are recorded with their results; they can hold secrets.
    """

    session: str
    command: str
    server: str | None = None
    agent: str | None = None
    arguments: bool = False
    results: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a message. Ids of requests are unique within a ``scope``.

    ``traceparent`` is for requests that have none in ``_meta``.
    """

    scope: str = ""
    traceparent: str | None = None


ONE: Final = Caller()
"""The only client, over stdio."""


@dataclass(slots=True)
class Call:
    """A call that has begun.

    ``held`` says that the server does not have it yet. ``task`` is its last known status, once the
    server has made it a task. ``mark`` is the same for the same tool with the same arguments.
    """

    number: int
    tool: str
    caller: Caller
    arguments: Any
    fingerprint: str | None
    meta: Meta
    rest: dict[str, Any]
    tool_call_id: str | None
    at: datetime
    started_seconds: float
    held: bool = False
    held_ms: float | None = None
    cancelled: bool = False
    task: str | None = None
    mark: str | None = None


class Telling:
    """Makes events of calls. ``clients`` and ``server`` are what the peers call themselves."""

    def __init__(
        self, recording: Recording, now: Callable[[], datetime], monotonic: Callable[[], float]
    ) -> None:
        self.recording = recording
        self.server: str | None = None
        self.clients: dict[str, str] = {}  # by scope
        self._now = now
        self._monotonic = monotonic
        self._numbers = count(1)
        self._key = token_bytes(32)

    def begun(self, params: dict[str, Any], caller: Caller, id: str | None = None) -> Call:
        """Return a call that begins now; ``id`` is its id where its client gave it none."""
        arguments, recorded = params.get("arguments", {}), self.recording.arguments
        meta = Meta.of(params)
        if meta.trace_id is None and caller.traceparent:
            elsewhere = Meta.of({"_meta": {"traceparent": caller.traceparent}})
            meta = replace(meta, trace_id=elsewhere.trace_id, parent_id=elsewhere.parent_id)
        rest = {name: value for name, value in params.items() if name not in _ARGUED}
        return Call(
            number=next(self._numbers),
            tool=label(params.get("name")) or "(unnamed)",
            caller=caller,
            arguments=storable(arguments) if recorded else None,
            fingerprint=keyed_hash(self._key, arguments) if arguments and not recorded else None,
            meta=meta,
            rest=rest if recorded else {},
            tool_call_id=meta.tool_call_id or id,
            at=self._now(),
            started_seconds=self._monotonic(),
            mark=self.mark(params) if meta.modern else None,
        )

    def mark(self, params: dict[str, Any]) -> str | None:
        """Return what is the same for the same tool with the same arguments."""
        return keyed_hash(self._key, [params.get("name"), params.get("arguments") or {}])

    def let_go(self, call: Call) -> None:
        """Note that a held call goes to the server now."""
        now = self._monotonic()
        call.held, call.held_ms = False, round((now - call.started_seconds) * 1000, 3)
        call.started_seconds = now

    def latency_ms(self, call: Call) -> float:
        """Return how long a call has taken."""
        return round((self._monotonic() - call.started_seconds) * 1000, 3)

    def event(
        self, call: Call, outcome: str, latency_ms: float | None = None, **metadata: Any
    ) -> Event:
        """Return what is told of a call that has ended so."""
        if call.cancelled:
            metadata["cancelled"] = True
        if call.task is not None:
            metadata["task"] = call.task
        if self.recording.arguments:
            metadata["arguments"] = call.arguments
        if call.rest:
            metadata["params"] = storable(call.rest)
        if call.fingerprint is not None:
            metadata["arguments_fingerprint"] = call.fingerprint
        if call.meta.rest:
            metadata["_meta"] = call.meta.rest
        if call.held_ms is not None:
            metadata["held_ms"] = call.held_ms
        event = self.of_a_tool(call.tool, call.at, call.caller) | {
            "type": "tool_call",
            "action": "log" if latency_ms is None else "allow",
            "metadata": {"via": "mcp", "outcome": outcome, **metadata},
        }
        if call.held:
            event["action"] = "deny"  # as long as nobody lets it go
        ids = {
            "toolCallId": call.tool_call_id,
            "traceId": call.meta.trace_id,
            "parentId": call.meta.parent_id,
            "latencyMs": latency_ms,
        }
        return event | {name: value for name, value in ids.items() if value is not None}

    def defined(self, tool: str, caller: Caller, digest: str, pinned: str | None) -> Event:
        """Return what is told of a tool's definition that is new."""
        metadata = {"via": "mcp", "definition_sha256": digest}
        if pinned not in (None, digest):
            metadata["pinned_sha256"] = pinned or ""
        return self.of_a_tool(tool, self._now(), caller) | {
            "type": "mcp.tool_definition",
            "action": "log",
            "metadata": metadata,
        }

    def agent(self, caller: Caller) -> str | None:
        """Return whose calls a caller's are."""
        named = self.clients.get(caller.scope) or self.clients.get(ONE.scope)
        return self.recording.agent or named

    def named_server(self) -> str:
        """Return the server's name."""
        return self.recording.server or self.server or self.recording.command

    def of_a_tool(self, tool: str, at: datetime, caller: Caller) -> Event:
        """Return what all events say of a tool, and of whom they are."""
        event: Event = {
            "toolName": tool,
            "serverId": self.named_server(),
            "sessionId": self.recording.session,
            "timestamp": iso(at),
        }
        if agent := self.agent(caller):
            event["agentId"] = agent
        return event
