"""Tools' calls and definitions out of the messages between an MCP client and its server. No I/O.

Both versions of the protocol are read: with an ``initialize`` handshake (up to 2025-11-25), and
with the peers' names in ``_meta`` (2026-07-28).
See https://modelcontextprotocol.io/specification.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any, Final, Protocol

from tocsin.cli.mcp.definitions import Definitions, annotations
from tocsin.cli.mcp.meta import CLIENT_INFO, SERVER_INFO, asks_in_forms
from tocsin.cli.mcp.telling import ONE, Call, Caller, Event, Recording, Telling
from tocsin.cli.mcp.values import label, messages, storable

__all__ = [
    "CANCELLED_SECONDS",
    "MAX_PENDING",
    "Begun",
    "Calls",
    "Ended",
    "Key",
    "Noted",
    "Pinned",
    "Recording",
    "Step",
    "request_key",
]

MAX_PENDING: Final = 10_000
"""How many calls may wait for answers; beyond this the oldest is recorded as unanswered."""

CANCELLED_SECONDS: Final = 1.0
"""How long a cancelled call may still be answered; then it is recorded as unanswered."""

_BROKEN_SECONDS: Final = 600.0  # as long may a stream that broke off be resumed

_LIKE_A_MESSAGE: Final = re.compile(rb"(\[\s*)?\{")
_TASK_METHODS: Final = frozenset({"tasks/get", "tasks/result", "tasks/cancel"})
_TASK_ENDS: Final = {"completed": "ok", "failed": "tool_error", "cancelled": "no_response"}

type Key = tuple[str, str, Any]


class Pinned(Protocol):
    """Holds what a server says of its tools against what it said."""

    def seen(self, tools: list[Any], last: bool) -> dict[str, str]:
        """Take a list's tools, or the ``last`` part's; return the pinned hashes by name."""

    def blind(self) -> None:
        """Note that the server said what can't be read."""


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


