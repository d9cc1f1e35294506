"""Claude Code's hooks: https://code.claude.com/docs/en/hooks.

A call is one in ``PreToolUse``, in ``PermissionRequest`` (before the user is asked) and in
``PostToolUse`` or ``PostToolUseFailure``: by its ``tool_use_id``, which the second may lack.
``decision.behavior`` answers PermissionRequest, ``permissionDecision`` PreToolUse. An ``allow``
there takes the place of the user's own answer, so it is said of what a person has approved alone,
unless the sender wants otherwise; an answer without a decision leaves the call to Claude Code's
own permissions.
"""

from collections.abc import Mapping
from typing import Any, Final

from tocsin.wire.intake.hooks.events import call_of, latency_ms, server_of, told, type_of
from tocsin.wire.intake.hooks.hook import Hook, Product, Ruling, Whose
from tocsin.wire.intake.hooks.payload import Payload

__all__ = ["CLAUDE_CODE", "after", "asked", "other"]

_NAME: Final = "claude-code"
_DONE: Final = {"PostToolUse": "ok", "PostToolUseFailure": "error"}


def _read(payload: Payload, whose: Whose) -> Hook:
    name = payload.text("hook_event_name")
    if name in ("PreToolUse", "PermissionRequest"):
        return asked(_NAME, name, payload, whose)
    if name in _DONE:
        return after(_NAME, name, payload, whose, _DONE[name])
    return other(_NAME, name, payload, whose)


def asked(product: str, name: str, payload: Payload, whose: Whose) -> Hook:
    """Return a hook that is asked about a call."""
    tool = payload.needed("tool_name")
    call = call_of(
        whose,
        tool,
        payload.any("tool_input"),
        session=payload.needed("session_id"),
        cwd=payload.text("cwd"),
        tool_call_id=payload.name("tool_use_id"),
        run_id=payload.name("turn_id"),
    )
    first = name == "PreToolUse"
    fields = {
        "type": "tool_call" if first else type_of(product, name),
        "direction": "request" if first else "",
        "model": payload.name("model"),
    }
    said = told(product, name, whose, fields, payload)
    return Hook(name=name, told=said, call=call, server=server_of(tool))


def after(product: str, name: str, payload: Payload, whose: Whose, status: str) -> Hook:
    """Return a hook that tells of a call's end."""
    tool = payload.name("tool_name")
    call = call_of(whose, tool, payload.any("tool_input"), session="", cwd=payload.text("cwd"))
    answered = "tool_response" if status == "ok" else "error"
    fields = {
        "type": "tool_call" if tool else type_of(product, name),
        "tool_name": tool,
        "tool_call_id": payload.name("tool_use_id"),
        "session_id": payload.name("session_id"),
        "run_id": payload.name("turn_id"),
        "server_id": server_of(tool),
        "model": payload.name("model"),
        "direction": "response",
        "status": status,
        "latency_ms": latency_ms(payload.peek("duration_ms")),
        "request": call.what,
        "data": payload.any(answered),
    }
    return Hook(name=name, told=told(product, name, whose, fields, payload))


def other(product: str, name: str, payload: Payload, whose: Whose) -> Hook:
    """Return a hook of any other kind, known or not, as it is."""
    fields = {
        "type": type_of(product, name),
        "tool_name": payload.name("tool_name"),
        "tool_call_id": payload.name("tool_use_id"),
        "session_id": payload.name("session_id"),
        "run_id": payload.name("turn_id"),
        "model": payload.name("model"),
    }
    return Hook(name=name, told=told(product, name, whose, fields, payload))


def _ruled(name: str, ruling: Ruling) -> Mapping[str, Any]:
    output: dict[str, Any] = {"hookEventName": name}
    if name == "PreToolUse":
        if ruling.granted or not ruling.allowed:
            output["permissionDecision"] = "allow" if ruling.allowed else "deny"
            output["permissionDecisionReason"] = ruling.message
    elif not ruling.allowed:
        output["decision"] = {"behavior": "deny", "message": ruling.message}
    elif ruling.granted:
        output["decision"] = {"behavior": "allow"}
    return {"hookSpecificOutput": output}


def _noted(_: str) -> Mapping[str, Any]:
    return {}


CLAUDE_CODE: Final = Product(_NAME, _read, _ruled, _noted)
