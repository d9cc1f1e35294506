"""JSON as MCP peers write it, and as Tocsin takes it."""

import hmac
import json
import math
from typing import Any, Final

import orjson

from tocsin.domain.limits import MAX_DEPTH, MAX_NAME_CHARS, MAX_SAFE_INTEGER

__all__ = ["MAX_VALUE_BYTES", "keyed_hash", "label", "messages", "storable"]

MAX_VALUE_BYTES: Final = 100_000
"""Of one call's arguments, and of its result; together they stay below Tocsin's 256 KB."""

_MAX_LEVELS: Final = MAX_DEPTH - 24  # the value lies some levels deep in its event


def messages(line: bytes) -> list[dict[str, Any]]:
    """Return the JSON-RPC messages of a line: one, those of a batch, or none if it is neither."""
    value: Any
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:  # json takes NaN, lone surrogates and other things that peers accept
            value = json.loads(line)
        except (ValueError, RecursionError):
            return []
    return [item for item in (value if isinstance(value, list) else [value]) if type(item) is dict]


def label(value: Any) -> str | None:
    """Return a name as Tocsin takes it (1 to 256 characters), or None if ``value`` is no name."""
    if not isinstance(value, str) or not value:
        return None
    text = value.encode(errors="replace").decode()
    return text if len(text) <= MAX_NAME_CHARS else text[: MAX_NAME_CHARS - 1] + "…"


def storable(value: Any) -> Any:
    """Return what is recorded of a payload.

    The value itself if it is I-JSON (RFC 7493), as Tocsin demands; otherwise its JSON text as a
    string; and if it is too large, ``{"omitted": "too large", "sizeBytes": …}``.
    """
    try:
        text = json.dumps(value, separators=(",", ":"))
    except RecursionError:
        return {"omitted": "nested too deeply"}
    plain = _is_i_json(value, _MAX_LEVELS)
    if len(text) > (MAX_VALUE_BYTES if plain else MAX_VALUE_BYTES // 2):  # quoting may double it
        return {"omitted": "too large", "sizeBytes": len(text)}
    return value if plain else text


def keyed_hash(key: bytes, value: Any) -> str | None:
    """Return a text that is equal for equal values, and tells nothing of them without the key.

    HMAC-SHA256 (RFC 2104) of the JSON with sorted keys; None: it is nested too deeply.
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        return None
    return hmac.digest(key, text.encode(), "sha256").hex()


def _is_i_json(value: Any, levels: int) -> bool:
    match value:
        case str():
            return _is_unicode(value)
        case bool() | None:
            return True
        case int():
            return abs(value) <= MAX_SAFE_INTEGER
        case float():
            return math.isfinite(value)
        case dict():
            return levels > 0 and all(
                _is_unicode(key) and _is_i_json(item, levels - 1) for key, item in value.items()
            )
        case list():
            return levels > 0 and all(_is_i_json(item, levels - 1) for item in value)
        case _:
            return False


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
