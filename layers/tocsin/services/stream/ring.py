"""The recent end of one org's ledger, in memory, with its bytes in every dialect asked for.

An event is rendered once per dialect, and everything from a cursor to the head is joined once per
dialect and filter, so a thousand subscribers at the same cursor send one and the same bytes object.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tocsin.domain.segment import SealedEvent
from tocsin.wire.filters import Facts, Filtered, Render

__all__ = ["CHUNK_BYTES", "Chunk", "Ring", "chunks"]

CHUNK_BYTES = 64 * 1024  # the most that one write holds, unless one message is larger
LOOKED_AT = 512  # events that a chunk of the ring goes over at most, or
LOOKED_AT_BYTES = 512 * 1024  # of entries: reading and rendering them takes the loop's thread
_SHARED_CHUNKS = 64  # cursors, per dialect and filter, that the next append has not outdated


class Chunk(NamedTuple):
    """Bytes to send, and the cursor after them; the hashes link it to the chunk before.

    ``hidden`` says that the last event is not in the bytes, so they do not tell the cursor.
    """

    data: bytes
    prev_hash: bytes | None
    last_seq: int
    hash: bytes | None
    hidden: bool = False


def chunks(events: Iterable[SealedEvent], render: Render) -> Iterable[Chunk]:
    """Render events and join them, up to :data:`CHUNK_BYTES` (or one message) at a time.

    However many are hidden, a chunk goes over :data:`LOOKED_AT` events at most.
    """
    messages: list[bytes] = []
    size_bytes = looked_at_bytes = 0
    first: SealedEvent | None = None
    last: SealedEvent | None = None
    for event in events:
        message = render(event)
        full = len(messages) == LOOKED_AT or looked_at_bytes >= LOOKED_AT_BYTES
        if first and last and (full or size_bytes + len(message) > CHUNK_BYTES):
            yield _chunk(messages, first, last)
            messages, size_bytes, looked_at_bytes, first = [], 0, 0, None
        first, last = first or event, event
        messages.append(message)
        size_bytes += len(message)
        looked_at_bytes += len(event.entry)
    if first and last:
        yield _chunk(messages, first, last)


def _chunk(messages: list[bytes], first: SealedEvent, last: SealedEvent) -> Chunk:
    hidden = not messages[-1]
    return Chunk(b"".join(messages), first.prev_hash, last.seq, last.hash, hidden)


class Ring:
    """Consecutive sealed events up to the head, bounded by number and by bytes of entries."""

    def __init__(self, seq: int, hash: bytes, max_events: int, max_bytes: int) -> None:
        """Start behind ``seq``, the head, whose hash is ``hash``."""
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._messages: dict[Render, list[bytes | None]] = {}  # of every event, by dialect
        self._chunks: dict[Render, dict[int, Chunk]] = {}  # by cursor, of a dialect and filter
        self._readers: Counter[Render] = Counter()
        self._same: dict[Render, Render] = {}
        self.restart(seq, hash)

    def restart(self, seq: int, hash: bytes) -> None:
        """Forget all events and go on behind ``seq``; subscribers behind it read the ledger."""
        self.seq = seq
        self.hash = hash
        self._events: list[SealedEvent] = []
        self._facts: list[Facts | None] = []  # of the events, as far as a filter asked for them
        self._size_bytes = 0
        self._messages.clear()
        self._chunks.clear()

    @property
    def capacity(self) -> int:
        """How many events it holds at most."""
        return self._max_events

    def join(self, render: Render) -> Render:
        """Add a reader; return the object that all with an equal render use, found the fastest."""
        for each in {render, _dialect(render)}:
            self._readers[each] += 1
        return self._same.setdefault(render, render)

    def leave(self, render: Render) -> None:
        """Forget a reader; with the last one, also the bytes that were made for them."""
        for each in {render, _dialect(render)}:
            self._readers[each] -= 1
            if not self._readers[each]:
                del self._readers[each]
                self._messages.pop(each, None)
                self._chunks.pop(each, None)
                self._same.pop(each, None)

    def append(self, events: Sequence[SealedEvent]) -> bool:
        """Add those of consecutive events that are new; False when they do not follow the head."""
        new = events[max(self.seq + 1 - events[0].seq, 0) :]
        if not new:
            return True
        if new[0].seq != self.seq + 1 or new[0].prev_hash != self.hash:
            return False
        self._events += new
        self._facts += [None] * len(new)
        self._size_bytes += sum(len(event.entry) for event in new)
        self.seq, self.hash = new[-1].seq, new[-1].hash
        for messages in self._messages.values():
            messages += [None] * len(new)
        for chunks in self._chunks.values():
            chunks.clear()
        self._trim()
        return True

    def holds(self, cursor: int) -> bool:
        """Whether it holds all that follows ``cursor``."""
        return cursor >= self.seq - len(self._events)

    def take(self, render: Render, cursor: int) -> Chunk | None:
        """Return what follows ``cursor``, which is below the head; None when it is too old."""
        start = cursor - (self.seq - len(self._events))
        if start < 0:
            return None
        shared = self._chunks.get(render)
        if shared is None:
            shared = self._chunks[render] = {}
        chunk = shared.get(cursor)
        if chunk is None:
            if len(shared) >= _SHARED_CHUNKS:
                shared.clear()
            chunk = shared[cursor] = self._join(render, start)
        return chunk

    def _join(self, render: Render, start: int) -> Chunk:
        dialect = _dialect(render)
        filter = render.filter if isinstance(render, Filtered) else None
        rendered = self._messages.get(dialect)
        if rendered is None:
            rendered = self._messages[dialect] = [None] * len(self._events)
        size_bytes = looked_at_bytes = 0
        joined: list[bytes] = []
        for place in range(start, min(len(rendered), start + LOOKED_AT)):
            if filter and not filter.lets(self._facts_at(place)):
                message = b""
            else:
                known = rendered[place]
                if known is None:
                    known = rendered[place] = dialect(self._events[place])
                message = known
            if joined and size_bytes + len(message) > CHUNK_BYTES:
                break
            joined.append(message)
            size_bytes += len(message)
            looked_at_bytes += len(self._events[place].entry)
            if looked_at_bytes >= LOOKED_AT_BYTES:
                break
        return _chunk(joined, self._events[start], self._events[start + len(joined) - 1])

    def _facts_at(self, place: int) -> Facts:
        facts = self._facts[place]
        if facts is None:
            facts = self._facts[place] = Facts.of(self._events[place])
        return facts

    def _trim(self) -> None:
        drop = max(len(self._events) - self._max_events, 0)
        size_bytes = self._size_bytes - sum(len(event.entry) for event in self._events[:drop])
        while size_bytes > self._max_bytes:
            size_bytes -= len(self._events[drop].entry)
            drop += 1
        if drop:
            self._size_bytes = size_bytes
            del self._events[:drop]
            del self._facts[:drop]
            for messages in self._messages.values():
                del messages[:drop]


def _dialect(render: Render) -> Render:
    return render.encode if isinstance(render, Filtered) else render
