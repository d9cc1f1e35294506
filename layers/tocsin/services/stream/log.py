"""One org's log as the stream holds it: the ring, and who reads it."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from tocsin.domain.errors import IntegrityError
from tocsin.domain.segment import SealedEvent
from tocsin.services.access.remembered import REMEMBERED_MS
from tocsin.services.stream.audience import Audience
from tocsin.services.stream.ring import CHUNK_BYTES, Ring
from tocsin.services.stream.unsent import Unsent
from tocsin.wire.filters import Render
from tocsin.wire.protection import tells_of_erasure

__all__ = ["LiveLog", "Reader"]

logger = logging.getLogger(__name__)

_RUNS_AHEAD = 64  # kept while what comes before them is read from the ledger


class Reader(Protocol):
    """What a log wakes when there is more: a subscriber."""

    def wake(self) -> None:
        """Look at the log again, if waiting."""

    def tick(self, now: float) -> None:
        """Send a heartbeat if one is due; ``now`` is the loop's time."""

    def fail(self, error: IntegrityError) -> None:
        """Stop: what the log holds can't be trusted."""


class LiveLog:
    """Wakes its readers when there is more. Used in the event loop's thread only."""

    def __init__(
        self,
        org: str,
        ring: Ring,
        arrived: Callable[[SealedEvent], object] | None = None,
        unsent: Unsent | None = None,
    ) -> None:
        """``arrived`` is called with the first of the events that came together.

        ``unsent`` is what the streams of this log have in common with all others.
        """
        self.org = org
        self.unsent = unsent or Unsent()
        self.ring = ring
        self.waiting: set[Reader] = set()
        self.broken = False
        self._arrived = arrived
        self._loop = asyncio.get_running_loop()
        self._left_at = self._loop.time()
        self._readers: set[Reader] = set()
        self._audiences: dict[Render, Audience] = {}
        self._ahead: dict[int, Sequence[SealedEvent]] = {}
        self._waking: asyncio.Handle | None = None
        self._fresh_bytes = 0  # of entries that were added since the readers were woken

    def join(self, reader: Reader) -> None:
        """Add a reader."""
        self._readers.add(reader)

    def leave(self, reader: Reader) -> bool:
        """Forget a reader; return whether it was one."""
        if reader not in self._readers:
            return False
        self._readers.remove(reader)
        self.waiting.discard(reader)
        self._left_at = self._loop.time()
        return True

    def audience(self, render: Render) -> Audience:
        """Return those who wait at the head for the same; :meth:`close` it when nobody is left."""
        audience = self._audiences.get(render)
        if audience is None:
            audience = Audience(self.org, self.ring, render, self.unsent)
            self._audiences[render] = audience
        return audience

    def close(self, render: Render) -> None:
        """Forget an audience that has no members."""
        if (audience := self._audiences.get(render)) is not None and not audience:
            del self._audiences[render]

    def left_before(self, moment: float) -> bool:
        """Whether nobody has read it since ``moment`` (the loop's time)."""
        return not self._readers and self._left_at < moment

    def tick(self, now: float) -> None:
        """Let readers send the heartbeats that are due."""
        for reader in self._readers:
            reader.tick(now)

    def append(self, events: Sequence[SealedEvent]) -> bool:
        """Add those of the events that are new; False when they do not follow the head.

        The readers are woken in the loop's next turn, so that what arrives together is sent
        together, and at once when that is as much as a write takes.
        """
        head = self.ring.seq
        if not self.ring.append(events):
            return False
        if any(map(tells_of_erasure, events)):
            self._forget()
        if self._arrived and self.ring.seq > head:
            self._arrived(events[head + 1 - events[0].seq])
        while following := self._ahead.pop(self.ring.seq + 1, None):
            if not self.ring.append(following):
                break
        if self._ahead:
            self._ahead = {seq: run for seq, run in self._ahead.items() if seq > self.ring.seq}
        self._fresh_bytes += sum(len(event.entry) for event in events)
        if self._fresh_bytes >= CHUNK_BYTES:
            self.wake()
        else:
            self._wake_soon()
        return True

    def wake(self) -> None:
        """Have the readers take what is there."""
        if self._waking:
            self._waking.cancel()
        self._waking, self._fresh_bytes = None, 0
        for audience in list(self._audiences.values()):
            audience.deliver()
        waiting, self.waiting = self.waiting, set()
        for reader in waiting:
            reader.wake()

    def keep_ahead(self, events: Sequence[SealedEvent]) -> None:
        """Keep events until those before them have been read."""
        if len(self._ahead) < _RUNS_AHEAD:
            self._ahead[events[0].seq] = events

    def restart(self, seq: int, digest: bytes) -> None:
        """Go on behind ``seq``; the readers find what is before it in the ledger."""
        self.ring.restart(seq, digest)
        for audience in list(self._audiences.values()):
            audience.scatter()
        self._wake_soon()

    def fail(self, error: IntegrityError) -> None:
        """End all readers."""
        logger.error("the stream of %s ends: %s", self.org, error)
        self.broken = True
        for reader in self._readers:
            reader.fail(error)

    def _forget(self) -> None:
        """Drop the events, now and when no reader remembers a key that was destroyed."""
        self.restart(self.ring.seq, self.ring.hash)
        seconds = 2 * REMEMBERED_MS / 1000
        self._loop.call_later(seconds, lambda: self.restart(self.ring.seq, self.ring.hash))

    def _wake_soon(self) -> None:
        if not self._waking:
            self._waking = self._loop.call_soon(self.wake)
