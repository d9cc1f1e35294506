"""JSON that is read and written without any change of value, or not at all."""

import json
from math import isinf
from typing import Any

__all__ = ["dumps", "loads"]


def loads(content: bytes | str) -> Any:
    """Return the value of a JSON text; integers of any length keep their digits.

    Raises:
        ValueError: It is not JSON, or not without loss: a key stands twice, or a number is NaN or
            beyond a double.
    """
    try:
        text = content.decode() if isinstance(content, bytes) else content
        return json.loads(
            text, object_pairs_hook=_object, parse_float=_real, parse_constant=_constant
        )
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def dumps(value: Any) -> bytes:
    """Return the JSON text of what :func:`loads` returned."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half a character: it can only be written as an escape
        return json.dumps(value, separators=(",", ":")).encode()


def _object(items: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(items)
    if len(found) != len(items):
        seen: set[str] = set()
        for name, _ in items:
            if name in seen:
                raise ValueError(f"the key {name!r} stands twice in one object")
            seen.add(name)
    return found


def _real(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise ValueError(f"the number {digits[:24]} is beyond what a double can hold")
    return number


def _constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
