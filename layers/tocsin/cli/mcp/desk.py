"""Says what becomes of each message on its way to the server: it passes, waits or is refused.

The same for all transports. Where calls are decided about, or tools pinned, a message that can't be
read as every server would read it does not pass, since a call could be hidden in it.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex
from threading import Lock
from typing import Any, Final

import orjson

from tocsin.cli.mcp import strictly
from tocsin.cli.mcp.calls import Calls, Key, request_key
from tocsin.cli.mcp.held import Elicit, Held
from tocsin.cli.mcp.meta import Meta
from tocsin.cli.mcp.pinning import CHANGED, UNPINNED, Pinning
from tocsin.cli.mcp.policies import Policies, Question
from tocsin.cli.mcp.recorder import Recorder
from tocsin.cli.mcp.rulings import (
    INVALID,
    PARAMS,
    PARSE,
    PASS,
    REFUSED,
    Asker,
    Reply,
    Ruling,
    error,
)
from tocsin.cli.mcp.telling import Caller
from tocsin.cli.mcp.values import messages
from tocsin.domain.limits import MAX_NAME_CHARS, MAX_SMALL_BODY_BYTES

__all__ = ["MAX_HELD", "Desk", "Rules"]

MAX_HELD: Final = 200
"""Calls that may wait at once."""

_MAX_HELD_BYTES: Final = 512 * 1024  # of a call that is to be decided; Tocsin takes half of it
_MAX_STATES: Final = 1_000
_STATE: Final = "tocsin:"
_ASKED: Final = "tocsin"  # our name for what the client's user is asked
_CLOSE_SECONDS: Final = 10.0
_WHY: Final = {
    CHANGED: "the server does not describe this tool as it did: look at it with `tocsin pins "
    "show`, pin it with `tocsin pins accept`, and call again",
    UNPINNED: "this tool is not pinned: list the server's tools, look at it with `tocsin pins "
    "show`, pin it with `tocsin pins accept`, and call again",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """How calls are decided.

    ``suspended`` is asked where there are no ``policies``.
    """

    suspended: Callable[[], bool]
    policies: Policies | None = None
    fail_open: bool = False
    elicit: Elicit = Elicit.NO
    pinning: Pinning | None = None


@dataclass(frozen=True, slots=True)
class _State:
    """A call whose client was told to ask its user and to call again."""

    mark: bytes
    tool_call_id: str
    approval: str


class Desk:
    """For the threads that take messages from clients."""

    def __init__(self, calls: Calls, recorder: Recorder, rules: Rules) -> None:
        self._calls = calls
        self._recorder = recorder
        self._rules = rules
        self._lock = Lock()
        self._held: dict[Key, Held] = {}
        self._states: OrderedDict[str, _State] = OrderedDict()

    def judge(self, body: bytes, caller: Caller, asker: Asker, lines: bool) -> Ruling | Held:
        """Return what becomes of a message, or the call that waits for that, to be started.

        ``lines`` says that the message is a line, and that its peers look for ends of lines.
        """
        if not body.strip():
            return PASS
        if self._rules.policies is None and self._rules.pinning is None:
            return self._unless_suspended(body, caller)
        try:
            found = (strictly.read if lines else strictly.read_body)(body)
        except strictly.Unclear as unclear:
            return self._unclear(body, caller, str(unclear))
        calls = [message for message in found if strictly.is_call(message)]
        if len(found) == 1 and body.lstrip()[:1] == b"{":
            message = found[0]
            return (
                self._call(message, body, caller, asker) if calls else self._other(message, caller)
            )
        if not calls:
            return PASS
        why = "calls of tools come one by one: send each by itself"
        return Reply([each for call in calls if (each := self._no(call, caller, INVALID, why))])

    def close(self) -> None:
        """Wait for no person any more, and for Tocsin not for long: the client is gone."""
        with self._lock:
            waiting = list(self._held.values())
        for held in waiting:
            held.close()
        until = time.monotonic() + _CLOSE_SECONDS
        for held in waiting:
            held.wait(max(0, until - time.monotonic()))

    def _unless_suspended(self, body: bytes, caller: Caller) -> Ruling:
        """Let all pass, but for calls while the session is suspended."""
        calls = [message for message in messages(body) if strictly.is_call(message)]
        if not calls or not self._rules.suspended():
            return PASS
        found = [each for call in calls if (each := self._no_suspended(call, caller))]
        return Reply(found[0] if len(found) == 1 and body.lstrip()[:1] == b"{" else found or None)

    def _no_suspended(self, call: dict[str, Any], caller: Caller) -> dict[str, Any] | None:
        why = "the session is suspended: a person has to resume it in Tocsin"
        return self._no(call, caller, REFUSED, why, "session_suspended")

    def _other(self, message: dict[str, Any], caller: Caller) -> Ruling:
        """Take a message that calls no tool: some are for the relay alone."""
        if message.get("method") == "notifications/cancelled":
            params = message.get("params")
            id = params.get("requestId") if isinstance(params, dict) else None
            with self._lock:
                held = self._held.get(request_key(caller.scope, id))
            if held is not None:
                held.cancel()
                return Reply()
        elif "method" not in message and str(message.get("id", "")).startswith("tocsin-"):
            with self._lock:
                waiting = list(self._held.values())
            for held in waiting:
                if held.elicited == message["id"]:
                    result = message.get("result")
                    held.answered(result.get("action") if isinstance(result, dict) else None)
            return Reply()
        return PASS

    def _call(
        self, message: dict[str, Any], body: bytes, caller: Caller, asker: Asker
    ) -> Ruling | Held:
        id, params = message.get("id"), message.get("params")
        if type(id) not in (str, int):
            return Reply(self._no(message, caller, INVALID, "a call has an id: text, or a number"))
        if not isinstance(params, dict) or not _is_name(params.get("name")):
            why = f"a tool's name has 1 to {MAX_NAME_CHARS} characters"
            return Reply(self._no(message, caller, PARAMS, why))
        pinning = self._rules.pinning
        if pinning is not None and (wrong := pinning.wrong_with(params["name"])):
            return Reply(self._no(message, caller, REFUSED, _WHY[wrong], wrong))
        if self._rules.policies is None:
            if not self._rules.suspended():
                return PASS
            return Reply(self._no_suspended(message, caller))
        if not isinstance(params.get("arguments", {}), dict):
            return Reply(self._no(message, caller, PARAMS, "arguments are an object"))
        size = len(orjson.dumps(params.get("arguments", {})))
        if len(body) > _MAX_HELD_BYTES or size > MAX_SMALL_BODY_BYTES - 4096:
            why = "the call is too large to be decided about: store large inputs elsewhere"
            return Reply(self._no(message, caller, REFUSED, why, "undecided"))
        return self._decided(message, body, caller, asker, self._rules.policies)

    def _decided(
        self,
        message: dict[str, Any],
        body: bytes,
        caller: Caller,
        asker: Asker,
        policies: Policies,
    ) -> Ruling | Held:
        """Hold a call until it is decided."""
        id, params, key = message["id"], message["params"], request_key(caller.scope, message["id"])
        meta = Meta.of(params)
        state, confirmed, changed = None, False, None
        if isinstance(token := params.get("requestState"), str) and token.startswith(_STATE):
            with self._lock:
                state = self._states.pop(token, None)
            if state is None or state.mark != _mark(params):
                why = "this call was not asked about, or is not the same any more: call anew"
                return Reply(self._no(message, caller, REFUSED, why, "undecided"))
            if _answer(params) != "accept":
                why = "the user has declined this call"
                return Reply(self._no(message, caller, REFUSED, why, "declined"))
            confirmed = True
            rest = {
                name: value
                for name, value in params.items()
                if name not in ("requestState", "inputResponses")
            }
            changed = orjson.dumps(message | {"params": rest})
        continued, known = self._calls.continued(params) if meta.modern else (False, None)
        own = state.tool_call_id if state else known or meta.tool_call_id
        own = own or f"call_{token_hex(12)}"
        agent, session, server = self._calls.who(caller)
        steps = self._calls.holds(message, caller, own)
        question = Question(
            tool=params["name"],
            agent=agent,
            session=session,
            tool_call_id=own,
            server=server,
            arguments=params.get("arguments", {}),
            annotations=self._calls.annotations(params["name"]),
        )
        held = Held(
            policies,
            question,
            id,
            asker,
            changed,
            refused=lambda outcome, more: self._recorder.refused(message, outcome, caller, **more),
            over=lambda _: self._forget(key),
            fail_open=self._rules.fail_open,
            elicit=self._rules.elicit,
            ask_user=self._asking_user(meta, caller, params, own),
            progress=meta.progress,
            approval=state.approval if state else "",
            continued=continued,
            confirmed=confirmed,
        )
        self._recorder.record(steps)
        with self._lock:
            full = len(self._held) >= MAX_HELD
            taken = key in self._held
            if not full and not taken:
                self._held[key] = held
                return held
        why = "the id is another call's" if taken else "too many calls wait: call again later"
        return Reply(self._no(message, caller, REFUSED, why, "undecided"))

    def _asking_user(
        self, meta: Meta, caller: Caller, params: dict[str, Any], tool_call_id: str
    ) -> Callable[[Held, str, str], Reply | None] | None:
        """Return what asks the client's user about a call; None: its client can't."""
        if meta.modern:
            mark = _mark(params)

            def ask_again(held: Held, approval: str, text: str) -> Reply:
                token = f"{_STATE}{token_hex(16)}"
                with self._lock:
                    self._states[token] = _State(mark, tool_call_id, approval)
                    while len(self._states) > _MAX_STATES:
                        self._states.popitem(last=False)
                return Reply(_input_required(held.id, token, text))

            return ask_again if meta.elicits else None

        def ask(held: Held, approval: str, text: str) -> None:
            held.elicits(text)

        return ask if self._calls.elicits(caller.scope) else None

    def _forget(self, key: Key) -> None:
        with self._lock:
            self._held.pop(key, None)

    def _no(
        self,
        call: dict[str, Any],
        caller: Caller,
        code: int,
        why: str,
        outcome: str = "unreadable",
    ) -> dict[str, Any] | None:
        """Record a call that does not pass, and return the error; None: it has no id."""
        self._recorder.refused(call, outcome, caller)
        if "id" not in call:
            return None
        _, session, _ = self._calls.who(caller)
        data = {"reason": outcome, "session": session} if code == REFUSED else {}
        return error(call["id"], code, why, **data)

    def _unclear(self, body: bytes, caller: Caller, why: str) -> Reply:
        text = f"not passed on, since it can be read in several ways: {why[:500]}"
        calls = [message for message in messages(body) if strictly.is_call(message)]
        if not calls:
            return Reply(error(None, PARSE, text))
        found = [each for call in calls if (each := self._no(call, caller, PARSE, text))]
        return Reply(found[0] if len(found) == 1 else found or None)


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and 1 <= len(name) <= MAX_NAME_CHARS


def _mark(params: dict[str, Any]) -> bytes:
    """Return what is the same for the same call."""
    call = [params.get("name"), params.get("arguments") or {}]
    return orjson.dumps(call, option=orjson.OPT_SORT_KEYS)


def _answer(params: dict[str, Any]) -> Any:
    given = params.get("inputResponses")
    answer = given.get(_ASKED) if isinstance(given, dict) else None
    return answer.get("action") if isinstance(answer, dict) else None


def _input_required(id: Any, state: str, text: str) -> dict[str, Any]:
    """Return the result that has a client ask its user and call again (2026-07-28)."""
    schema = {"type": "object", "properties": {}}
    params = {"mode": "form", "message": text, "requestedSchema": schema}
    result = {
        "resultType": "input_required",
        "inputRequests": {_ASKED: {"method": "elicitation/create", "params": params}},
        "requestState": state,
    }
    return {"jsonrpc": "2.0", "id": id, "result": result}
