"""Sees the messages in an answer as it passes: one of JSON, or those of a stream of events."""

from collections.abc import Callable, Iterator
from typing import Final

from tocsin.wire.sse import Decoder, MessageTooLarge

__all__ = ["MAX_SEEN_BYTES", "Sight"]

MAX_SEEN_BYTES: Final = 16 * 1024 * 1024
"""Of one message. A longer one passes like any other, but is not read."""


class Sight:
    """For one answer. It keeps no more than one message.

    Attributes:
        streams: Whether it is a stream of events.
        resumable: Whether the stream's events have ids, by which it can be resumed.
    """

    def __init__(
        self, media_type: str, message: Callable[[bytes], None], unread: Callable[[], None]
    ) -> None:
        """Give each ``message``; ``unread`` says that there was one that can't be read."""
        self._message = message
        self._unread = unread
        kind = media_type.partition(";")[0].strip().lower()
        self.streams = kind == "text/event-stream"
        self._events = Decoder(max_message_bytes=MAX_SEEN_BYTES) if self.streams else None
        self._whole = bytearray()
        self._blind = False

    @property
    def resumable(self) -> bool:
        """Whether the last event had an id."""
        return self._events is not None and self._events.last_event_id != ""

    def feed(self, chunk: bytes) -> None:
        """See a part, before the client does."""
        if self._blind:
            return
        try:
            for data in self._found(chunk):
                self._message(data)
        except MessageTooLarge:
            self._blind = True
            self._whole.clear()
            self._unread()

    def finish(self) -> None:
        """See the end."""
        if self._whole and not self._blind:
            self._message(bytes(self._whole))
            self._whole.clear()

    def _found(self, chunk: bytes) -> Iterator[bytes]:
        if self._events is not None:
            for event in self._events.feed(chunk):
                yield event.data.encode()
            return
        self._whole += chunk
        if len(self._whole) > MAX_SEEN_BYTES:
            raise MessageTooLarge
