"""Server-sent events: bytes in, messages out, and back.

Follows "Parsing an event stream" and "Interpreting an event stream" of the WHATWG HTML standard
(https://html.spec.whatwg.org/multipage/server-sent-events.html, sections 9.2.5 and 9.2.6) to the
letter. Both directions are here, so that one round-trip test covers both.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = [
    "BOM",
    "MAX_MESSAGE_BYTES",
    "Decoder",
    "Message",
    "MessageTooLarge",
    "comment",
    "encode",
    "line",
    "one_line",
]

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""How much of one message a :class:`Decoder` holds before it gives up, unless told otherwise.

It bounds the memory that a server can make its reader use. Tocsin's own messages stay below 1 MB.
"""

BOM: Final = b"\xef\xbb\xbf"
"""May begin a stream, and is skipped there."""

_END_OF_LINE: Final = re.compile(rb"\r\n|\n|\r")
_FORGES_A_LINE: Final = re.compile(r"[\r\n\0]")
_FOREVER_MS: Final = 10**18


class MessageTooLarge(ValueError):
    """A message is beyond the decoder's limit; the rest of its stream is of no use."""


@dataclass(frozen=True, slots=True)
class Message:
    """One dispatched message: its type, its data with lines joined by LF, and the cursor."""

    event: str
    data: str
    id: str


def encode(
    event: str | None,
    data: bytes | str | None,
    id: str | int | None = None,
    retry: int | None = None,
) -> bytes:
    r"""Return one message, blank line included.

    Args:
        event: The message's type; None leaves the line out (its reader sees ``message``).
        data: UTF-8; split by line (CR, LF or CRLF), so that no content can forge a field. None
            leaves it out: such a message only moves the reader's cursor or its ``retry``.
        id: The cursor from here on, as ``Last-Event-ID`` brings it back.
        retry: How long a reader waits before it connects again, in milliseconds.

    Raises:
        ValueError: CR, LF or NUL in ``event`` or ``id``, or a negative ``retry``.

    >>> encode("agent_event", b'{"seq":7}', 7)
    b'id: 7\nevent: agent_event\ndata: {"seq":7}\n\n'
    """
    head = b""
    if id is not None:
        head = line("id", str(id))
    if event is not None:
        head += line("event", event)
    if retry is not None:
        if retry < 0:
            raise ValueError(f"retry is {retry} ms: it cannot be negative")
        head += line("retry", str(retry))
    if data is None:
        return head + b"\n"
    body = data.encode() if isinstance(data, str) else data
    if b"\n" in body or b"\r" in body:
        body = b"\ndata: ".join(_END_OF_LINE.split(body))
    return b"%bdata: %b\n\n" % (head, body)


def comment(text: str) -> bytes:
    r"""Return a comment, which keeps a connection alive and which no reader sees.

    It ends with one line feed: the blank line that ends a message makes some decoders emit an
    empty one.

    >>> comment("keepalive")
    b': keepalive\n'
    """
    return b": " + b"\n: ".join(_END_OF_LINE.split(text.encode())) + b"\n"


def line(field: str, value: str) -> bytes:
    """Return one field's line, for a message whose fields come in another order.

    Raises:
        ValueError: CR, LF or NUL in the value.
    """
    if _FORGES_A_LINE.search(value):
        raise ValueError(f"CR, LF or NUL in the {field} field {value!r}")
    return f"{field}: {value}\n".encode()


def one_line(text: str) -> str:
    """Return a text that is not ours, such as a stored type, without what could forge a line."""
    return _FORGES_A_LINE.sub("", text)


class Decoder:
    """Turns the bytes of one response, split anywhere, into messages.

    A message that has not ended when the bytes end is discarded, as the standard demands.

    Attributes:
        last_event_id: The cursor to resume with (``Last-Event-ID``); it outlives messages that
            carry no id, and also moves on messages without data.
        retry_ms: How long the server wants a reader to wait before reconnecting, if it said so.
    """

    def __init__(
        self, *, last_event_id: str = "", max_message_bytes: int = MAX_MESSAGE_BYTES
    ) -> None:
        """Start a response; a reader that resumes hands over its ``last_event_id``."""
        self.last_event_id = last_event_id
        self.retry_ms: int | None = None
        self._max_message_bytes = max_message_bytes
        self._start: bytes | None = b""  # the first bytes, while they may become a BOM
        self._line = bytearray()  # a line without its end yet
        self._after_cr = False  # a line feed now would belong to the CR before it
        self._id = last_event_id
        self._event = ""
        self._data: list[str] = []
        self._size_bytes = 0

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """Yield the messages that ``chunk`` completes; consume all of it before the next call.

        ``last_event_id`` belongs to the message yielded last, so a reader that stops between two
        messages can resume there.

        Raises:
            MessageTooLarge: A message is beyond ``max_message_bytes``.
        """
        if self._start is not None:
            chunk = self._start + chunk
            if len(chunk) < len(BOM) and BOM.startswith(chunk):
                self._start = chunk
                return
            self._start = None
            chunk = chunk.removeprefix(BOM)
        if not chunk:
            return
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
        self._after_cr = chunk.endswith(b"\r")
        *lines, rest = _END_OF_LINE.split(chunk)
        for line in lines:
            if self._line:
                line = bytes(self._line) + line
                self._line.clear()
            self._bound(len(line))
            if line:
                self._take(line.decode(errors="replace"), len(line))
            elif (message := self._dispatch()) is not None:
                yield message
        self._line += rest
        self._bound(len(self._line))

    def _bound(self, line_bytes: int) -> None:
        if self._size_bytes + line_bytes > self._max_message_bytes:
            raise MessageTooLarge(f"a message is larger than {self._max_message_bytes} bytes")

    def _take(self, line: str, size_bytes: int) -> None:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "data":
                self._data.append(value)
                self._size_bytes += size_bytes
            case "event":
                self._event = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_ms = int(value) if len(value) < 19 else _FOREVER_MS
            case _:
                pass  # a comment (no field name) or a field that the standard does not know

    def _dispatch(self) -> Message | None:
        self.last_event_id = self._id
        event, data = self._event or "message", self._data
        self._event, self._data, self._size_bytes = "", [], 0
        return Message(event, "\n".join(data), self.last_event_id) if data else None
