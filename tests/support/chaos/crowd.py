"""Many subscribers in one event loop, of every kind there is."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random

import httpx

from support.chaos.subscriber import RESUMES, Habits, Subscriber
from support.chaos.views import VIEWS

__all__ = ["Crowd", "crowd"]

_SMALL_BUFFER = (socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)  # so that a slow reader is felt
_TIMEOUT = httpx.Timeout(10, read=20)


class Crowd:
    """Subscribers that run until the crowd is left."""

    def __init__(self) -> None:
        self.subscribers: list[Subscriber] = []
        self.finishing = asyncio.Event()
        self.moved = asyncio.Event()

    async def until_opened(self) -> None:
        """Wait until each has a cursor."""
        await self._until(lambda each: each.start is not None)

    async def until_at(self, seq: int) -> None:
        """Wait until each has all there is up to a seq."""
        await self._until(lambda each: each.seq >= seq)

    async def until_watched(self) -> None:
        """Wait until somebody reads a stream, so that its end is felt."""
        while not any(each.reading for each in self.subscribers):
            self.moved.clear()
            await self.moved.wait()

    async def _until(self, reached: Callable[[Subscriber], bool]) -> None:
        while not all(each.trouble or reached(each) for each in self.subscribers):
            self.moved.clear()
            await self.moved.wait()


@asynccontextmanager
async def crowd(
    count: int,
    url_lists: Sequence[Sequence[str]],
    headers: dict[str, str],
    seed: int,
    *,
    sockets: Mapping[str, str] | None = None,
    slow_readers: bool = True,
) -> AsyncIterator[Crowd]:
    """Run ``count`` subscribers, each of which reads from the URLs of one list in turn.

    ``sockets`` maps those URLs that stand for unix sockets to their paths.

    Views, lists, resumptions and decoders are dealt out so that any few dozen subscribers have
    them all in many combinations.
    """
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    mounts = {
        url: httpx.AsyncHTTPTransport(uds=path, limits=limits)
        for url, path in (sockets or {}).items()
    }
    async with (
        httpx.AsyncClient(limits=limits, headers=headers, timeout=_TIMEOUT, mounts=mounts) as quick,
        httpx.AsyncClient(
            headers=headers,
            timeout=_TIMEOUT,
            transport=httpx.AsyncHTTPTransport(limits=limits, socket_options=[_SMALL_BUFFER]),
            mounts=mounts,
        ) as slow,
        asyncio.TaskGroup() as running,
    ):
        made = Crowd()
        for number in range(count):
            random = Random(f"{seed} subscriber {number}")  # noqa: S311 (the same in every run)
            habits = Habits(
                resume=RESUMES[number // len(VIEWS) % len(RESUMES)],
                slow=slow_readers and number % 5 == 0,
                decoder="httpx-sse" if number % 7 == 3 else "tocsin",
            )
            made.subscribers.append(
                Subscriber(
                    VIEWS[number % len(VIEWS)],
                    habits,
                    random.choice(url_lists),
                    slow if habits.slow else quick,
                    made.moved,
                    random,
                )
            )
        tasks = [running.create_task(each.run(made.finishing)) for each in made.subscribers]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
