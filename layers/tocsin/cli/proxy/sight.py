"""Looks on while an answer passes: decodes a copy, and has the protocol's reader read it.

Events of a stream are read by the rules of
https://html.spec.whatwg.org/multipage/server-sent-events.html, without comments, ids and names:
the vendors' events have their kind in their data.
"""

from typing import Any, Final

import orjson

from tocsin.cli.proxy.answers import Answer
from tocsin.cli.proxy.coding import Decoder
from tocsin.cli.proxy.members import WHOLE_BYTES, Members
from tocsin.cli.proxy.operations import Operation

__all__ = ["Sight"]

_MEMBERS: Final = frozenset(
    {"id", "model", "usage", "error", "status", "choices", "content", "output", "type"}
    | {"stop_reason", "input_tokens"}
)
_DONE: Final = b"[DONE]"


class Sight:
    """Feed it an answer's chunks as they pass; ``answer`` is what is known of it."""

    def __init__(
        self, operation: Operation, media_type: str, encoding: str | None, answer: Answer
    ) -> None:
        self.answer = answer
        self._failed = False
        self._reader = operation.reader(answer)
        self._decoder = Decoder(encoding)
        media_type = media_type.partition(";")[0].strip().lower()
        self.is_stream = media_type == "text/event-stream"
        self._members = Members(_MEMBERS) if media_type.endswith("json") else None
        self._lines = _Lines() if self.is_stream else None

    def feed(self, chunk: bytes) -> None:
        """See a chunk."""
        if self._failed or (self._lines is None and self._members is None):
            return
        try:
            for piece in self._decoder.feed(chunk):
                if self._lines is not None:
                    for data in self._lines.feed(piece):
                        self._event(data)
                elif self._members is not None:
                    self._members.feed(piece)
        except Exception:  # a bug here must not cost the agent its answer
            self._failed = True

    def finish(self) -> None:
        """See the end, whole or not."""
        try:
            if self._members is not None:
                self._reader.whole(self._members.read())
        except Exception:
            self._failed = True

    @property
    def unread(self) -> bool:
        """Whether the answer could not be read to its end."""
        return self._failed or self._decoder.broken

    def _event(self, data: bytes) -> None:
        if data == _DONE:
            self.answer.ended = True
            return
        try:
            value: Any = orjson.loads(data)
        except orjson.JSONDecodeError:
            return
        if isinstance(value, dict):
            self._reader.event(value)


class _Lines:
    """Cuts a stream into the data of its events. One that is too long is left out."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._skipping = False

    def feed(self, chunk: bytes) -> list[bytes]:
        events: list[bytes] = []
        if b"\n" not in chunk:
            self._hold(chunk)
            return events
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            self._hold(line)
            whole, skipped = bytes(self._rest), self._skipping
            self._rest.clear()
            self._skipping = False
            self._line(whole.removesuffix(b"\r"), skipped, events)
        self._hold(rest)
        return events

    def _hold(self, part: bytes) -> None:
        if not self._skipping:
            self._rest += part
            if len(self._rest) > WHOLE_BYTES:
                self._rest.clear()
                self._skipping = True

    def _line(self, line: bytes, skipped: bool, events: list[bytes]) -> None:
        if skipped:
            self._size = WHOLE_BYTES + 1
        elif line.startswith(b"data:"):
            part = line[5:].removeprefix(b" ")
            self._size += len(part)
            if self._size <= WHOLE_BYTES:
                self._data.append(part)
        elif not line:
            if self._data and self._size <= WHOLE_BYTES:
                events.append(b"\n".join(self._data))
            self._data, self._size = [], 0
