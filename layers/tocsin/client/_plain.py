"""Values of any program as JSON that Tocsin takes: bounded, and never an error.

What I-JSON (RFC 7493) can't carry becomes text: integers beyond ±(2^53-1), NaN, infinities, bytes
and whatever else there is in a program. Text and lists that are too long end in ``…``.
"""

from collections.abc import Mapping
from contextlib import suppress
from math import isfinite
from typing import Any, Final

from tocsin.domain.limits import MAX_NAME_CHARS, MAX_SAFE_INTEGER

__all__ = ["name_of", "plain"]

_MAX_CHARS: Final = 50_000  # of one value, with all that is in it: four bytes each at most
_MAX_LEVELS: Final = 16
_CUT: Final = "…"


def plain(value: Any) -> Any:
    """Return the value, or as much of it as an event can hold."""
    return _Plain().of(value, _MAX_LEVELS)


def name_of(value: Any) -> str | None:
    """Return what can stand in a field for names: 1 to 256 characters; None: there is none."""
    if value is None or value == "":
        return None
    text = _unicode(_text(value))
    return text if len(text) <= MAX_NAME_CHARS else text[: MAX_NAME_CHARS - 1] + _CUT


class _Plain:
    def __init__(self) -> None:
        self._left = _MAX_CHARS

    def of(self, value: Any, levels: int) -> Any:
        self._left -= 1
        match value:
            case None | bool():
                return value
            case int() if abs(value) <= MAX_SAFE_INTEGER:
                return int(value)
            case float() if isfinite(value):
                return float(value)
            case str():
                return self._bounded(value)
        if levels and isinstance(value, Mapping):
            return self._object(value, levels - 1)
        if levels and isinstance(value, list | tuple | set | frozenset):
            return self._list(value, levels - 1)
        return self._bounded(_text(value))

    def _object(self, value: Mapping[Any, Any], levels: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        with suppress(Exception):  # of a mapping that is not one, or changes meanwhile
            for key, item in value.items():
                if self._left <= 0:
                    found[_CUT] = True
                    break
                found[self._bounded(key if isinstance(key, str) else _text(key))] = self.of(
                    item, levels
                )
        return found

    def _list(self, value: Any, levels: int) -> list[Any]:
        found: list[Any] = []
        with suppress(Exception):
            for item in value:
                if self._left <= 0:
                    found.append(_CUT)
                    break
                found.append(self.of(item, levels))
        return found

    def _bounded(self, text: str) -> str:
        room = max(self._left, 0)
        self._left -= len(text)
        return _unicode(text if len(text) <= room else text[:room] + _CUT)


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # of a value's own
        return f"<{type(value).__name__}>"


def _unicode(text: str) -> str:
    """Return the text without lone surrogates, which UTF-8 has not."""
    return str(text).encode(errors="replace").decode()