class Calls:
    """Matches answers with calls; safe to use from the threads of both directions."""

    def __init__(
        self,
        recording: Recording,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        pinned: Pinned | None = None,
    ) -> None:
        """``now`` and ``monotonic`` (seconds) are the clocks."""
        self._monotonic = monotonic
        self._telling = Telling(recording, now, monotonic)
        self._pinned = pinned
        self._lock = Lock()
        self._pending: dict[Key, Call] = {}  # by request id, in the order of the calls
        self._held: dict[Key, Call] = {}
        self._tasks: dict[str, Call] = {}  # by task id: answered, but not done
        self._asked: dict[Key, tuple[str, str]] = {}  # method and task, by request id
        self._ending: dict[Key, float] = {}  # when they count as unanswered
        self._lists: set[Key] = set()  # the requests for lists of tools that are open
        self._eliciting: dict[str, bool] = {}  # whether a legacy client can ask its user, by scope
        self._definitions = Definitions()
        self._annotations: dict[str, dict[str, bool | str]] = {}  # what the server says of tools
        self._finished = False
        self._continuing: dict[tuple[str, Any], str | None] = {}  # calls' ids, by mark and state

    def from_client(self, line: bytes, caller: Caller = ONE) -> list[Step]:
        """Take a line on its way to the server; return what begins, and what ends unanswered."""
        with self._lock:
            requests = [message for message in messages(line) if "method" in message]
            return [step for message in requests for step in self._request(message, caller)]

    def from_server(self, line: bytes, caller: Caller = ONE) -> list[Step]:
        """Take a line on its way to the client; return the calls that it ends, and what is new."""
        steps = list[Step]()
        with self._lock:
            found = messages(line)
            if self._pinned is not None:
                self._look_for_tools(line, found, self._pinned)
            for message in found:
                step = self._from_server(message, caller.scope)
                steps += [] if step is None else [step]
                steps += self._defined(message, caller)
        return steps

    def holds(self, message: dict[str, Any], caller: Caller, id: str) -> list[Step]:
        """Take a call that waits to be decided; ``id`` is its id where its client gave none.

        It goes on with :meth:`from_client`, or ends with :meth:`refused`.
        """
        with self._lock:
            self._name(_object(message.get("params")), caller)
            call = self._telling.begun(_object(message.get("params")), caller, id)
            call.held = True
            self._held[request_key(caller.scope, message.get("id"))] = call
            return [Begun(call.number, self._telling.event(call, "held"))]

    def refused(
        self,
        message: dict[str, Any],
        outcome: str = "session_suspended",
        caller: Caller = ONE,
        **metadata: Any,
    ) -> list[Step]:
        """Take a call that does not reach the server; return its beginning and its end."""
        with self._lock:
            call = self._held.pop(request_key(caller.scope, message.get("id")), None)
            if self._finished:
                return []  # it was told already, as held
            begun = list[Step]()
            if call is None:
                call = self._telling.begun(_object(message.get("params")), caller)
                call.held = True
                begun = [Begun(call.number, self._telling.event(call, outcome, **metadata))]
            else:
                self._telling.let_go(call)
                call.held = True
            return [*begun, Ended(call.number, self._telling.event(call, outcome, **metadata))]

    def failed(
        self, message: dict[str, Any], caller: Caller, resumable: bool = False, **metadata: Any
    ) -> list[Step]:
        """Note that the answer to a request ended without what the protocol wants.

        Where it can be resumed it may come later.
        """
        with self._lock:
            key = request_key(caller.scope, message.get("id"))
            if key not in self._pending:
                return []
            if resumable:
                self._ending.setdefault(key, self._monotonic() + _BROKEN_SECONDS)
                return []
            outcome = "error" if metadata else "no_response"
            return [self._ended(self._pending.pop(key), outcome, **metadata)]

    def gone(self, scope: str) -> list[Step]:
        """Note that nothing more is said in a scope; return the calls that end by that."""
        with self._lock:
            keys = [key for key in self._pending if key[0] == scope]
            steps = [self._ended(self._pending.pop(key), "no_response") for key in keys]
            self._telling.clients.pop(scope, None)
            self._eliciting.pop(scope, None)
            self._lists = {key for key in self._lists if key[0] != scope}
            return list(steps)

    def moved(self, scope: str, to: str) -> None:
        """Have a scope's client go on in another one: its session has got an id."""
        with self._lock:
            if scope in self._telling.clients:
                _bounded(self._telling.clients)[to] = self._telling.clients.pop(scope)
            if scope in self._eliciting:
                _bounded(self._eliciting)[to] = self._eliciting.pop(scope)

    def elicits(self, scope: str) -> bool:
        """Whether the client of a scope said in its handshake that it can ask its user."""
        return self._eliciting.get(scope, False)

    def continued(self, params: dict[str, Any]) -> tuple[bool, str | None]:
        """Say once whether a call goes on with one that the server asked for input, and its id.

        It is the same tool with the same arguments, and the server's state; see
        https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr.
        """
        with self._lock:
            mark, state = self._telling.mark(params), params.get("requestState")
            if mark is None or not isinstance(state, str | None):
                return False, None
            if (mark, state) not in self._continuing:
                return False, None
            return True, self._continuing.pop((mark, state))

    def annotations(self, tool: str) -> dict[str, bool | str]:
        """Return what the server declared of a tool when it was listed last."""
        return self._annotations.get(tool, {})

    def who(self, caller: Caller) -> tuple[str, str, str]:
        """Return a caller's agent and session, and the server's name."""
        telling = self._telling
        agent = telling.agent(caller) or "tocsin mcp"
        return agent, telling.recording.session, telling.named_server()

    def overdue(self) -> list[Step]:
        """Return the calls that were cancelled too long ago to be answered."""
        with self._lock:
            now = self._monotonic()
            steps: list[Step] = []
            for key, until in list(self._ending.items()):
                if key not in self._pending:
                    del self._ending[key]  # answered meanwhile
                elif until <= now:
                    del self._ending[key]
                    steps.append(self._ended(self._pending.pop(key), "no_response"))
            return steps

    @property
    def cancelling(self) -> bool:
        """Whether there may be calls that :meth:`overdue` will return later."""
        return bool(self._ending)

    def finish(self) -> list[Step]:
        """Return the calls, and tasks, that never ended. It is called last."""
        with self._lock:
            waiting = [*self._pending.values(), *self._tasks.values(), *self._held.values()]
            calls = sorted(waiting, key=lambda call: call.number)
            self._pending, self._tasks, self._held = {}, {}, {}
            self._ending.clear()
            self._finished = True
            return [self._ended(call, "held" if call.held else "no_response") for call in calls]

    def _name(self, params: dict[str, Any], caller: Caller) -> None:
        info = params.get("clientInfo") or _object(params.get("_meta")).get(CLIENT_INFO)
        if name := label(_object(info).get("name")):
            _bounded(self._telling.clients)[caller.scope] = name

    def _request(self, message: dict[str, Any], caller: Caller) -> Iterator[Step]:
        params, scope = _object(message.get("params")), caller.scope
        self._name(params, caller)
        key = request_key(scope, message.get("id"))
        if message["method"] == "tools/call" and "id" in message:
            unanswered = self._pending.pop(key, None)
            if unanswered is None and len(self._pending) >= MAX_PENDING:
                unanswered = self._pending.pop(next(iter(self._pending)))
            if unanswered is not None:
                yield self._ended(unanswered, "no_response")
            call = self._held.pop(key, None)
            if call is None:
                call = self._telling.begun(params, caller)
            else:
                self._telling.let_go(call)
            self._pending[key] = call
            self._ending.pop(key, None)
            yield Begun(call.number, self._telling.event(call, "no_response"))
        elif message["method"] == "tools/list" and "id" in message:
            if len(self._lists) < MAX_PENDING:
                self._lists.add(key)
        elif message["method"] in _TASK_METHODS and "id" in message:
            task = params.get("taskId")
            if isinstance(task, str) and task in self._tasks:
                if len(self._asked) >= MAX_PENDING:
                    del self._asked[next(iter(self._asked))]
                self._asked[key] = (message["method"], task)
        elif message["method"] == "notifications/cancelled":
            key = request_key(scope, params.get("requestId"))
            if key in self._pending:
                self._pending[key].cancelled = True
                self._ending[key] = self._monotonic() + CANCELLED_SECONDS
        elif message["method"] == "initialize":
            _bounded(self._eliciting)[scope] = asks_in_forms(params.get("capabilities"))

    def _defined(self, message: dict[str, Any], caller: Caller) -> list[Step]:
        """Return what is new in an answer to a request for the list of tools, or for a part."""
        key = request_key(caller.scope, message.get("id"))
        if "method" in message or key not in self._lists:
            return []
        self._lists.discard(key)
        result = _object(message.get("result"))
        tools = result.get("tools")
        if not isinstance(tools, list):
            return []
        for name, declared in annotations(tools):
            self._annotations.pop(name, None)
            _bounded(self._annotations)[name] = declared
        pinned = dict[str, str]()
        if self._pinned is not None:
            pinned = self._pinned.seen(tools, not result.get("nextCursor"))
        return [
            Noted(self._telling.defined(name, caller, digest, pinned.get(name)))
            for name, digest in self._definitions.new(tools)
        ]

    def unread(self) -> None:
        """Note that the server said what could not be read."""
        if self._pinned is not None:
            self._pinned.blind()

    def _look_for_tools(self, line: bytes, found: list[dict[str, Any]], pinned: Pinned) -> None:
        """Show what is pinned each list of tools that some client could find in a line.

        Clients differ in how they match ids and names, and where they take a line to end.
        """
        text = line.strip()
        if not found and _LIKE_A_MESSAGE.match(text):
            pinned.blind()
        for piece in text.split(b"\r") if b"\r" in text else ():
            found = [*found, *messages(piece)]
        for message in found:
            for result in _by_name(message, "result"):
                for tools in _by_name(result, "tools"):
                    if isinstance(tools, list):
                        pinned.seen(tools, False)

    def _from_server(self, message: dict[str, Any], scope: str) -> Step | None:
        if "method" not in message:
            return self._answer(message, scope)
        if message["method"] == "notifications/tasks/status":
            params = _object(message.get("params"))
            return self._task_is(params.get("taskId"), params)
        return None

    def _answer(self, message: dict[str, Any], scope: str) -> Step | None:
        result = _object(message.get("result"))
        info = result.get("serverInfo") or _object(result.get("_meta")).get(SERVER_INFO)
        self._telling.server = label(_object(info).get("name")) or self._telling.server
        key = request_key(scope, message.get("id"))
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

    def _becomes_task(self, call: Call, task: str, result: dict[str, Any]) -> Step | None:
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
            call.cancelled = True
            return self._ended(call, outcome)
        if "result" in told or "error" in told:  # the newer protocol has both in the status
            return self._done(call, told)
        return self._ended(call, outcome, self._telling.latency_ms(call))

    def _done(self, call: Call, message: dict[str, Any]) -> Step:
        latency_ms = self._telling.latency_ms(call)
        if "error" in message:
            code = _object(message["error"]).get("code")
            return self._ended(call, "error", latency_ms, errorCode=storable(code))
        result = _object(message.get("result"))
        outcome = "tool_error" if result.get("isError") is True else "ok"
        if result.get("resultType") == "input_required":
            outcome = "input_required"  # the client will call again, with what is asked for
            state = result.get("requestState")
            if call.mark and isinstance(state, str | None):
                _bounded(self._continuing)[call.mark, state] = call.tool_call_id
        recorded = self._telling.recording.results
        kept = {"result": storable(message.get("result"))} if recorded else {}
        return self._ended(call, outcome, latency_ms, **kept)

    def _ended(
        self, call: Call, outcome: str, latency_ms: float | None = None, **metadata: Any
    ) -> Ended:
        return Ended(call.number, self._telling.event(call, outcome, latency_ms, **metadata))


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _by_name(value: Any, name: str) -> list[Any]:
    """Return what stands in an object under a name, however it is written."""
    fields = _object(value)
    return [fields[key] for key in fields if key.casefold() == name]


def _bounded[K, V](scopes: dict[K, V]) -> dict[K, V]:
    """Return what is known of scopes, or of calls, with room for one more."""
    if len(scopes) >= MAX_PENDING:
        del scopes[next(iter(scopes))]
    return scopes


def _task_made(result: dict[str, Any]) -> str | None:
    """Return the id of the task that a result says a call was turned into."""
    task = result if result.get("resultType") == "task" else _object(result.get("task"))
    inner = _object(task.get("task")) or task
    identifier = inner.get("taskId")
    return identifier if isinstance(identifier, str) and identifier else None


def request_key(scope: str, request_id: Any) -> Key:
    """Return a key that tells 1 from "1", and not 7 from 7.0: to JSON these are one number."""
    if isinstance(request_id, str):
        return (scope, "text", request_id)
    if isinstance(request_id, int | float) and not isinstance(request_id, bool):
        return (scope, "number", request_id)
    return (scope, "other", repr(request_id))
