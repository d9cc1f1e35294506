"""The parts of OTLP's JSON encoding: typed values, ids, and integers that may be text.

What is absent or null is what protobuf takes for absent: an empty list, text or object, or 0. All
raise Malformed for what has another type.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from typing import Any, Final

from tocsin.domain.errors import Malformed
from tocsin.wire.intake.otlp.record import Room, named

__all__ = [
    "attributes_of",
    "id_in",
    "integer_in",
    "list_in",
    "object_in",
    "objects_in",
    "text_in",
    "value_of",
]


def attributes_of(holder: dict[str, Any], room: Room) -> dict[str, Any]:
    """Return the attributes of a record, a resource or a scope.

    Raises:
        TooLarge: there are too many, or one is nested too deep.
    """
    pairs = objects_in(holder, "attributes")
    room.attributes(len(pairs))
    return named((text_in(pair, "key"), value_of(pair.get("value"), 1, room)) for pair in pairs)


def value_of(value: Any, levels: int, room: Room) -> Any:
    """Return an AnyValue as a plain value."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Malformed('a value is not an object, as in {"stringValue": …}')
    for name, content in value.items():
        if content is not None and name in _VALUES:
            return _VALUES[name](content, levels, room)
    return None


def _string(content: Any, _: int, __: Room) -> str:
    if isinstance(content, str):
        return content
    raise Malformed("stringValue: expected a string")


def _bool(content: Any, _: int, __: Room) -> bool:
    if isinstance(content, bool):
        return content
    raise Malformed("boolValue: expected true or false")


def _int(content: Any, _: int, __: Room) -> int:
    return integer_in({"intValue": content}, "intValue")


def _double(content: Any, _: int, __: Room) -> float:
    if isinstance(content, int | float | str) and not isinstance(content, bool):
        try:
            return float(content)  # also "NaN", "Infinity", "-Infinity"
        except (ValueError, OverflowError) as error:
            raise Malformed("doubleValue: expected a number") from error
    raise Malformed("doubleValue: expected a number")


def _bytes(content: Any, _: int, __: Room) -> bytes:
    try:
        return b64decode(content, validate=True)
    except (Base64Error, TypeError, ValueError) as error:
        raise Malformed("bytesValue: expected base64") from error


def _array(content: Any, levels: int, room: Room) -> list[Any]:
    if not isinstance(content, dict):
        raise Malformed("arrayValue: expected an object with values")
    values = list_in(content, "values")
    room.values(len(values), levels)
    return [value_of(each, levels + 1, room) for each in values]


def _kvlist(content: Any, levels: int, room: Room) -> dict[str, Any]:
    if isinstance(content, list):  # as in the protocol's own example, events.json
        content = {"values": content}
    if not isinstance(content, dict):
        raise Malformed("kvlistValue: expected an object with values")
    pairs = objects_in(content, "values")
    room.values(len(pairs), levels)
    return named(
        (text_in(pair, "key"), value_of(pair.get("value"), levels + 1, room)) for pair in pairs
    )


_VALUES: Final = {
    "stringValue": _string,
    "boolValue": _bool,
    "intValue": _int,
    "doubleValue": _double,
    "arrayValue": _array,
    "kvlistValue": _kvlist,
    "bytesValue": _bytes,
}


def list_in(holder: dict[str, Any], name: str) -> list[Any]:
    """Return a field's list."""
    found = holder.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise Malformed(f"{name}: expected an array")
    return found


def objects_in(holder: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a field's list of objects."""
    found = list_in(holder, name)
    for each in found:
        if not isinstance(each, dict):
            raise Malformed(f"{name}: expected objects")
    return found


def object_in(holder: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a field's object."""
    found = holder.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Malformed(f"{name}: expected an object")
    return found


def text_in(holder: dict[str, Any], name: str) -> str:
    """Return a field's text."""
    found = holder.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise Malformed(f"{name}: expected a string")
    return found


def id_in(holder: dict[str, Any], name: str) -> str:
    """Return an id in lower case; one of zeros alone is none."""
    found = text_in(holder, name).lower()
    return found if found.strip("0") else ""


def integer_in(holder: dict[str, Any], name: str) -> int:
    """Return an integer that may be text, as 64-bit ones are; absent is 0."""
    found = holder.get(name)
    if found is None:
        return 0
    if isinstance(found, str) and len(found) <= 20 and found.removeprefix("-").isdecimal():
        return int(found)
    if isinstance(found, float) and found.is_integer():  # 1.5447e18, as some writers have it
        return int(found)
    if isinstance(found, bool) or not isinstance(found, int):
        raise Malformed(f"{name}: expected an integer")
    return found
