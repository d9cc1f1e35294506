"""Events out of files: JSON, JSON lines, and CSV (by :mod:`tocsin.cli._csv`)."""

import json
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from pathlib import PurePath
from typing import Any, BinaryIO, Final

from tocsin.cli._csv import read_csv
from tocsin.cli._failure import Failure, complain
from tocsin.cli._format import Format
from tocsin.cli._json import dumps, loads
from tocsin.client._outbox import Unsendable
from tocsin.domain.errors import Detail
from tocsin.domain.limits import MAX_BODY_BYTES, MAX_IGNORED_NAMES, MAX_NAME_CHARS

__all__ = ["Format", "read_events"]


_DECODER: Final = json.JSONDecoder()
_LINES_LOOKED_AT: Final = 16

_SUFFIXES: Final = {
    ".json": Format.JSON,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".csv": Format.CSV,
}


def read_events(source: BinaryIO, form: Format, name: str) -> Iterator[bytes | Unsendable]:
    """Yield the events of a file as JSON text, lazily where its format allows.

    Nothing is altered: what can't be sent as it is comes as :class:`Unsendable`, whose error is a
    :class:`Failure` that says where it stands.

    Args:
        source: The file, at its start.
        form: Its format; ``auto`` goes by the end of ``name``, and otherwise takes JSON lines, or
            a JSON document over several lines if that is how the file begins.
        name: What the file is called in messages.

    Raises:
        Failure: The file as a whole is not in its format.
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


def _guess(source: BinaryIO, name: str) -> Iterator[bytes | Unsendable]:
    number = 1
    while (first := source.readline(MAX_BODY_BYTES + 1)).isspace():
        number += 1
    if not first.lstrip().startswith((b"{", b"[")):
        if first:
            hint = "not JSON; if it is CSV, say --format csv"
            yield _unsendable(f"{name}, line {number}", hint)
            _skip_rest(source, first)
        yield from _lines(source, name, number + 1)
        return
    held, size_bytes, look_at_bytes = [first.lstrip()], len(first), 0
    while True:
        # Few lines show what it is; a long document is looked at again whenever it has doubled.
        if len(held) <= _LINES_LOOKED_AT or size_bytes >= look_at_bytes:
            look_at_bytes = 2 * size_bytes
            state = _begin_of(b"".join(held))
            if state is not _Begin.OPEN:
                break
        line = source.readline(MAX_BODY_BYTES + 1)
        if not line:
            whole = _begin_of(b"".join(held)) is _Begin.DOCUMENT or _is_document(held)
            state = _Begin.DOCUMENT if whole else _Begin.LINES
            break
        held.append(line)
        size_bytes += len(line)
    if state is _Begin.DOCUMENT:
        rest, lines = _first_value(b"".join(held))
        yield from _document(rest, f"{name}, line {number}" if len(held) == 1 else name)
        held = lines.splitlines(keepends=True)
        number += rest.count(b"\n")
    for line in held:
        yield from _line(line, f"{name}, line {number}")
        number += line.endswith(b"\n")
    if held:
        _skip_rest(source, held[-1])
    yield from _lines(source, name, number)


class _Begin(Enum):
    """What the first lines of a file are."""

    DOCUMENT = auto()
    LINES = auto()
    OPEN = auto()  # they may be the beginning of a document


def _begin_of(content: bytes) -> _Begin:
    try:
        text = content.decode()
        _DECODER.raw_decode(text)
    except json.JSONDecodeError as error:
        return _Begin.OPEN if error.pos >= len(text) else _Begin.LINES
    except (UnicodeDecodeError, ValueError, RecursionError):
        return _Begin.LINES
    return _Begin.DOCUMENT


def _is_document(held: Sequence[bytes]) -> bool:
    """Whether what is no JSON was meant as one document: no line of it says anything by itself."""
    return len(held) > 1 and not any(_begin_of(line.strip()) is _Begin.DOCUMENT for line in held)


def _first_value(content: bytes) -> tuple[bytes, bytes]:
    """Return the first JSON document, and what comes after it."""
    text = content.decode()
    try:
        _, end = _DECODER.raw_decode(text)
    except ValueError:
        return content, b""
    return text[:end].encode(), text[end:].encode().lstrip(b" \t\r")


def _lines(source: BinaryIO, name: str, number: int) -> Iterator[bytes | Unsendable]:
    while line := source.readline(MAX_BODY_BYTES + 1):
        yield from _line(line, f"{name}, line {number}")
        _skip_rest(source, line)
        number += 1


def _line(line: bytes, where: str) -> Iterator[bytes | Unsendable]:
    if len(line) > MAX_BODY_BYTES:
        yield _unsendable(where, f"longer than {MAX_BODY_BYTES:,} bytes")
    elif not line.isspace():
        try:
            value = loads(line)
        except ValueError as error:
            yield _unsendable(where, f"not JSON ({error})")
        else:
            yield from _unpacked(value, where)


def _skip_rest(source: BinaryIO, line: bytes) -> None:
    """Read to the end of a line that was too long."""
    while len(line) > MAX_BODY_BYTES and not line.endswith(b"\n"):
        line = source.readline(MAX_BODY_BYTES + 1)


def _document(content: bytes, name: str) -> Iterator[bytes | Unsendable]:
    if content.strip():
        try:
            value = loads(content)
        except ValueError as error:
            raise Failure(f"{name}: not JSON ({error})") from error
        yield from _unpacked(value, name)


def _unpacked(value: Any, where: str) -> Iterator[bytes | Unsendable]:
    """Yield the event, or the events of an array or of ``{"events": [...]}``."""
    if isinstance(value, dict) and "type" not in value and isinstance(value.get("events"), list):
        if beside := sorted(value.keys() - {"events"}):
            complain(f"{where}: ignored, for it stands beside the events: {_named(beside)}")
        value = value["events"]
    for index, event in enumerate(value if isinstance(value, list) else [value]):
        if isinstance(event, dict):
            yield dumps(event)
        else:
            place = f"{where}, item {index}" if isinstance(value, list) else where
            yield _unsendable(place, 'an event is a JSON object, as {"type": "tool_call", …}')


def _unsendable(where: str, what: str) -> Unsendable:
    return Unsendable([Detail(field=where, message=what)], Failure(f"{where}: {what}"))


def _named(names: Sequence[str]) -> str:
    told = [name[:MAX_NAME_CHARS] for name in names[:MAX_IGNORED_NAMES]]
    return ", ".join(told) + (", …" if len(names) > MAX_IGNORED_NAMES else "")
