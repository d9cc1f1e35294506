"""Keeping a log at the head of its org's ledger.

Pub/sub is a wake-up that usually carries the data; the ledger is the truth. A message that follows
the head is appended. Whatever else happens (a hole, a mismatch, an interruption, mere time) is a
reason to look at the ledger, and looking twice does no harm.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import cast

from tocsin.domain.errors import Busy, IntegrityError
from tocsin.ports.log import Feed, Ledger
from tocsin.services.reading.replay import Expired
from tocsin.services.stream.backlog import ReadAfter
from tocsin.services.stream.log import LiveLog
from tocsin.services.stream.pools import Pools
from tocsin.wire import channel

__all__ = ["Follow"]

logger = logging.getLogger(__name__)


class Follow:
    """Follows one ledger until it is closed, or until the ledger contradicts what was published."""

    def __init__(
        self,
        log: LiveLog,
        ledger: Ledger,
        read_after: ReadAfter,
        pools: Pools,
        feed: Feed | None,
        poll_seconds: float,
    ) -> None:
        """Start following, from the log's head on."""
        self.log = log
        self._ledger = ledger
        self._read_after = read_after
        self._pools = pools
        self._feed = feed
        self._poll_seconds = poll_seconds
        self._loop = asyncio.get_running_loop()
        self.looked_at = self._loop.time()
        self._wanted = asyncio.Event()
        self._tasks = [asyncio.create_task(work) for work in (self._listen(), self._keep_up())]

    def look(self) -> None:
        """Compare with the ledger soon."""
        self._wanted.set()

    async def aclose(self) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            try:
                async with aclosing(self._messages()) as messages:
                    async for message in messages:
                        self._hear(message)
            except Exception:  # whatever a feed does, the ledger is still there
                logger.exception("the feed of %s failed", self.log.org)
            self.look()
            await asyncio.sleep(self._poll_seconds)

    def _messages(self) -> AsyncGenerator[bytes | None]:
        source: AsyncIterator[bytes | None]
        source = self._feed.messages(self.log.org) if self._feed else self._polls()
        return cast(AsyncGenerator[bytes | None], source)

    async def _polls(self) -> AsyncGenerator[bytes | None]:
        while True:
            yield None
            await asyncio.sleep(self._poll_seconds)

    def _hear(self, message: bytes | None) -> None:
        log = self.log
        if message is None:
            self.look()
            return
        try:
            heard = channel.decode(message)
        except channel.Garbled as error:
            logger.warning("a message on the channel of %s is dropped: %s", log.org, error)
            self.look()
            return
        if heard.last_seq <= log.ring.seq or (heard.events and log.append(heard.events)):
            return
        if heard.events:
            log.keep_ahead(heard.events)
        self.look()

    async def _keep_up(self) -> None:
        while not self.log.broken:
            await self._wanted.wait()
            self._wanted.clear()
            self.looked_at = self._loop.time()
            try:
                await self._catch_up()
            except IntegrityError as error:
                self.log.fail(error)
            except Exception as error:
                if not isinstance(error, Busy):
                    logger.exception("reading the ledger of %s failed", self.log.org)
                self.look()
                await asyncio.sleep(self._poll_seconds)

    async def _catch_up(self) -> None:
        org, log, ring = self.log.org, self.log, self.log.ring
        seen = ring.seq
        head = await self._pools.heads.run(org, self._ledger.head, org)
        if head.seq < seen:
            raise IntegrityError(org, head.seq + 1, "it was published and is not in the ledger")
        if head.seq == ring.seq and head.hash != ring.hash:
            raise IntegrityError(org, head.seq, "the ledger has another hash than was published")
        if head.seq - ring.seq > ring.capacity:
            log.restart(head.seq, head.hash)
        while ring.seq < head.seq:
            seq, digest = ring.seq, ring.hash
            try:
                events = await self._pools.reads.run(org, self._read_after, org, seq, digest)
            except Expired:
                log.restart(head.seq, head.hash)
                return
            if not events or not log.append(events) or ring.seq == seq:
                raise IntegrityError(org, seq + 1, "the ledger does not go on from what was sent")
