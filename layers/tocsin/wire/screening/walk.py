"""A JSON value with each of its strings changed, wherever it stands, and no other thing."""

from collections.abc import Callable
from typing import Any, Final

from tocsin.wire.screening.engine import MARK, marker
from tocsin.wire.screening.names import kind_of_name, looks_random

__all__ = ["Change", "Walk"]

type Change = Callable[[str], str]
"""Returns what stands instead of a string."""

_LEAST_CARD: Final = 10**12  # an integer that may be a card's number
_MARK: Final = MARK.decode()


class Walk:
    """Changes a value's strings: also the names in objects, and long integers as they are written.

    With ``kinds``, what has the name of a credential is one, and its kind is added there.
    """

    def __init__(self, change: Change, kinds: set[str] | None = None) -> None:
        self._change = change
        self._kinds = kinds

    def __call__(self, value: Any) -> Any:
        """Return the value; what has to be changed is made anew."""
        if isinstance(value, str):
            return self._change(value) if value else value
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            return self._list(value)
        if isinstance(value, int) and value >= _LEAST_CARD and self._kinds is None:
            text = str(value)
            now = self._change(text)
            return value if now == text else now
        return value

    def _object(self, value: dict[str, Any]) -> dict[str, Any]:
        now: dict[str, Any] = {}
        header = self._header(value)
        for name, item in value.items():
            kind = header if name == "value" else None
            if self._kinds is not None and kind is None and item:
                kind = kind_of_name(name)
            now[self._name(name, now, value)] = self(item) if kind is None else self._of(item, kind)
        return now

    def _header(self, value: dict[str, Any]) -> tuple[str, bool] | None:
        """Return of which kind the value is in an object of a ``name`` (or ``key``) and a value."""
        if self._kinds is None or "value" not in value:
            return None
        name = value.get("name", value.get("key"))
        return kind_of_name(name) if isinstance(name, str) else None

    def _name(self, name: str, now: dict[str, Any], value: dict[str, Any]) -> str:
        if not name:
            return name
        changed = own = self._change(name)
        number = len(now) + 1
        while changed != name and (changed in now or changed in value):  # two may become one
            changed = f"{own}#{number}"
            number += 1
        return changed

    def _list(self, value: list[Any]) -> list[Any]:
        if self._kinds is None:
            return [self(item) for item in value]
        now = list[Any]()
        kind: tuple[str, bool] | None = None
        for item in value:
            now.append(self(item) if kind is None else self._of(item, kind))
            # A program's arguments: the one after --password is it.
            kind = kind_of_name(item) if isinstance(item, str) and item[:1] == "-" else None
        return now

    def _of(self, value: Any, kind: tuple[str, bool]) -> Any:
        """Return what is named like a credential: a string is one, and so are those in a list."""
        if isinstance(value, list):
            return [self._of(item, kind) for item in value]
        if not isinstance(value, str) or not value:
            return self(value)
        now = self._change(value)
        name, random = kind
        if _is_mark(now) or (random and not looks_random(value)):
            return now
        assert self._kinds is not None  # noqa: S101 (nothing has a kind without them)
        self._kinds.add(name)
        return marker(name).decode()


def _is_mark(text: str) -> bool:
    return text.startswith(_MARK) and text.find("]") == len(text) - 1
