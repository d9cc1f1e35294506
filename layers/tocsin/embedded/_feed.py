"""The broker within one process: what is sealed here wakes the streams served here."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import suppress
from threading import Lock
from typing import override

from tocsin.ports.log import Broker
from tocsin.services.stream.parts import LiveFeed

__all__ = ["LocalFeed"]

MAX_WAITING = 1_000  # messages, per follower of a log: one further behind looks at the ledger

type _Ear = tuple[asyncio.AbstractEventLoop, asyncio.Queue[bytes | None]]


class LocalFeed(Broker, LiveFeed):
    """Both the :class:`.Broker` and the :class:`.Feed`; publish from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ears: dict[str, set[_Ear]] = defaultdict(set)

    @override
    def publish(self, org: str, message: bytes) -> None:
        """Publish to the followers in this process; never raises Busy."""
        with self._lock:
            ears = list(self._ears[org])
        for loop, queue in ears:
            with suppress(RuntimeError):  # its loop is closed: it does not listen any more
                loop.call_soon_threadsafe(_deliver, queue, message)

    @override
    async def messages(self, org: str) -> AsyncGenerator[bytes | None]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_WAITING)
        ear = (asyncio.get_running_loop(), queue)
        with self._lock:
            self._ears[org].add(ear)
        try:
            yield None
            while True:
                yield await queue.get()
        finally:
            with self._lock:
                self._ears[org].discard(ear)

    async def alive(self) -> bool:
        """Return True: it always answers."""
        return True

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""


def _deliver(queue: asyncio.Queue[bytes | None], message: bytes) -> None:
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)
    queue.put_nowait(message)
