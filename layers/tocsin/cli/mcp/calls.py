"""Tools' calls and definitions out of the messages between an MCP client and its server. No I/O.

Both versions of the protocol are read: with an ``initialize`` handshake (up to 2025-11-25), and
with the peers' names in ``_meta`` (2026-07-28).
See https://modelcontextprotocol.io/specification.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from secrets import token_bytes
from threading import Lock
from typing import Any, Final

from tocsin.cli.mcp.definitions import Definitions
from tocsin.cli.mcp.values import keyed_hash, label, messages, storable
from tocsin.domain.times import iso

__all__ = [
    "CANCELLED_SECONDS",
    "MAX_PENDING",
    "Begun",
    "Calls",
    "Ended",
    "Noted",
    "Recording",
    "Step",
]

MAX_PENDING: Final = 10_000
"""How many calls may wait for answers; beyond this the oldest is recorded as unanswered."""

_CLIENT_INFO: Final = "io.modelcontextprotocol/clientInfo"
_SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"

CANCELLED_SECONDS: Final = 1.0
"""How long a cancelled call may still be answered; then it is recorded as unanswered."""

_TASK_METHODS: Final = frozenset({"tasks/get", "tasks/result", "tasks/cancel"})
_TASK_ENDS: Final = {"completed": "ok", "failed": "tool_error", "cancelled": "no_response"}

type Event = dict[str, Any]
type _Key = tuple[str, Any]


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
class Begun:
    """A call that has begun: what is recorded of it if nothing more is heard of it."""

    number: int
    event: Event


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that has ended, and its event."""

    number: int
    event: Event


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that happened beside calls, and its event."""

    event: Event


type Step = Begun | Ended | Noted


@dataclass(slots=True)
class _Call:
    number: int
    tool: str
    arguments: Any
    fingerprint: str | None
    at: datetime
    started_seconds: float
    cancelled_seconds: float | None = None  # when
    task: str | None = None  # its last known status, once the server has made it a task


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
        self._numbers = count(1)
        self._pending: dict[_Key, _Call] = {}  # by request id, in the order of the calls
        self._tasks: dict[str, _Call] = {}  # by task id: answered, but not done
        self._asked: dict[_Key, tuple[str, str]] = {}  # method and task, by request id
        self._cancelled: set[_Key] = set()
        self._lists: set[_Key] = set()  # the requests for lists of tools that are open
        self._definitions = Definitions()
        self._key = token_bytes(32)
        self._client: str | None = None
        self._server: str | None = None

    def from_client(self, line: bytes) -> list[Step]:
        """Take a line on its way to the server; return what begins, and what ends unanswered."""
        with self._lock:
            requests = [message for message in messages(line) if "method" in message]
            return [step for message in requests for step in self._request(message)]

    def from_server(self, line: bytes) -> list[Step]:
        """Take a line on its way to the client; return the calls that it ends, and what is new."""
        steps = list[Step]()
        with self._lock:
            for message in messages(line):
                step = self._from_server(message)
                steps += [] if step is None else [step]
                steps += self._defined(message)
        return steps

    def refused(self, message: dict[str, Any]) -> list[Step]:
        """Take a call that does not reach the server; return its beginning and its end."""
        with self._lock:
            call = self._call(_object(message.get("params")))
            event = self._event(call, "session_suspended") | {"action": "deny"}
            return [Begun(call.number, event), Ended(call.number, event)]

    def overdue(self) -> list[Step]:
        """Return the calls that were cancelled too long ago to be answered."""
        with self._lock:
            latest = self._monotonic() - CANCELLED_SECONDS
            steps: list[Step] = []
            for key in list(self._cancelled):
                call = self._pending.get(key)
                if call is None or call.cancelled_seconds is None:
                    self._cancelled.discard(key)  # answered meanwhile
                elif call.cancelled_seconds <= latest:
                    self._cancelled.discard(key)
                    steps.append(self._ended(self._pending.pop(key), "no_response"))
            return steps

    @property
    def cancelling(self) -> bool:
        """Whether there may be calls that :meth:`overdue` will return later."""
        return bool(self._cancelled)

    def finish(self) -> list[Step]:
        """Return the calls that were never answered, and the tasks that never ended."""
        with self._lock:
            calls = sorted(
                [*self._pending.values(), *self._tasks.values()], key=lambda call: call.number
            )
            self._pending, self._tasks = {}, {}
            self._cancelled.clear()
            return [self._ended(call, "no_response") for call in calls]

    def _request(self, message: dict[str, Any]) -> Iterator[Step]:
        params = _object(message.get("params"))
        info = params.get("clientInfo") or _object(params.get("_meta")).get(_CLIENT_INFO)
        self._client = label(_object(info).get("name")) or self._client
        if message["method"] == "tools/call" and "id" in message:
            key = _key(message["id"])
            unanswered = self._pending.pop(key, None)
            if unanswered is None and len(self._pending) >= MAX_PENDING:
                unanswered = self._pending.pop(next(iter(self._pending)))
            if unanswered is not None:
                yield self._ended(unanswered, "no_response")
            call = self._pending[key] = self._call(params)
            yield Begun(call.number, self._event(call, "no_response"))
        elif message["method"] == "tools/list" and "id" in message:
            if len(self._lists) < MAX_PENDING:
                self._lists.add(_key(message["id"]))
        elif message["method"] in _TASK_METHODS and "id" in message:
            task = params.get("taskId")
            if isinstance(task, str) and task in self._tasks:
                if len(self._asked) >= MAX_PENDING:
                    del self._asked[next(iter(self._asked))]
                self._asked[_key(message["id"])] = (message["method"], task)
        elif message["method"] == "notifications/cancelled":
            key = _key(params.get("requestId"))
            if key in self._pending:
                self._pending[key].cancelled_seconds = self._monotonic()
                self._cancelled.add(key)

    def _call(self, params: dict[str, Any]) -> _Call:
        arguments, recorded = params.get("arguments", {}), self._recording.arguments
        return _Call(
            next(self._numbers),
            label(params.get("name")) or "(unnamed)",
            storable(arguments) if recorded else None,
            keyed_hash(self._key, arguments) if arguments and not recorded else None,
            self._now(),
            self._monotonic(),
        )

    def _defined(self, message: dict[str, Any]) -> list[Step]:
        """Return what is new in an answer to a request for the list of tools, or for a part."""
        key = _key(message.get("id"))
        if "method" in message or key not in self._lists:
            return []
        self._lists.discard(key)
        found = self._definitions.new(_object(message.get("result")).get("tools"))
        at = self._now()
        return [
            Noted(
                self._of_a_tool(name, at)
                | {
                    "type": "mcp.tool_definition",
                    "action": "log",
                    "metadata": {"definition_sha256": digest},
                }
            )
            for name, digest in found
        ]

    def _from_server(self, message: dict[str, Any]) -> Step | None:
        if "method" not in message:
            return self._answer(message)
        if message["method"] == "notifications/tasks/status":
            params = _object(message.get("params"))
            return self._task_is(params.get("taskId"), params)
        return None

    def _answer(self, message: dict[str, Any]) -> Step | None:
        result = _object(message.get("result"))
        info = result.get("serverInfo") or _object(result.get("_meta")).get(_SERVER_INFO)
        self._server = label(_object(info).get("name")) or self._server
        key = _key(message.get("id"))
        call = self._pending.pop(key, None)
        method, task = self._asked.pop(key, ("", ""))
        if call is not None:
            if made := _task_made(result):
                return self._becomes_task(call, made, result)
            return self._done(call, message)
        if task not in self._tasks:
            return None
        if method == "tasks/result":
            return self._done(self._tasks.pop(task), message)
        return self._task_is(task, result)  # an error says nothing about the call

    def _becomes_task(self, call: _Call, task: str, result: dict[str, Any]) -> Step | None:
        """Wait for the end of the task that a call was turned into."""
        over = self._tasks.pop(task, None)
        if over is None and len(self._tasks) >= MAX_PENDING:
            over = self._tasks.pop(next(iter(self._tasks)))
        self._tasks[task] = call
        call.task = "working"
        at_once = self._task_is(task, result)
        return at_once or (self._ended(over, "no_response") if over else None)

    def _task_is(self, task: Any, told: dict[str, Any]) -> Step | None:
        """Take note of a task's status; return the call's end if it is the last one."""
        call = self._tasks.get(task) if isinstance(task, str) else None
        if call is None:
            return None
        told = told if "status" in told else _object(told.get("task"))
        call.task = label(told.get("status")) or call.task
        outcome = _TASK_ENDS.get(call.task or "")
        if outcome is None:
            return None
        del self._tasks[task]
        if call.task == "cancelled":
            call.cancelled_seconds = self._monotonic()
            return self._ended(call, outcome)
        if "result" in told or "error" in told:  # the newer protocol has both in the status
            return self._done(call, told)
        return self._ended(call, outcome, self._latency_ms(call))

    def _done(self, call: _Call, message: dict[str, Any]) -> Step:
        latency_ms = self._latency_ms(call)
        if "error" in message:
            code = _object(message["error"]).get("code")
            return self._ended(call, "error", latency_ms, errorCode=storable(code))
        result = _object(message.get("result"))
        outcome = "tool_error" if result.get("isError") is True else "ok"
        if result.get("resultType") == "input_required":
            outcome = "input_required"  # the client will call again, with what is asked for
        kept = {"result": storable(message.get("result"))} if self._recording.results else {}
        return self._ended(call, outcome, latency_ms, **kept)

    def _latency_ms(self, call: _Call) -> float:
        return round((self._monotonic() - call.started_seconds) * 1000, 3)

    def _ended(
        self, call: _Call, outcome: str, latency_ms: float | None = None, **metadata: Any
    ) -> Ended:
        return Ended(call.number, self._event(call, outcome, latency_ms, **metadata))

    def _event(
        self, call: _Call, outcome: str, latency_ms: float | None = None, **metadata: Any
    ) -> Event:
        if call.cancelled_seconds is not None:
            metadata["cancelled"] = True
        if call.task is not None:
            metadata["task"] = call.task
        if self._recording.arguments:
            metadata["arguments"] = call.arguments
        if call.fingerprint is not None:
            metadata["arguments_fingerprint"] = call.fingerprint
        event = self._of_a_tool(call.tool, call.at) | {
            "type": "tool_call",
            "action": "log" if latency_ms is None else "allow",
            "metadata": {"outcome": outcome, **metadata},
        }
        if latency_ms is not None:
            event["latencyMs"] = latency_ms
        return event

    def _of_a_tool(self, tool: str, at: datetime) -> Event:
        """Return what all events say of a tool, and of whom they are."""
        event: Event = {
            "toolName": tool,
            "serverId": self._recording.server or self._server or self._recording.command,
            "sessionId": self._recording.session,
            "timestamp": iso(at),
        }
        if agent := self._recording.agent or self._client:
            event["agentId"] = agent
        return event


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _task_made(result: dict[str, Any]) -> str | None:
    """Return the id of the task that a result says a call was turned into."""
    task = result if result.get("resultType") == "task" else _object(result.get("task"))
    inner = _object(task.get("task")) or task
    identifier = inner.get("taskId")
    return identifier if isinstance(identifier, str) and identifier else None


def _key(request_id: Any) -> _Key:
    """Return a key that tells 1 from "1", and not 7 from 7.0: to JSON these are one number."""
    if isinstance(request_id, str):
        return ("text", request_id)
    if isinstance(request_id, int | float) and not isinstance(request_id, bool):
        return ("number", request_id)
    return ("other", repr(request_id))
