"""The frames of a stream in any dialect: an event, its opening, a heartbeat, a gap, the end."""

from typing import Any

import orjson

from tocsin.wire import sse

__all__ = [
    "HEARTBEAT",
    "cursor",
    "event",
    "failure",
    "gap",
    "json_data",
    "opening",
    "part_id",
    "retry",
    "unknown",
    "without_first",
]

HEARTBEAT = sse.comment("keepalive")

# Line ends to Python's and JavaScript's string functions, which some clients split the stream with.
_LINE_ENDS = (
    (b"\xe2\x80\xa8", b"\\u2028"),
    (b"\xe2\x80\xa9", b"\\u2029"),
    (b"\xc2\x85", b"\\u0085"),
)


def json_data(value: Any) -> bytes:
    """Return a JSON value on one line, whatever characters the reader takes for line ends."""
    data = orjson.dumps(value)
    if not data.isascii():
        for raw, escaped in _LINE_ENDS:
            data = data.replace(raw, escaped)
    return data


def event(name: str, seq: int, data: Any) -> bytes:
    """Return a message with an ``event`` name, the cursor ``seq`` as its id, and JSON data."""
    return sse.line("event", sse.one_line(name)) + sse.encode(None, json_data(data), seq)


def opening(cursor: int | str, retry_ms: int) -> bytes:
    """Return what a stream begins with: the cursor to resume from, before any event.

    A blank line makes an id the client's last event id. By the standard nothing is dispatched then,
    since there is no data. But many decoders take any field for a message, an empty one, which is
    no JSON. So the id stands behind a byte order mark: the standard has it skipped, and those
    decoders see a field that they don't know. They get the id again, with their first message.
    """
    id = sse.line("id", str(cursor))
    return sse.BOM + id + b"\n" + sse.comment("tocsin") + retry(retry_ms) + id


def cursor(seq: int) -> bytes:
    """Return the message that only moves the reader's cursor, past what is hidden from it.

    It has data, since many decoders emit an empty message for one without, which is no JSON, and a
    name for which nobody listens.
    """
    return event("cursor", seq, {"type": "cursor", "seq": seq})


def retry(retry_ms: int) -> bytes:
    """Return the line that says how long to wait before the next connection; it takes no more."""
    return sse.line("retry", str(retry_ms))


def gap(after_seq: int, first_seq: int) -> bytes:
    """Return the message that says that the events between these seqs are not kept any more."""
    said = "events before first_seq are older than the retention and not available"
    return _gap(after_seq, first_seq, said)


def unknown(after_seq: int | None, head_seq: int) -> bytes:
    """Return the message that says that a cursor is not of this ledger, which ends at ``head_seq``.

    ``after_seq`` is the seq that was sent, if it was one: it is ahead of the ledger, as after a
    restore. The stream goes on at the end.
    """
    said = "the cursor is not of this ledger, as it is now: the stream goes on from here"
    return _gap(head_seq if after_seq is None else after_seq, head_seq + 1, said)


def part_id(seq: int) -> str:
    """Return the id of the first of two messages about one event: who resumes there gets the other.

    >>> part_id(7)
    '7/1'
    """
    return f"{seq}/1"


def without_first(data: bytes, id: str) -> bytes:
    """Return a stream's bytes without their first message, if that has this id."""
    if not data.startswith(sse.line("id", id)):
        return data
    return data[data.index(b"\n\n") + 2 :]


def _gap(after_seq: int, first_seq: int, message: str) -> bytes:
    said = {
        "type": "gap",
        "code": "GAP",
        "message": message,
        "after": after_seq,
        "first_seq": first_seq,
    }
    return event("gap", first_seq - 1, said)


def failure(code: str, message: str, **details: Any) -> bytes:
    """Return the last message of a stream that ends for a reason; it moves no cursor."""
    said = {"type": "error", "code": code, "message": message, **details}
    return sse.encode("error", json_data(said))
