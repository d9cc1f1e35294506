"""The events that products' payloads become."""

import re
import shlex
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import orjson

from tocsin.domain.approvals import Call
from tocsin.domain.canonical import canonical
from tocsin.domain.limits import MAX_EVENT_BYTES
from tocsin.wire.intake.hooks.hook import Whose
from tocsin.wire.intake.hooks.payload import Payload

__all__ = ["call_of", "fitting", "latency_ms", "server_of", "told", "type_of"]

_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_KIND: Final = re.compile(r"[a-z0-9_-]{1,64}", re.ASCII)
_PATHS: Final = ("file_path", "notebook_path", "absolute_path", "path")
_LARGE_CHARS: Final = (32_768, 4_096, 512)  # what is left out of an event that is too large
_MOST_BYTES: Final = MAX_EVENT_BYTES * 5 // 8  # more is stamped on it
_SERVER: Final = re.compile(r"mcp__(.+?)__", re.DOTALL)


def type_of(product: str, hook: str) -> str:
    """Return the type of an event that is no call: ``claude_code.session_start``."""
    kind = _WORDS.sub("_", hook).lower()
    return f"{product.replace('-', '_')}.{kind if _KIND.fullmatch(kind) else 'other'}"


def told(
    product: str, hook: str, whose: Whose, fields: Mapping[str, Any], payload: Payload
) -> dict[str, Any]:
    """Return an event's fields: those given which say something, and the rest as metadata."""
    said = {name: value for name, value in fields.items() if value is not None and value != ""}
    metadata = {**payload.rest(), "via": product, "hook": hook}
    return {"agent_id": whose.agent, **said, "metadata": metadata}


def call_of(
    whose: Whose,
    tool: str,
    arguments: Any,
    *,
    session: str,
    cwd: str = "",
    tool_call_id: str = "",
    run_id: str = "",
) -> Call:
    """Return the call of a tool; its command and its path stand where policies look for them."""
    command = path = ""
    rest = arguments
    if isinstance(arguments, dict):
        rest = dict(arguments)
        line = arguments.get("command")
        if isinstance(line, str):
            command = rest.pop("command")
        elif isinstance(line, list) and all(isinstance(word, str) for word in line):
            command = shlex.join(line)
        for name in _PATHS:
            if isinstance(arguments.get(name), str) and arguments[name]:
                path = rest.pop(name)
                break
    return Call(
        tool=tool,
        agent=whose.agent,
        owner=whose.owner,
        session=session,
        run_id=run_id,
        tool_call_id=tool_call_id,
        command=command,
        path=path,
        cwd=cwd,
        input=rest if rest or isinstance(rest, int | float) else None,
    )


def server_of(tool: str) -> str:
    """Return the MCP server that has a tool, by the name that three products give it."""
    found = _SERVER.match(tool)
    return found[1] if found else ""


def latency_ms(value: Any) -> float | None:
    """Return how long a call took, if that is what was said."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if number and value >= 0 else None


def fitting(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event that can be stored: of a large one, large texts are named in their place.

    What stands there says how large the text was, and its SHA-256.
    """
    for chars in _LARGE_CHARS:
        if _size_bytes(event) <= _MOST_BYTES:
            return event
        event = {name: _less(value, chars) for name, value in event.items()}
    for name in ("data", "request", "metadata"):
        value = event.get(name)
        if value is not None and _size_bytes(event) > _MOST_BYTES:
            kept = {each: value[each] for each in ("via", "hook") if each in value}
            left_out = {**kept, "left_out": _left_out(orjson.dumps(value))}
            event = {**event, name: left_out}
    return event


def _size_bytes(event: dict[str, Any]) -> int:
    """Return how large an event is as it is stored; of a large one, about."""
    size_bytes = len(orjson.dumps(event))
    return size_bytes if size_bytes > _MOST_BYTES else len(canonical(event))


def _less(value: Any, chars: int) -> Any:
    if isinstance(value, str):
        return _left_out(value.encode()) if len(value) > chars else value
    if isinstance(value, list):
        return [_less(item, chars) for item in value]
    if isinstance(value, dict):
        return {_less(name, chars): _less(item, chars) for name, item in value.items()}
    return value


def _left_out(content: bytes) -> str:
    return f"[left out: {len(content):,} bytes, SHA-256 {sha256(content).hexdigest()}]"
