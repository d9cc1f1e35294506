"""Strict JSON: what RFC 7493 (I-JSON) forbids is found, and costs only what it stands in.

It forbids duplicate keys, lone surrogates and integers beyond ±(2^53-1), since the value could not
come back as it was sent. Nesting is bounded. What is wrong stands in the value as a :class:`Flaw`
until :func:`check` is asked.
"""

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tocsin.domain.canonical import is_plain_float
from tocsin.domain.errors import Malformed, TooLarge
from tocsin.domain.limits import MAX_DEPTH, MAX_NAME_CHARS, MAX_SAFE_INTEGER

__all__ = ["Flaw", "Loaded", "check", "load", "too_deep", "value_of"]

_MAY_BE_ASTRAL = re.compile(rb"[\xf0-\xf4]|\\u[dD][89abAB]")
_MAY_BE_LONE = re.compile(rb"\\u[dD][89a-fA-F]")  # a surrogate's escape, half of a pair or not
_LONE = re.compile("[\ud800-\udfff]")
_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{}]', re.DOTALL)  # or a string
_CERTAIN_DIGITS: Final = 15  # a double holds any number of so many
_MOST_INTEGER_CHARS: Final = 22  # RFC 8785 writes below 1e21 as integers, perhaps after a minus
_NOT_TEXT: Final = "a string holds a lone surrogate, which is not Unicode text"
_MOST_REASONS: Final = 10_000  # kept at a time, since a body can have a million flaws
_PRUNED_DEPTH: Final = MAX_DEPTH + 3  # an event in a batch begins at the third level


@dataclass(frozen=True, slots=True)
class Flaw:
    """Stands where a value stood that I-JSON has no place for."""

    reason: str


_ONE_OF_MANY = Flaw("one of very many numbers or objects here that are not I-JSON (RFC 7493)")


@dataclass(slots=True)
class Loaded:
    """A body as a value, which may hold a :class:`Flaw` or a lone surrogate if it is ``flawed``.

    ``plain`` promises that every float in it is plain, and ``astral`` says that a key may be; see
    :func:`tocsin.domain.canonical.canonical`.
    """

    value: Any = None
    plain: bool = True
    flawed: bool = False
    astral: bool = False


