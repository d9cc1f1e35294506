"""The logs of the orgs that somebody watches: opened for the first, closed after the last."""

import asyncio

from tocsin.domain.segment import SealedEvent
from tocsin.services.reading import replay
from tocsin.services.stream.backlog import Backlog
from tocsin.services.stream.follow import Follow
from tocsin.services.stream.log import LiveLog
from tocsin.services.stream.meter import Meter
from tocsin.services.stream.parts import StreamParts
from tocsin.services.stream.pools import Pools
from tocsin.services.stream.ring import Ring
from tocsin.services.stream.shared import Shared
from tocsin.services.stream.unsent import Unsent

__all__ = ["LiveLogs"]

READ_EVENTS, READ_BYTES = 4_096, 512 * 1024  # what one read of the ledger takes at most


class LiveLogs:
    """A live log for each org, and what keeps it at the ledger's head."""

    def __init__(self, parts: StreamParts, meter: Meter, pools: Pools) -> None:
        self.backlog = Backlog(self._read_after, pools.reads)
        self._parts = parts
        self._pools = pools
        self._unsent = Unsent()
        self._meter = meter
        self._followed: dict[str, Follow] = {}
        self._opening: Shared[str, None] = Shared()
        self._closing: Shared[Follow, None] = Shared()

    def find(self, org: str) -> LiveLog | None:
        """Return an org's log, if it is open."""
        follow = self._followed.get(org)
        return None if follow is None or follow.log.broken else follow.log

    def known_head(self, org: str) -> int:
        """Return a seq that the org's ledger has, or 0; from any thread."""
        follow = self._followed.get(org)
        return follow.log.ring.seq if follow else 0

    async def open(self, org: str) -> None:
        """Open an org's log, once for all who ask at the same time.

        Raises:
            Busy: the ledger does not answer.
        """
        await self._opening.run(org, lambda: self._open(org))

    def look_after(self, now: float) -> None:
        """Send heartbeats that are due, look at the heads, close logs that nobody watches."""
        limits = self._parts.limits
        for org, follow in list(self._followed.items()):
            follow.log.tick(now)
            if follow.log.broken or follow.log.left_before(now - limits.grace_seconds):
                self._close(org)
            elif follow.looked_at <= now - limits.look_seconds:
                follow.look()

    async def aclose(self) -> None:
        """Close all logs, and the feed."""
        for part in (self._opening, self.backlog):
            await part.aclose()
        for org in list(self._followed):
            self._close(org)
        await asyncio.gather(*self._closing.running())
        if self._parts.feed:
            await self._parts.feed.aclose()

    async def _open(self, org: str) -> None:
        parts = self._parts
        self._close(org)
        head = await self._pools.heads.run(org, parts.ledger.head, org)
        ring = Ring(head.seq, head.hash, parts.limits.ring_events, parts.limits.ring_bytes)
        self._followed[org] = Follow(
            LiveLog(org, ring, self._meter.arrived, self._unsent),
            parts.ledger,
            self._read_after,
            self._pools,
            parts.feed,
            parts.limits.poll_seconds,
        )

    def _close(self, org: str) -> None:
        if follow := self._followed.pop(org, None):
            self._closing.start(follow, follow.aclose)

    def _read_after(self, org: str, after_seq: int, digest: bytes | None) -> list[SealedEvent]:
        parts = self._parts
        return replay.read(
            parts.ledger,
            parts.journal,
            org,
            after_seq,
            limit=READ_EVENTS,
            max_bytes=READ_BYTES,
            expected_hash=digest,
            retention=parts.retention(),
        )
