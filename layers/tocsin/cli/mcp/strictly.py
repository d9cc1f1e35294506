"""Messages that every peer reads alike. No I/O.

A call that is decided must be the one that is made. Parsers differ in what they make of a key that
stands twice, of numbers beyond a double, of bytes that are not UTF-8, of a carriage return within a
line, and of ``Method`` beside ``method``. What one could read otherwise than another is refused.
"""

from typing import Any, Final

from tocsin.domain.errors import Malformed, TooLarge
from tocsin.wire.intake import strict

__all__ = ["Unclear", "is_call", "read"]

_MESSAGE: Final = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
_CALL: Final = frozenset({"name", "arguments", "_meta", "requestState", "inputResponses", "task"})
_CALL_METHOD: Final = "tools/call"


class Unclear(ValueError):
    """Another parser might read something else."""


def read(line: bytes) -> list[dict[str, Any]]:
    """Return a line's message, or those of a batch; raises :class:`Unclear`."""
    text = line.removesuffix(b"\r")
    if b"\r" in text or b"\n" in text:
        raise Unclear("a line end within a message")
    return read_body(text)


def read_body(body: bytes) -> list[dict[str, Any]]:
    """Return the message of a request's body, or those of a batch; raises :class:`Unclear`."""
    try:
        value = strict.value_of(body)
    except (Malformed, TooLarge) as error:
        raise Unclear(str(error)) from error
    found = value if isinstance(value, list) else [value]
    for message in found:
        if not isinstance(message, dict):
            raise Unclear("a message is an object of JSON")
        _check(message, _MESSAGE)
        if is_call(message) and isinstance(message.get("params"), dict):
            _check(message["params"], _CALL)
    return found


def is_call(message: dict[str, Any]) -> bool:
    """Whether a message calls a tool."""
    return message.get("method") == _CALL_METHOD


def _check(fields: dict[str, Any], known: frozenset[str]) -> None:
    folded = {name.casefold() for name in known}
    for name in fields:
        if name not in known and name.casefold() in folded:
            raise Unclear(f"{name!r} is almost the name of another field")
