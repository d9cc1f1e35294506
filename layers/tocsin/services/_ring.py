"""The recent end of one org's ledger, in memory, with its bytes in every dialect asked for.

An event is rendered once per dialect, and everything from a cursor to the head is joined once, so
a thousand subscribers at the same cursor send one and the same bytes object.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tocsin.domain.segment import SealedEvent

__all__ = ["CHUNK_BYTES", "Chunk", "Render", "Ring", "chunks"]

type Render = Callable[[SealedEvent], bytes]
"""A dialect: hashable, pure, and what two subscribers share bytes by. ``b""`` hides the event."""

CHUNK_BYTES = 64 * 1024  # what one write holds at most, unless one message is larger
_SHARED_CHUNKS = 64  # cursors, per dialect, that the next append has not outdated


class Chunk(NamedTuple):
    """Bytes to send, and the cursor after them; the hashes link it to the chunk before."""

    data: bytes
    prev_hash: bytes | None
    last_seq: int
    hash: bytes | None


@dataclass(slots=True)
class _View:
    """What one dialect has made of the ring: a message per event, and chunks by cursor."""

    messages: list[bytes | None]
    chunks: dict[int, Chunk] = field(default_factory=dict)


def chunks(events: Iterable[SealedEvent], render: Render) -> Iterable[Chunk]:
    """Render events and join them, up to :data:`CHUNK_BYTES` (or one message) at a time."""
    messages: list[bytes] = []
    size_bytes = 0
    first: SealedEvent | None = None
    last: SealedEvent | None = None
    for event in events:
        message = render(event)
        if first and last and size_bytes + len(message) > CHUNK_BYTES:
            yield Chunk(b"".join(messages), first.prev_hash, last.seq, last.hash)
            messages, size_bytes, first = [], 0, None
        first, last = first or event, event
        messages.append(message)
        size_bytes += len(message)
    if first and last:
        yield Chunk(b"".join(messages), first.prev_hash, last.seq, last.hash)


class Ring:
    """Consecutive sealed events up to the head, bounded by number and by bytes of entries."""

    def __init__(self, seq: int, hash: bytes, max_events: int, max_bytes: int) -> None:
        """Start behind ``seq``, the head, whose hash is ``hash``."""
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._views: dict[Render, _View] = {}
        self.restart(seq, hash)

    def restart(self, seq: int, hash: bytes) -> None:
        """Forget all events and go on behind ``seq``; subscribers behind it read the ledger."""
        self.seq = seq
        self.hash = hash
        self._events: list[SealedEvent] = []
        self._size_bytes = 0
        self._views.clear()

    @property
    def capacity(self) -> int:
        """How many events it holds at most."""
        return self._max_events

    def append(self, events: Sequence[SealedEvent]) -> bool:
        """Add what is new of consecutive events; False when they do not follow the head."""
        new = events[max(self.seq + 1 - events[0].seq, 0) :]
        if not new:
            return True
        if new[0].seq != self.seq + 1 or new[0].prev_hash != self.hash:
            return False
        self._events += new
        self._size_bytes += sum(len(event.entry) for event in new)
        self.seq, self.hash = new[-1].seq, new[-1].hash
        for view in self._views.values():
            view.messages += [None] * len(new)
            view.chunks.clear()
        self._trim()
        return True

    def take(self, render: Render, cursor: int) -> Chunk | None:
        """Return what follows ``cursor``, which is below the head; None when it is too old."""
        start = cursor - (self.seq - len(self._events))
        if start < 0:
            return None
        view = self._views.get(render)
        if view is None:
            view = self._views[render] = _View([None] * len(self._events))
        chunk = view.chunks.get(cursor)
        if chunk is None:
            if len(view.chunks) >= _SHARED_CHUNKS:
                view.chunks.clear()
            chunk = view.chunks[cursor] = self._join(render, view.messages, start)
        return chunk

    def _join(self, render: Render, messages: list[bytes | None], start: int) -> Chunk:
        place, size_bytes = start, 0
        joined: list[bytes] = []
        for place in range(start, len(messages)):
            message = messages[place]
            if message is None:
                message = messages[place] = render(self._events[place])
            if joined and size_bytes + len(message) > CHUNK_BYTES:
                place -= 1
                break
            joined.append(message)
            size_bytes += len(message)
        last = self._events[place]
        return Chunk(b"".join(joined), self._events[start].prev_hash, last.seq, last.hash)

    def _trim(self) -> None:
        drop = max(len(self._events) - self._max_events, 0)
        size_bytes = self._size_bytes - sum(len(event.entry) for event in self._events[:drop])
        while size_bytes > self._max_bytes:
            size_bytes -= len(self._events[drop].entry)
            drop += 1
        if drop:
            self._size_bytes = size_bytes
            del self._events[:drop]
            for view in self._views.values():
                del view.messages[:drop]
