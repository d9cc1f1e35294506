"""A product's payload: JSON that nobody here writes, so what I-JSON can't carry is carried as text.

Integers beyond ±(2^53-1), NaN and infinities become strings, lone surrogates the replacement
character, and what is nested too deep the text of its JSON. What belongs to no field of an event
stands in its ``metadata`` under the product's own name.
"""

import json
import re
from math import isfinite
from typing import Any, Final

from tocsin.domain.errors import Malformed, TooLarge
from tocsin.domain.limits import MAX_BODY_BYTES, MAX_DEPTH, MAX_NAME_CHARS, MAX_SAFE_INTEGER

__all__ = ["Payload", "load", "unfolded"]

_LONE: Final = re.compile("[\ud800-\udfff]")
_MARK: Final = "\N{REPLACEMENT CHARACTER}"
_LEVELS: Final = MAX_DEPTH // 2  # of a payload, which stands within an event
_SAFE_DIGITS: Final = 15
_OURS: Final = frozenset({"via", "hook"})


class Payload:
    """One payload. What was taken out of it is not among the :meth:`rest`.

    ``whole`` says that every text in it is as it was sent.
    """

    def __init__(self, value: dict[str, Any], *, whole: bool = True) -> None:
        self._value = value
        self._taken: set[str] = set()
        self.whole = whole

    def name(self, field: str) -> str:
        """Take a name or an id, of 1 to 256 characters; "" (and it stays) if it is none."""
        value = self._value.get(field)
        if not (isinstance(value, str) and 1 <= len(value) <= MAX_NAME_CHARS):
            return ""
        self._taken.add(field)
        return value

    def needed(self, field: str) -> str:
        """Take a name that a call can't be without.

        Raises:
            Malformed: it is none.
        """
        if not (found := self.name(field)):
            raise Malformed(f"{field} is not a name of 1 to {MAX_NAME_CHARS} characters")
        return found

    def text(self, field: str) -> str:
        """Take a text of any length; "" (and it stays) if it is none."""
        value = self._value.get(field)
        if not isinstance(value, str):
            return ""
        self._taken.add(field)
        return value

    def any(self, field: str) -> Any:
        """Take whatever stands there; None if nothing does."""
        self._taken.add(field)
        return self._value.get(field)

    def peek(self, field: str) -> Any:
        """Return what stands there, and leave it."""
        return self._value.get(field)

    def rest(self) -> dict[str, Any]:
        """Return what was not taken, as an event's metadata can hold it beside our own."""
        return {
            f"{name}_" if name in _OURS else name: value
            for name, value in self._value.items()
            if name not in self._taken
        }


def load(body: bytes) -> Payload:
    """Return the payload that a body holds.

    Raises:
        TooLarge: it is beyond 4 MB, or nested beyond what can be read.
        Malformed: it is not a JSON object in UTF-8.
    """
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(f"the payload is {len(body):,} bytes and the limit {MAX_BODY_BYTES:,}")
    try:
        value, whole = _carried(body.decode())
    except UnicodeDecodeError as error:
        raise Malformed("the payload is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"the payload is not JSON: {error}") from error
    except RecursionError as error:
        raise TooLarge("the payload is nested too deep") from error
    if not isinstance(value, dict):
        raise Malformed("the payload is not a JSON object")
    return Payload(value, whole=whole)


def unfolded(value: Any) -> Any:
    """Return the object that a text is the JSON of; any other value as it is."""
    if not isinstance(value, str):
        return value
    try:
        found, whole = _carried(value)
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, dict) and whole else value


def _carried(text: str) -> tuple[Any, bool]:
    """Return a JSON text's value, and whether every string in it is as it was sent."""
    whole = True

    def carried(value: Any, levels: int) -> Any:
        nonlocal whole
        if isinstance(value, str):
            if value.isascii() or not _LONE.search(value):
                return value
            whole = False
            return _LONE.sub(_MARK, value)
        if not isinstance(value, dict | list):
            return value
        if levels == 0:
            return carried(json.dumps(value), 0)
        if isinstance(value, list):
            return [carried(item, levels - 1) for item in value]
        return {carried(name, 0): carried(item, levels - 1) for name, item in value.items()}

    found = json.loads(text, parse_int=_integer, parse_float=_real, parse_constant=str)
    return carried(found, _LEVELS), whole


def _integer(digits: str) -> int | str:
    if len(digits) <= _SAFE_DIGITS:
        return int(digits)
    if len(digits) <= _SAFE_DIGITS + 2 and -MAX_SAFE_INTEGER <= int(digits) <= MAX_SAFE_INTEGER:
        return int(digits)
    return digits


def _real(digits: str) -> float | str:
    number = float(digits)
    return number if isfinite(number) else digits
