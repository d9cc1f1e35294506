"""Rendered pieces of the ledger for subscribers that are behind the ring, read once for many."""

import asyncio
import logging
from collections.abc import Callable

from tocsin.domain.errors import Busy, IntegrityError
from tocsin.domain.segment import SealedEvent
from tocsin.services.reading.replay import Expired
from tocsin.services.reading.threads import Threads
from tocsin.services.stream.pools import READS, READS_PER_ORG
from tocsin.services.stream.ring import Chunk, chunks
from tocsin.services.stream.shared import Shared
from tocsin.wire import frames
from tocsin.wire.filters import Render

__all__ = ["Backlog", "ReadAfter"]

logger = logging.getLogger(__name__)

type ReadAfter = Callable[[str, int, bytes | None], list[SealedEvent]]
"""Read an org's sealed events after a seq; the seq's hash is checked if it is given. Blocks."""

CACHE_BYTES = 16 * 1024 * 1024
CHUNK_OVERHEAD_BYTES = 512  # of a chunk in the cache, of which most may be hidden

type _Place = tuple[str, Render, int]


class Backlog:
    """Reads chunks in threads; all who ask for the same one share the read and the bytes."""

    def __init__(self, read_after: ReadAfter, threads: Threads | None = None) -> None:
        self._read_after = read_after
        self._threads = threads or Threads("reads", READS, READS_PER_ORG)
        self._reads: Shared[_Place, Chunk] = Shared()
        self._cache: dict[_Place, Chunk] = {}
        self._cache_bytes = 0

    async def chunk(self, org: str, render: Render, cursor: int) -> Chunk:
        """Return what follows ``cursor`` in the ledger; a gap is a chunk that says so.

        While the ledger is busy this waits.

        Raises:
            IntegrityError: the next event does not verify, or the ledger ends at ``cursor``.
        """
        place = (org, render, cursor)
        if (cached := self._cache.get(place)) is not None:
            return cached
        return await self._reads.run(place, lambda: self._read(place))

    async def aclose(self) -> None:
        """Stop all reads."""
        await self._reads.aclose()

    async def _read(self, place: _Place) -> Chunk:
        org, render, cursor = place
        while True:
            try:
                found = await self._threads.run(org, self._render, org, render, cursor)
                break
            except Expired as gap:
                return Chunk(frames.gap(cursor, gap.first_seq), None, gap.first_seq - 1, None)
            except Busy as busy:
                logger.warning("the ledger of %s can't be read now: %s", org, busy)
                await asyncio.sleep(busy.retry_after_seconds or 1)
        chunks, opened = found
        for chunk in chunks if not opened else ():  # what was opened may be erased
            self._remember((org, render, cursor), chunk)
            cursor = chunk.last_seq
        return chunks[0]

    def _render(self, org: str, render: Render, cursor: int) -> tuple[list[Chunk], bool]:
        """Return chunks, and whether something in them was opened."""
        events = self._read_after(org, cursor, None)
        if not events:
            raise IntegrityError(org, cursor + 1, "it was announced and the ledger ends before it")
        return list(chunks(events, render)), any(event.sealed is not None for event in events)

    def _remember(self, place: _Place, chunk: Chunk) -> None:
        if place not in self._cache:
            self._cache[place] = chunk
            self._cache_bytes += CHUNK_OVERHEAD_BYTES + len(chunk.data)
        while self._cache_bytes > CACHE_BYTES:
            oldest = next(iter(self._cache))
            self._cache_bytes -= CHUNK_OVERHEAD_BYTES + len(self._cache.pop(oldest).data)
