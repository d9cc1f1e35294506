"""Attributes from which an event's fields are taken; what is left is kept as it is."""

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from tocsin.domain.errors import Malformed, TooLarge
from tocsin.domain.limits import MAX_NAME_CHARS, MAX_SAFE_INTEGER
from tocsin.wire.intake.strict import value_of

__all__ = ["Taking", "structured"]

_MOST_DIGITS: Final = 24
_MOST_PLACE_DIGITS: Final = 6


class Taking:
    """Takes what fits a field; a value of another type or size stays with the others."""

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        """``left`` begins as all of them."""
        self.left = dict(attributes)

    def name(self, *names: str) -> str | None:
        """Take the first that can be an id or a name."""
        for name in names:
            value = self.left.get(name)
            if isinstance(value, str) and 1 <= len(value) <= MAX_NAME_CHARS:
                del self.left[name]
                return value
        return None

    def number(self, *names: str) -> int | float | None:
        """Take the first that is a number from 0 on; it may be text."""
        for name in names:
            value = _number(self.left.get(name))
            if value is not None:
                del self.left[name]
                return value
        return None

    def count(self, *names: str) -> int | None:
        """Take the first that is an integer from 0 on; it may be text."""
        for name in names:
            value = _number(self.left.get(name))
            if value is not None and value == int(value) and value <= MAX_SAFE_INTEGER:
                del self.left[name]
                return int(value)
        return None

    def content(self, *names: str) -> Any:
        """Take the first that is there; text that is JSON of an object or an array is read."""
        for name in names:
            value = self.left.get(name)
            if value is not None and value != "":
                del self.left[name]
                return structured(value)
        return None

    def rows(self, prefix: str, below: str = "") -> list[dict[str, Any]]:
        """Take what stands under ``<prefix>.<number>.<below>``, in the order of the numbers."""
        found: dict[int, dict[str, Any]] = {}
        head = f"{prefix}."
        for name in [name for name in self.left if name.startswith(head)]:
            place, _, rest = name[len(head) :].partition(".")
            key = rest.removeprefix(below)
            if place.isdecimal() and place.isascii() and len(place) <= _MOST_PLACE_DIGITS and key:
                row = found.setdefault(int(place), {})
                if key not in row:  # "0" and "00" are one number
                    row[key] = self.left.pop(name)
        return [found[place] for place in sorted(found)]


def structured(value: Any) -> Any:
    """Return what JSON says, if a value is the text of an object or an array; else itself.

    Text that would not come back the same (a key that stands twice, digits that are lost) stays.
    """
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return value_of(value.encode())
    except (Malformed, TooLarge, UnicodeEncodeError):
        return value


def _number(value: Any) -> int | float | None:
    if isinstance(value, str) and len(value) <= _MOST_DIGITS:
        try:
            value = float(value) if not value.isdecimal() else int(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isfinite(value) and value >= 0 else None
