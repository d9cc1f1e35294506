"""The frames of a stream in any dialect: an event, its opening, a heartbeat, a gap, the end."""

from typing import Any

import orjson

from tocsin.wire import sse

__all__ = ["HEARTBEAT", "cursor", "event", "failure", "gap", "json_data", "opening", "retry"]

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


def opening(cursor: int, retry_ms: int) -> bytes:
    """Return what a stream begins with: the cursor to resume from, before any event.

    Without a ``data`` field nothing is dispatched, but the blank line makes the id the client's
    last event id.
    """
    return sse.comment("tocsin") + sse.line("retry", str(retry_ms)) + sse.encode(None, None, cursor)


def cursor(seq: int) -> bytes:
    """Return the message that only moves the reader's cursor, past what is hidden from it."""
    return sse.encode(None, None, seq)


def retry(retry_ms: int) -> bytes:
    """Return the message that only says how long to wait before the next connection."""
    return sse.encode(None, None, retry=retry_ms)


def gap(after_seq: int, first_seq: int) -> bytes:
    """Return the message that says that the events between these seqs are not kept any more."""
    said = {
        "type": "gap",
        "code": "GAP",
        "message": "events before first_seq are older than the retention and not available",
        "after": after_seq,
        "first_seq": first_seq,
    }
    return event("gap", first_seq - 1, said)


def failure(code: str, message: str, **details: Any) -> bytes:
    """Return the last message of a stream that ends for a reason; it moves no cursor."""
    said = {"type": "error", "code": code, "message": message, **details}
    return sse.encode("error", json_data(said))
