"""Events out of files: JSON, JSON lines, and CSV (by :mod:`tocsin.cli._csv`)."""

from collections.abc import Iterator
from enum import StrEnum
from itertools import chain
from pathlib import PurePath
from typing import Any, BinaryIO, Final

import orjson

from tocsin.cli._csv import read_csv
from tocsin.cli._failure import Failure
from tocsin.domain.limits import MAX_BODY_BYTES

__all__ = ["Format", "read_events"]


class Format(StrEnum):
    """How events are written in a file."""

    AUTO = "auto"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


_SUFFIXES: Final = {
    ".json": Format.JSON,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".csv": Format.CSV,
}


def read_events(source: BinaryIO, form: Format, name: str) -> Iterator[dict[str, Any]]:
    """Yield the events of a file, lazily where its format allows.

    Args:
        source: The file, at its start.
        form: Its format; ``auto`` goes by the end of ``name``, and otherwise takes JSON lines, or
            one JSON document if the first line is not JSON by itself.
        name: What the file is called in messages.

    Raises:
        Failure: The file is not in its format; the message says where.
    """
    if form is Format.AUTO:
        form = _SUFFIXES.get(PurePath(name).suffix.lower(), Format.AUTO)
    match form:
        case Format.CSV:
            return read_csv(source, name)
        case Format.JSON:
            return _document(source.read(), name)
        case Format.JSONL:
            return _lines(source, name, 1)
        case _:
            return _guess(source, name)


def _guess(source: BinaryIO, name: str) -> Iterator[dict[str, Any]]:
    number = 1
    while (first := source.readline(MAX_BODY_BYTES)).isspace():
        number += 1
    try:
        value = orjson.loads(first or b"[]")
    except orjson.JSONDecodeError as error:
        if not first.lstrip().startswith((b"{", b"[")):
            raise Failure(f"{name}, line {number}: not JSON; if it is CSV, say --format csv") from (
                error
            )
        return _document(first + source.read(), name)
    return chain(_unpacked(value, f"{name}, line {number}"), _lines(source, name, number + 1))


def _lines(source: BinaryIO, name: str, number: int) -> Iterator[dict[str, Any]]:
    while line := source.readline(MAX_BODY_BYTES + 1):
        where = f"{name}, line {number}"
        if len(line) > MAX_BODY_BYTES:
            raise Failure(f"{where}: longer than {MAX_BODY_BYTES:,} bytes")
        if not line.isspace():
            yield from _unpacked(_loads(line, where), where)
        number += 1


def _document(content: bytes, name: str) -> Iterator[dict[str, Any]]:
    if content.strip():
        yield from _unpacked(_loads(content, name), name)


def _loads(content: bytes, where: str) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Failure(f"{where}: not JSON ({error})") from error


def _unpacked(value: Any, where: str) -> Iterator[dict[str, Any]]:
    """Yield the event, or the events of an array or of ``{"events": [...]}``."""
    if isinstance(value, dict) and "type" not in value and isinstance(value.get("events"), list):
        value = value["events"]
    for index, event in enumerate(value if isinstance(value, list) else [value]):
        if not isinstance(event, dict):
            place = f"{where}, item {index}" if isinstance(value, list) else where
            raise Failure(f'{place}: an event is a JSON object, as {{"type": "tool_call", …}}')
        yield event