def load(body: bytes) -> Loaded:
    """Parse JSON, and note what the canonical writer needs to know about it.

    Raises:
        Malformed: it is not JSON in UTF-8.
        TooLarge: it is nested deeper than any event may be, beyond what can be read.
    """
    loaded = Loaded()
    flaws = 0

    def flaw(reason: str) -> Flaw:
        nonlocal flaws
        flaws += 1
        return Flaw(reason) if flaws < _MOST_REASONS else _ONE_OF_MANY

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any] | Flaw:
        value = dict(items)
        if len(value) != len(items):
            seen = set[str]()
            for key, _ in items:
                if key in seen:
                    return flaw(f"the key {key[:MAX_NAME_CHARS]!r} stands twice in one object")
                seen.add(key)
        return value

    def integer(digits: str) -> int | float | Flaw:
        if len(digits) < 16:
            return int(digits)
        if len(digits) <= _MOST_INTEGER_CHARS:
            number = int(digits)
            if -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER:
                return number
            if number == _as_written(double := float(digits)):
                loaded.plain = False
                return double
        return flaw(_loses_digits(digits))

    def real(digits: str) -> int | float | Flaw:
        number = float(digits)
        if is_plain_float(number):
            return number
        if number in (float("inf"), float("-inf")):
            return flaw(f"the number {digits[:24]} is beyond what a double can hold")
        if number.is_integer():
            if number == 0 and digits.lower().partition("e")[0].strip("-0."):
                return flaw(f"the number {digits[:24]} is too close to zero for a double")
            if -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER:
                return int(number)
            if len(digits) > _CERTAIN_DIGITS and Decimal(digits) != Decimal(repr(number)):
                return flaw(_loses_digits(digits))
        loaded.plain = False
        return number

    def constant(name: str) -> Flaw:
        return flaw(f"{name} is not JSON")

    def loads(text: str) -> Any:
        return json.loads(
            text,
            object_pairs_hook=pairs,
            parse_int=integer,
            parse_float=real,
            parse_constant=constant,
        )

    try:
        text = body.decode()
        loaded.value = loads(text)
    except UnicodeDecodeError as error:
        raise Malformed("the body is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    except RecursionError as error:
        try:
            loaded.value = loads(_pruned(text))
        except (json.JSONDecodeError, RecursionError):
            raise TooLarge(too_deep()) from error
    escaped = b"\\u" in body
    loaded.flawed = flaws > 0 or (escaped and _MAY_BE_LONE.search(body) is not None)
    loaded.astral = (escaped or not body.isascii()) and _MAY_BE_ASTRAL.search(body) is not None
    return loaded


def _as_written(number: float) -> int:
    """Return the integer that RFC 8785 writes for an integral double below 1e21."""
    return int(Decimal(repr(number)))


def _loses_digits(digits: str) -> str:
    return (
        f"the integer {digits[:24]} is beyond ±(2^53-1), where JSON numbers lose digits: "
        "send it as a string"
    )


def _pruned(text: str) -> str:
    """Return JSON without what is nested so deep that its event is refused anyway.

    Only so the parser gets through a text that is nested beyond its own limit. The work is linear.
    """
    kept: list[str] = []
    depth = start = 0
    for token in _BRACKET.finditer(text):
        match token[0]:
            case "[" | "{":
                depth += 1
                if depth == _PRUNED_DEPTH:
                    kept.append(text[start : token.end()])
            case "]" | "}":
                if depth == _PRUNED_DEPTH:
                    start = token.start()
                depth -= 1
            case '"':  # a string without an end
                break
    if depth < _PRUNED_DEPTH:
        kept.append(text[start:])
    return "".join(kept)


def check(value: Any, prefix: str = "") -> None:
    """Make sure that a value holds no Flaw and no lone surrogate.

    Raises:
        Malformed: it does; the message says where.
        TooLarge: it is nested deeper than an event may be.
    """
    found = _flaw_in(value, MAX_DEPTH)
    if found is not None:
        path, reason = found
        path = f"{prefix}{path}".removeprefix(".")[:MAX_NAME_CHARS]
        path = path.encode(errors="backslashreplace").decode()  # it may hold a lone surrogate
        error = Malformed(f"{path}: {reason}" if path else reason)
        error.details = [{"field": path or "body", "message": reason}]
        raise error


def _flaw_in(value: Any, levels: int) -> tuple[str, str] | None:
    """Return where in a value something is wrong, and what."""
    if isinstance(value, Flaw):
        return "", value.reason
    if isinstance(value, str):
        return ("", _NOT_TEXT) if not value.isascii() and _LONE.search(value) else None
    if isinstance(value, dict | list) and levels == 0:
        raise TooLarge(too_deep())
    if isinstance(value, list):
        for at, item in enumerate(value):
            if found := _flaw_in(item, levels - 1):
                return f"[{at}]{found[0]}", found[1]
    elif isinstance(value, dict):
        for name, item in value.items():
            if found := _flaw_in(name, 0) or _flaw_in(item, levels - 1):
                return f".{name[:MAX_NAME_CHARS]}{found[0]}", found[1]
    return None


def value_of(body: bytes) -> Any:
    """Return the value of a body that has no flaw.

    Raises:
        Malformed: it is not I-JSON; the message says where.
        TooLarge: it is nested deeper than an event may be.
    """
    loaded = load(body)
    if loaded.flawed or isinstance(loaded.value, Flaw):
        check(loaded.value)
    return loaded.value


def too_deep() -> str:
    """Return what is said of an event that is nested too deep."""
    return f"nested deeper than {MAX_DEPTH} levels: send deep values as strings of JSON"
