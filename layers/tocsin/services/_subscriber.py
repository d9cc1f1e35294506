"""A subscriber: a cursor over an org's log; nothing else."""

import asyncio
import logging

from tocsin.domain.errors import IntegrityError
from tocsin.services._history import History
from tocsin.services._log import Log
from tocsin.services._ring import Chunk, Render
from tocsin.wire import frames

__all__ = ["Subscriber"]

logger = logging.getLogger(__name__)


class Subscriber:
    """Gives one connection its bytes, one chunk at a time; there is no queue behind it.

    Replay, live, a slow client and a hole left by pub/sub are the same case: the cursor is behind
    the head, so take the ring's bytes, or the ledger's when the ring begins later.
    """

    __slots__ = (
        "_began_at",
        "_ended",
        "_hash",
        "_history",
        "_last",
        "_log",
        "_loop",
        "_max_bytes",
        "_quiet",
        "_render",
        "_sent_at",
        "_sent_bytes",
        "_waiter",
        "cursor",
    )

    def __init__(
        self,
        log: Log,
        history: History,
        render: Render,
        cursor: int,
        max_bytes: int | None = None,
    ) -> None:
        """Start after ``cursor``, and end before ``max_bytes``."""
        self.cursor = cursor
        self._hash = log.ring.hash if cursor == log.ring.seq else None
        self._log = log
        self._history = history
        self._render = render
        self._loop = asyncio.get_running_loop()
        self._began_at = self._sent_at = self._loop.time()
        self._sent_bytes = 0
        self._max_bytes = max_bytes
        self._waiter: asyncio.Future[None] | None = None
        self._quiet = False
        self._ended = False
        self._last = b""
        log.join(self)

    async def next(self) -> bytes:
        """Return what to send next, waiting for it; empty at the end of the stream."""
        log = self._log
        while not self._ended:
            if self.cursor < log.ring.seq:
                chunk = log.ring.take(self._render, self.cursor) or await self._read()
                if chunk and (data := self._advance(chunk)):
                    self._sent_at = self._loop.time()
                    return data
            elif self._quiet:
                self._quiet = False
                if self._fits(frames.KEEPALIVE):
                    self._sent_at = self._loop.time()
                    return frames.KEEPALIVE
            else:
                self._waiter = self._loop.create_future()
                log.waiting.add(self)
                try:
                    await self._waiter
                finally:
                    self._waiter = None
        last, self._last = self._last, b""
        return last

    def wake(self) -> None:
        """Look at the log again, if waiting."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def keep_alive(self, sent_before: float) -> None:
        """Send a comment if it waits and sent nothing since ``sent_before`` (the loop's time)."""
        if self._waiter is not None and self._sent_at <= sent_before:
            self._quiet = True
            self.wake()

    def end_older(self, began_before: float) -> None:
        """End the stream where it is if it began before then (the loop's time)."""
        if self._began_at <= began_before:
            self.end()

    def end(self, last: bytes = b"") -> None:
        """End the stream where it is, after these bytes."""
        if not self._ended:
            self._ended = True
            self._last = last
            self.wake()

    def fail(self, error: IntegrityError) -> None:
        """End the stream, saying which seq can't be served."""
        self.end(frames.failure("INTEGRITY", str(error), seq=error.seq))

    def close(self) -> None:
        """Leave the log; nothing is sent any more."""
        self._ended = True
        self._log.leave(self)

    async def _read(self) -> Chunk | None:
        try:
            return await self._history.chunk(self._log.org, self._render, self.cursor)
        except IntegrityError as error:
            self._refuse(error)
            return None

    def _advance(self, chunk: Chunk) -> bytes:
        """Move the cursor over a chunk, which must follow what was sent before it."""
        if self._hash and chunk.prev_hash and self._hash != chunk.prev_hash:
            reason = "it does not follow what was sent"
            self._refuse(IntegrityError(self._log.org, self.cursor + 1, reason))
            return b""
        if not self._fits(chunk.data):
            return b""
        self.cursor, self._hash = chunk.last_seq, chunk.hash
        return chunk.data

    def _fits(self, data: bytes) -> bool:
        """Count what is to be sent; end the stream instead when that would be too much.

        The first is never too much, so that a client that comes back again and again gets on.
        """
        sent_bytes = self._sent_bytes + len(data)
        if self._max_bytes is not None and self._sent_bytes and sent_bytes > self._max_bytes:
            self.end()
            return False
        self._sent_bytes = sent_bytes
        return True

    def _refuse(self, error: IntegrityError) -> None:
        logger.error("a stream ends: %s", error)
        self.fail(error)
