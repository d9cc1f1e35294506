"""A broker in memory: both of its ends."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator

from tocsin.domain.errors import Busy


class FakeBroker:
    """``Broker`` and ``Feed`` in one, which :meth:`stop` takes away and :meth:`start` brings back.

    Made in the event loop that its subscribers run in; anybody may publish from any thread.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queues: dict[str, set[asyncio.Queue[bytes | None]]] = defaultdict(set)
        self.running = True
        self.watched = asyncio.Event()
        self.idle = asyncio.Event()

    def publish(self, org: str, message: bytes) -> None:
        if not self.running:
            raise Busy("the broker is stopped")
        self._loop.call_soon_threadsafe(self._deliver, org, message)

    async def messages(self, org: str) -> AsyncGenerator[bytes | None]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._queues[org].add(queue)
        self.watched.set()
        self.idle.clear()
        try:
            yield None
            while True:
                yield await queue.get()
        finally:
            self._queues[org].discard(queue)
            if not self.subscriptions:
                self.watched.clear()
                self.idle.set()

    async def alive(self) -> bool:
        return self.running

    async def aclose(self) -> None:
        pass

    def stop(self) -> None:
        self.running = False
        self.interrupt()

    def start(self) -> None:
        self.running = True
        self.interrupt()

    def interrupt(self) -> None:
        """Tell all subscribers that they may have missed something."""
        for org in self._queues:
            self._deliver(org, None)

    @property
    def subscriptions(self) -> int:
        return sum(map(len, self._queues.values()))

    def _deliver(self, org: str, message: bytes | None) -> None:
        for queue in self._queues[org]:
            queue.put_nowait(message)
