"""Cursor's hooks: https://cursor.com/docs/agent/hooks.

``preToolUse`` comes before any tool and names the call (``tool_use_id``); ``beforeShellExecution``,
``beforeMCPExecution`` and ``beforeReadFile`` come before some, and older versions have only them.
A call is read alike from either, so that one which both tell of is asked about once.
"""

from collections.abc import Mapping
from typing import Any, Final

from tocsin.domain.limits import MAX_NAME_CHARS
from tocsin.wire.intake.hooks.events import call_of, latency_ms, told, type_of
from tocsin.wire.intake.hooks.hook import Hook, Product, Ruling, Whose
from tocsin.wire.intake.hooks.payload import Payload, unfolded

__all__ = ["CURSOR"]

_NAME: Final = "cursor"
_DONE: Final = {"postToolUse": "ok", "postToolUseFailure": "error"}


def _read(payload: Payload, whose: Whose) -> Hook:
    name = payload.text("hook_event_name")
    if name == "preToolUse":
        return _asked(name, payload, whose, payload.needed("tool_name"))
    if name == "beforeShellExecution":
        return _asked(name, payload, whose, "Shell")
    if name == "beforeMCPExecution":
        return _asked(name, payload, whose, f"MCP:{payload.needed('tool_name')}"[:MAX_NAME_CHARS])
    if name in ("beforeReadFile", "beforeTabFileRead"):
        return _asked(name, payload, whose, "Read")
    if name in _DONE:
        return _after(name, payload, whose, _DONE[name])
    fields = {"type": type_of(_NAME, name), **_names(payload)}
    return Hook(name=name, told=told(_NAME, name, whose, fields, payload))


def _asked(name: str, payload: Payload, whose: Whose, tool: str) -> Hook:
    names = _names(payload)
    if not names["session_id"]:
        payload.needed("conversation_id")
    server = payload.name("mcp_server_name")
    cwd, arguments = payload.text("cwd"), _arguments(payload)
    given: dict[str, Any] = {}
    if tool == "Shell":
        # Only these, since beforeShellExecution has no others; all of them are in the event.
        given = arguments
        arguments = {"command": payload.text("command") or given.get("command")}
        cwd = given.get("working_directory") or cwd
    elif tool == "Read":
        paths = ("file_path", "path", "target_file")
        given = arguments
        path = payload.text("file_path") or next(
            (given[each] for each in paths if isinstance(given.get(each), str)), ""
        )
        cwd, arguments = "", {"file_path": path}
        payload.any("content")  # of the file: it is read, not sent anywhere
    call = call_of(
        whose,
        tool,
        arguments,
        session=names["session_id"],
        cwd=cwd if isinstance(cwd, str) else "",
        tool_call_id=payload.name("tool_use_id"),
        run_id=names["run_id"],
    )
    first = name == "preToolUse"
    fields = {
        "type": "tool_call" if first else type_of(_NAME, name),
        "direction": "request" if first else "",
        "model": names["model"],
        "user_id": names["user_id"],
    }
    said = told(_NAME, name, whose, fields, payload)
    if given:
        said["metadata"]["tool_input"] = given
    return Hook(name=name, told=said, call=call, server=server)


def _after(name: str, payload: Payload, whose: Whose, status: str) -> Hook:
    tool = payload.name("tool_name")
    call = call_of(whose, tool, _arguments(payload), session="", cwd=payload.text("cwd"))
    output = payload.any("tool_output" if status == "ok" else "error_message")
    fields = {
        "type": "tool_call" if tool else type_of(_NAME, name),
        "tool_name": tool,
        "tool_call_id": payload.name("tool_use_id"),
        "direction": "response",
        "status": status,
        "latency_ms": latency_ms(payload.peek("duration")),
        "request": call.what,
        "data": unfolded(output),
        **_names(payload),
    }
    return Hook(name=name, told=told(_NAME, name, whose, fields, payload))


def _names(payload: Payload) -> dict[str, str]:
    return {
        "session_id": payload.name("conversation_id") or payload.name("session_id"),
        "run_id": payload.name("generation_id"),
        "model": payload.name("model"),
        "user_id": payload.name("user_email"),
    }


def _arguments(payload: Payload) -> dict[str, Any]:
    """Return the arguments of a tool, which come as an object or as its JSON."""
    found = unfolded(payload.any("tool_input"))
    if isinstance(found, dict):
        return found
    return {} if found is None else {"tool_input": found}


def _ruled(_: str, ruling: Ruling) -> Mapping[str, Any]:
    if ruling.allowed:
        return {"permission": "allow"}
    said = f"Tocsin: {ruling.message}"
    return {"permission": "deny", "user_message": said, "agent_message": said}


def _noted(name: str) -> Mapping[str, Any]:
    if name == "beforeSubmitPrompt":
        return {"continue": True}
    return {"permission": "allow"} if name == "subagentStart" else {}


CURSOR: Final = Product(_NAME, _read, _ruled, _noted)
