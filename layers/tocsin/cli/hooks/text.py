"""JSON files of other products, changed where they must be: every other byte stays as it is."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["NotPlain", "added", "removed", "value_of"]

type Path = Sequence[str | int]

_DECODER: Final = json.JSONDecoder()
_BLANK: Final = re.compile(r"[ \t\r\n]*")
_INDENT: Final = re.compile(r"\n([ \t]+)\S")


class NotPlain(Exception):
    """The file is no JSON object as such, for example because it has comments."""


def value_of(text: str) -> dict[str, Any]:
    """Return what a file says; a file without content says nothing.

    Raises:
        NotPlain: it is not a JSON object.
    """
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotPlain(str(error)) from error
    if not isinstance(found, dict):
        raise NotPlain("it is not a JSON object")
    return found


def added(text: str, path: Sequence[str], item: Any) -> str:
    """Return the text with an item at the end of the list at ``path``; what lacks there is made.

    Raises:
        NotPlain: something on the path is neither an object nor, at its end, a list.
    """
    text = text if text.strip() else "{}\n"
    found = _container(text, _blank(text, 0))
    for depth, name in enumerate(path):
        if found.close_with != "}":
            raise NotPlain(f"{'.'.join(path[:depth])} is not an object")
        place = found.place_of(name)
        if place is None:
            value: Any = [item]
            for lacking in reversed(path[depth + 1 :]):
                value = {lacking: value}
            return _put(text, found, depth, f"{json.dumps(name)}: ", value)
        found = _container(text, found.items[place].value)
    if found.close_with != "]":
        raise NotPlain(f"{'.'.join(path)} is not a list")
    return _put(text, found, len(path), "", item)


def removed(text: str, path: Path) -> str:
    """Return the text without what is at ``path``, and without what that leaves empty."""
    *above, name = path
    found = _container(text, _blank(text, 0))
    for each in above:
        found = _container(text, found.items[_place(found, each)].value)
    if len(found.items) == 1 and above:
        return removed(text, above)
    place = _place(found, name)
    if len(found.items) == 1:
        return text[: found.open + 1] + text[found.close :]
    if place:
        begin, end = found.items[place - 1].end, found.items[place].end
    else:
        begin, end = found.items[0].begin, found.items[1].begin
    return text[:begin] + text[end:]


@dataclass(frozen=True, slots=True)
class _Item:
    name: str
    begin: int  # of its name, or else of its value
    value: int
    end: int


@dataclass(frozen=True, slots=True)
class _Container:
    open: int
    close: int
    close_with: str
    items: Sequence[_Item]

    def place_of(self, name: str) -> int | None:
        """Return where a name stands; of several the last one counts, as parsers have it."""
        places = [at for at, item in enumerate(self.items) if item.name == name]
        return places[-1] if places else None


def _place(found: _Container, name: str | int) -> int:
    place = found.place_of(name) if isinstance(name, str) else name
    if place is None:
        raise LookupError(name)
    return place


def _container(text: str, at: int) -> _Container:
    """Read the object or list that begins at a place of a text that is JSON."""
    if at >= len(text) or text[at] not in "{[":
        raise NotPlain(f"{text[at : at + 20]!r} is neither an object nor a list")
    close_with, items, here = ("}" if text[at] == "{" else "]"), list[_Item](), at + 1
    while text[here := _blank(text, here)] != close_with:
        begin, name = here, ""
        if close_with == "}":
            name, here = _DECODER.raw_decode(text, here)
            here = _blank(text, _blank(text, here) + 1)
        _, end = _DECODER.raw_decode(text, here)
        items.append(_Item(name, begin, here, end))
        here = _blank(text, end)
        if text[here] == ",":
            here += 1
    return _Container(at, here, close_with, items)


def _blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _put(text: str, found: _Container, depth: int, name: str, value: Any) -> str:
    indented = _INDENT.search(text)
    unit = indented[1] if indented else "  "
    line = "\r\n" if "\r\n" in text else "\n"
    inner = line + unit * (depth + 1)
    shown = json.dumps(value, indent=unit, ensure_ascii=False).replace("\n", inner)
    if found.items:
        end = found.items[-1].end
        return f"{text[:end]},{inner}{name}{shown}{text[end:]}"
    outer = line + unit * depth
    return f"{text[: found.open + 1]}{inner}{name}{shown}{outer}{text[found.close :]}"
