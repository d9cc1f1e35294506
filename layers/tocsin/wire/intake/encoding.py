"""An event as JSON text, for what goes to the intake from Python: nothing is altered on the way."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from math import isfinite
from typing import Any

import orjson

from tocsin.domain.errors import Detail, Invalid

__all__ = ["encoded"]


def encoded(event: Mapping[str, Any]) -> bytes:
    """Return the event's JSON text.

    Raises:
        Invalid: it holds NaN or an infinity, which JSON can't say; ``details`` says where.
        TypeError: it holds a value, or an integer of over 64 bits, that the writer has no form for.
    """
    text = orjson.dumps(event)
    if b"null" in text:  # which the writer puts in their place
        details = [
            Detail(field=path.removeprefix("."), message=f"{value} is not JSON: send null or text")
            for path, value in _not_finite("", event)
        ]
        if details:
            raise Invalid(details)
    return text


def _not_finite(path: str, value: Any) -> Iterator[tuple[str, float]]:
    """Yield the numbers that JSON can't say, each with its path."""
    match value:
        case float():
            if not isfinite(value):
                yield path, value
        case dict():
            for name, item in value.items():
                yield from _not_finite(f"{path}.{name}", item)
        case list() | tuple():
            for index, item in enumerate(value):
                yield from _not_finite(f"{path}[{index}]", item)
        case Enum():
            yield from _not_finite(path, value.value)
        case _ if is_dataclass(value):
            for each in fields(value):
                yield from _not_finite(f"{path}.{each.name}", getattr(value, each.name, None))
