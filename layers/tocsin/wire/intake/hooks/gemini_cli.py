"""Gemini CLI's hooks: https://geminicli.com/docs/hooks/reference.

Its calls have no id: what came before and after one belong together by their order.
"""

from collections.abc import Mapping
from typing import Any, Final

from tocsin.domain.times import time_ms
from tocsin.wire.intake.hooks.events import call_of, server_of, told, type_of
from tocsin.wire.intake.hooks.hook import Hook, Product, Ruling, Whose
from tocsin.wire.intake.hooks.payload import Payload

__all__ = ["GEMINI_CLI"]

_NAME: Final = "gemini-cli"


def _read(payload: Payload, whose: Whose) -> Hook:
    name = payload.text("hook_event_name")
    at = payload.peek("timestamp")
    known = isinstance(at, str) and time_ms(at) is not None
    when = {"timestamp": payload.text("timestamp") if known else ""}
    if name == "BeforeTool":
        return _before(name, payload, whose, when)
    if name == "AfterTool":
        return _after(name, payload, whose, when)
    fields = {"type": type_of(_NAME, name), "session_id": payload.name("session_id"), **when}
    return Hook(name=name, told=told(_NAME, name, whose, fields, payload))


def _before(name: str, payload: Payload, whose: Whose, when: Mapping[str, str]) -> Hook:
    tool = payload.needed("tool_name")
    call = call_of(
        whose,
        tool,
        payload.any("tool_input"),
        session=payload.needed("session_id"),
        cwd=payload.text("cwd"),
    )
    fields = {"type": "tool_call", "direction": "request", **when}
    said = told(_NAME, name, whose, fields, payload)
    return Hook(name=name, told=said, call=call, server=_server(payload, tool))


def _after(name: str, payload: Payload, whose: Whose, when: Mapping[str, str]) -> Hook:
    tool = payload.name("tool_name")
    call = call_of(whose, tool, payload.any("tool_input"), session="", cwd=payload.text("cwd"))
    response = payload.any("tool_response")
    failed = isinstance(response, dict) and response.get("error")
    fields = {
        "type": "tool_call" if tool else type_of(_NAME, name),
        "tool_name": tool,
        "session_id": payload.name("session_id"),
        "server_id": _server(payload, tool),
        "direction": "response",
        "status": "error" if failed else "ok",
        "request": call.what,
        "data": response,
        **when,
    }
    return Hook(name=name, told=told(_NAME, name, whose, fields, payload))


def _server(payload: Payload, tool: str) -> str:
    context = payload.peek("mcp_context")
    named = context.get("server_name") if isinstance(context, dict) else None
    return named if isinstance(named, str) and 1 <= len(named) <= 256 else server_of(tool)


def _ruled(_: str, ruling: Ruling) -> Mapping[str, Any]:
    if ruling.allowed:
        return {"decision": "allow"}
    return {"decision": "deny", "reason": ruling.message}


def _noted(_: str) -> Mapping[str, Any]:
    return {}


GEMINI_CLI: Final = Product(_NAME, _read, _ruled, _noted)
