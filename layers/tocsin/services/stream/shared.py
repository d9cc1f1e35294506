"""One run for all who ask for the same thing at the same time."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

from tocsin.domain.errors import TocsinError

__all__ = ["Shared"]

logger = logging.getLogger(__name__)


class Shared[K: Hashable, V]:
    """Coroutines by key: callers who come while one runs get its result, or its error."""

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Task[V]] = {}

    def start(self, key: K, coroutine: Callable[[], Coroutine[Any, Any, V]]) -> asyncio.Task[V]:
        """Return the run under ``key``, starting one when there is none."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(coroutine())
            task.add_done_callback(lambda done: self._done(key, done))
        return task

    async def run(self, key: K, coroutine: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Return the result of the run under ``key``, which goes on when its callers are gone."""
        return await asyncio.shield(self.start(key, coroutine))

    def running(self) -> list[asyncio.Task[V]]:
        """Return what runs now."""
        return list(self._running.values())

    async def aclose(self) -> None:
        """Cancel what runs, and wait for it."""
        running = self.running()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _done(self, key: K, task: asyncio.Task[V]) -> None:
        del self._running[key]
        error = None if task.cancelled() else task.exception()
        if error and not isinstance(error, TocsinError):  # those are for the callers who wait
            logger.error("%s failed", key, exc_info=error)
