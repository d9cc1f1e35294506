"""A query's parameters: each known by its route, and given once where it says one thing."""

import re
from collections.abc import Container, Iterable, Mapping
from typing import Final

from tocsin.domain.errors import Malformed
from tocsin.domain.limits import MAX_NAME_CHARS

__all__ = ["MAX_NUMBER", "flag", "known", "number", "once"]

MAX_NUMBER: Final = 10**16 - 1
"""Of a parameter that is a number."""

_NUMBER: Final = re.compile(r"[0-9]{1,16}", re.ASCII)

type _Query = Iterable[tuple[str, str]]


def known(query: _Query, names: Iterable[str], *, ignored: Container[str] = ()) -> None:
    """Make sure that a route knows every parameter: one that is passed over would mislead.

    Raises:
        Malformed: it does not know one; the message says which, and what there is.
    """
    names = frozenset(names)
    for name, _ in query:
        if name not in names and name not in ignored:
            there_are = "there are " + ", ".join(sorted(names)) if names else "there are none"
            raise Malformed(f"the parameter {name[:MAX_NAME_CHARS]!r} is not known: {there_are}")


def once(query: _Query, names: Container[str]) -> dict[str, str]:
    """Return those of the parameters that have these names.

    Raises:
        Malformed: one is given twice.
    """
    given: dict[str, str] = {}
    for name, value in query:
        if name in names:
            if name in given:
                raise Malformed(f"{name} is given twice: give it once")
            given[name] = value
    return given


def number(given: Mapping[str, str], name: str, what: str) -> int | None:
    """Return a parameter that is a number, from 0; None: it is not given. ``what`` it should be.

    Raises:
        Malformed: it is none.
    """
    text = given.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise Malformed(f"{name} is {what}")
    return int(text)


def flag(query: _Query, name: str) -> bool:
    """Return a parameter that is ``true`` or ``false``, which it is if it is not given.

    Raises:
        Malformed: it is neither, or given twice.
    """
    text = once(query, {name}).get(name, "false")
    if text not in ("true", "false"):
        raise Malformed(f"{name} is true or false")
    return text == "true"
