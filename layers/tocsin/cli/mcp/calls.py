"""Tool calls out of the JSON-RPC messages between an MCP client and its server. No I/O.

Both versions of the protocol are read: with an ``initialize`` handshake (up to 2025-11-25), and
with the peers' names in ``_meta`` (2026-07-28).
See https://modelcontextprotocol.io/specification.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any, Final

import orjson

from tocsin.cli.mcp.values import label, messages, storable
from tocsin.domain.times import iso

__all__ = ["MAX_PENDING", "Calls", "Recording"]

MAX_PENDING: Final = 10_000
"""How many calls may wait for answers; beyond this the oldest is recorded as unanswered."""

_CLIENT_INFO: Final = "io.modelcontextprotocol/clientInfo"
_SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"

type Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recording:
    """What is recorded about a call, besides that it happened.

    Attributes:
        session: The session that all calls belong to.
        server: The server's name; None: what the server calls itself, or else ``command``.
        arguments: Whether calls are recorded with their arguments; they can hold secrets.
        results: Whether calls are recorded with their results; they can hold secrets.
    """

    session: str
    command: str
    server: str | None = None
    arguments: bool = False
    results: bool = False


@dataclass(slots=True)
class _Call:
    tool: str
    arguments: Any
    at: datetime
    started_seconds: float
    cancelled: bool = False


class Calls:
    """Matches answers with calls; safe to use from the threads of both directions."""

    def __init__(
        self, recording: Recording, now: Callable[[], datetime], monotonic: Callable[[], float]
    ) -> None:
        """``now`` and ``monotonic`` (seconds) are the clocks."""
        self._recording = recording
        self._now = now
        self._monotonic = monotonic
        self._lock = Lock()
        self._pending: dict[bytes, _Call] = {}  # by request id, in the order of the calls
        self._client: str | None = None
        self._server: str | None = None

    def from_client(self, line: bytes) -> list[Event]:
        """Take a line on its way to the server; return the calls now sure to go unanswered."""
        with self._lock:
            events = (self._request(message) for message in messages(line) if "method" in message)
            return [event for event in events if event is not None]

    def from_server(self, line: bytes) -> list[Event]:
        """Take a line on its way to the client; return the calls that it answers."""
        with self._lock:
            answers = [message for message in messages(line) if "method" not in message]
            events = (self._answer(message) for message in answers)
            return [event for event in events if event is not None]

    def finish(self) -> list[Event]:
        """Return the calls that were never answered."""
        with self._lock:
            calls, self._pending = list(self._pending.values()), {}
            return [self._event(call, "no_response") for call in calls]

    def _request(self, message: dict[str, Any]) -> Event | None:
        params = _object(message.get("params"))
        info = params.get("clientInfo") or _object(params.get("_meta")).get(_CLIENT_INFO)
        self._client = label(_object(info).get("name")) or self._client
        unanswered = None
        if message["method"] == "tools/call" and "id" in message:
            key = _key(message["id"])
            unanswered = self._pending.pop(key, None)
            if unanswered is None and len(self._pending) >= MAX_PENDING:
                unanswered = self._pending.pop(next(iter(self._pending)))
            self._pending[key] = _Call(
                label(params.get("name")) or "(unnamed)",
                storable(params.get("arguments", {})) if self._recording.arguments else None,
                self._now(),
                self._monotonic(),
            )
        elif message["method"] == "notifications/cancelled":
            call = self._pending.get(_key(params.get("requestId")))
            if call is not None:
                call.cancelled = True
        return self._event(unanswered, "no_response") if unanswered else None

    def _answer(self, message: dict[str, Any]) -> Event | None:
        result = _object(message.get("result"))
        info = result.get("serverInfo") or _object(result.get("_meta")).get(_SERVER_INFO)
        self._server = label(_object(info).get("name")) or self._server
        call = self._pending.pop(_key(message.get("id")), None)
        if call is None:
            return None
        latency_ms = round((self._monotonic() - call.started_seconds) * 1000, 3)
        if "error" in message:
            code = _object(message["error"]).get("code")
            return self._event(call, "error", latency_ms, errorCode=storable(code))
        outcome = "tool_error" if result.get("isError") is True else "ok"
        if result.get("resultType") == "input_required":
            outcome = "input_required"  # the client will call again, with what is asked for
        kept = {"result": storable(message.get("result"))} if self._recording.results else {}
        return self._event(call, outcome, latency_ms, **kept)

    def _event(
        self, call: _Call, outcome: str, latency_ms: float | None = None, **metadata: Any
    ) -> Event:
        if call.cancelled:
            metadata["cancelled"] = True
        if self._recording.arguments:
            metadata["arguments"] = call.arguments
        event: Event = {
            "type": "tool_call",
            "toolName": call.tool,
            "serverId": self._recording.server or self._server or self._recording.command,
            "sessionId": self._recording.session,
            "action": "log" if latency_ms is None else "allow",
            "timestamp": iso(call.at),
            "metadata": {"outcome": outcome, **metadata},
        }
        if self._client is not None:
            event["agentId"] = self._client
        if latency_ms is not None:
            event["latencyMs"] = latency_ms
        return event


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _key(request_id: Any) -> bytes:
    """Return a key that tells 1 from "1"."""
    try:
        return orjson.dumps(request_id)
    except TypeError:  # beyond 64 bits, or not UTF-8
        return repr(request_id).encode(errors="replace")
