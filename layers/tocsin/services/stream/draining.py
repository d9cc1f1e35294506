"""Waiting for a store, until a drain begins."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tocsin.domain.errors import Busy

__all__ = ["Draining"]


class Draining:
    """Whether the process is about to end, and who is waiting for a store."""

    def __init__(self) -> None:
        self.begun = False
        self._waits: set[asyncio.Timeout] = set()

    def begin(self) -> None:
        """Refuse those who wait now, and those who would wait from now on."""
        self.begun = True
        while self._waits:
            self._waits.pop().reschedule(0)

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Wait in this block for a store, which may hang for long.

        Raises:
            Busy: a drain has begun.
        """
        going = Busy("this instance is shutting down: connect again")
        if self.begun:
            raise going
        try:
            async with asyncio.timeout(None) as wait:
                self._waits.add(wait)
                try:
                    yield
                finally:
                    self._waits.discard(wait)
        except TimeoutError:
            if not wait.expired():
                raise
            raise going from None
