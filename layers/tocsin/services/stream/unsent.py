"""What streams have given and their connections could not send yet, bounded for all together.

What the system takes at once is not counted. So a client that reads counts for nothing, and one
that does not read holds what it was given last, a chunk or one message.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from tocsin.domain.limits import MAX_UNSENT_BYTES

__all__ = ["Unsent"]

PATIENCE_SECONDS = 2.0  # with a client that takes nothing, while others wait for its room
LOOK_SECONDS = 0.25


class Holder(Protocol):
    """A stream that waits for its client: a subscriber."""

    def give_up(self) -> None:
        """End it; its client goes on later where it is now."""


class Unsent:
    """Counts bytes, by org. Used in the event loop's thread only."""

    def __init__(self, max_bytes: int = MAX_UNSENT_BYTES) -> None:
        """Let ``max_bytes`` wait at most, and half of them for one org."""
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._orgs: Counter[str] = Counter()
        self._holders: dict[Holder, tuple[str, float]] = {}  # since when, the oldest first
        self._less = asyncio.Event()

    def full(self, org: str) -> bool:
        """Whether nothing more may be given to an org's streams now."""
        return self._size_bytes > 0 and (
            self._size_bytes >= self._max_bytes or self._orgs[org] >= self._max_bytes // 2
        )

    async def room(self, org: str) -> None:
        """Wait until there may be room, and give up clients that have taken nothing for long."""
        self._give_up_slow(org)
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self._less.wait()

    @contextmanager
    def held(self, holder: Holder, org: str, size_bytes: int) -> Iterator[None]:
        """Count what a stream has given, while its connection can't send it."""
        self._holders[holder] = org, asyncio.get_running_loop().time()
        self._size_bytes += size_bytes
        self._orgs[org] += size_bytes
        try:
            yield
        finally:
            del self._holders[holder]
            self._size_bytes -= size_bytes
            self._orgs[org] -= size_bytes
            if not self._orgs[org]:
                del self._orgs[org]
            self._less.set()
            self._less = asyncio.Event()

    def _give_up_slow(self, org: str) -> None:
        before = asyncio.get_running_loop().time() - PATIENCE_SECONDS
        own = self._size_bytes < self._max_bytes  # it is this org that has too much
        for holder, (whose, since) in list(self._holders.items()):
            if since > before:
                break
            if whose == org or not own:
                holder.give_up()
