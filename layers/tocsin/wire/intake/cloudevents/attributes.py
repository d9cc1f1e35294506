"""The context attributes of a CloudEvent: their names, types and values.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#context-attributes
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from tocsin.wire.intake.strict import Flaw

__all__ = ["Unfit", "checked", "from_headers"]

type Attribute = str | bool | int

_PREFIX: Final = "ce-"
_REQUIRED: Final = ("specversion", "id", "source", "type")
_TEXTS: Final = frozenset({*_REQUIRED, "subject", "time", "datacontenttype", "dataschema"})
_NAME: Final = re.compile(r"[a-z0-9]+", re.ASCII)
# What a String has no place for: controls, surrogates and noncharacters.
_NOT_ALLOWED: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_MOST: Final = 2**31  # an Integer has 32 bits, with its sign
# RFC 7230, section 3.2.6.
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')


class Unfit(Exception):
    """What makes of this no CloudEvent: the attribute, and why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


def from_headers(headers: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the attributes that stand in HTTP headers as ``ce-…``.

    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#3132-http-header-values

    Raises:
        Unfit: one is there twice, is not UTF-8, or is the content type's.
    """
    attributes: dict[str, Any] = {}
    for header, value in headers:
        if not header.lower().startswith(_PREFIX):
            continue
        name = header.lower().removeprefix(_PREFIX)
        if name in attributes:
            raise Unfit(name, f"the header {_PREFIX}{name} is there twice")
        if name == "datacontenttype":
            raise Unfit(name, "the header Content-Type says it")
        attributes[name] = _decoded(name, value)
    return attributes


def _decoded(name: str, value: str) -> str:
    value = value.strip(" \t")
    if quoted := _QUOTED.fullmatch(value):
        value = re.sub(r"\\(.)", r"\1", quoted[1])
    try:
        if not value.isascii():  # which it should be: as bytes, in whichever way they came here
            value = value.encode("latin-1").decode()
    except UnicodeError:
        pass
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeError as error:
        raise Unfit(name, "percent-encoded bytes that are not UTF-8") from error


def checked(attributes: Mapping[str, Any]) -> dict[str, Attribute]:
    """Return the attributes of an event that are set.

    Raises:
        Unfit: one breaks the specification, or a required one is missing.
    """
    found: dict[str, Attribute] = {}
    for name, value in attributes.items():
        if value is None:
            continue
        if _NAME.fullmatch(name) is None:
            raise Unfit(name, "an attribute's name is of lower-case letters and digits alone")
        found[name] = _value(name, value)
    for name in _REQUIRED:
        if not found.get(name):
            raise Unfit(name, "Required: send a string that is not empty")
    if found["specversion"] != "1.0":
        raise Unfit("specversion", 'send "1.0": no other version is taken')
    time = found.get("time")
    if isinstance(time, str) and time and _TIME.fullmatch(time) is None:
        raise Unfit("time", "send a time as in RFC 3339, such as 2026-11-28T09:30:00.123Z")
    return found


def _value(name: str, value: Any) -> Attribute:
    match value:
        case Flaw(reason):
            raise Unfit(name, reason)
        case str():
            if not value.isprintable() and _NOT_ALLOWED.search(value):
                raise Unfit(name, "control characters and surrogates have no place in a string")
            return value
        case _ if name in _TEXTS:
            raise Unfit(name, "send a string")
        case bool():
            return value
        case int():
            if -_MOST <= value < _MOST:
                return value
            raise Unfit(name, "an integer has 32 bits: send a string")
    raise Unfit(name, "send a string, a boolean or an integer; all else belongs into data")
