"""The frames of a stream, whatever its dialect: an event, its opening, silence, a gap, the end.

Rendered here byte by byte, since this is the hot path. The rules are the WHATWG's
(https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation).
"""

from typing import Any

import orjson

__all__ = ["HEARTBEAT", "cursor", "event", "failure", "gap", "json_data", "opening", "retry"]

HEARTBEAT = b": keepalive\n"  # one line feed: after a blank line some decoders emit an empty event

# Line ends to Python's and JavaScript's string functions, which some clients split the stream with.
_LINE_ENDS = (
    (b"\xe2\x80\xa8", b"\\u2028"),
    (b"\xe2\x80\xa9", b"\\u2029"),
    (b"\xc2\x85", b"\\u0085"),
)
_FORGING = str.maketrans("", "", "\r\n\0")


def json_data(value: Any) -> bytes:
    """Return a JSON value on one line, whatever the reader takes for a line end."""
    data = orjson.dumps(value)
    if not data.isascii():
        for raw, escaped in _LINE_ENDS:
            data = data.replace(raw, escaped)
    return data


def event(name: str, seq: int, data: Any) -> bytes:
    """Return a message with an ``event`` name, the cursor ``seq`` as its id, and JSON data."""
    head = f"event: {name.translate(_FORGING)}\nid: {seq}\ndata: "
    return b"%b%b\n\n" % (head.encode(), json_data(data))


def opening(cursor: int, retry_ms: int) -> bytes:
    """Return what a stream begins with: the cursor to resume from, before any event.

    Without a ``data`` field nothing is dispatched, but the blank line makes the id the client's
    last event id.
    """
    return b": tocsin\nretry: %d\nid: %d\n\n" % (retry_ms, cursor)


def cursor(seq: int) -> bytes:
    """Return the message that only moves the reader's cursor, over what is hidden from it."""
    return b"id: %d\n\n" % seq


def retry(retry_ms: int) -> bytes:
    """Return the message that only says how long to wait before the next connection."""
    return b"retry: %d\n\n" % retry_ms


def gap(after_seq: int, first_seq: int) -> bytes:
    """Return the message that says that events are not kept any more, from after ``after_seq``."""
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
    return b"event: error\ndata: %b\n\n" % json_data(said)
