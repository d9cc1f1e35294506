"""Blocking reads in threads of their own, of which no org gets more than its share.

A read that hangs keeps its thread, which nothing can take back. So each kind of read has its own
threads, an org has some of them at most, whoever waits is told in the end, and every loop over a
store looks at the time (:func:`tocsin.services.reading.checked.in_time`) before it asks again.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

from tocsin.domain.errors import Busy
from tocsin.services.reading.checked import ends_at_seconds

__all__ = ["Threads"]

SECONDS = 10.0  # for a read, waiting for a thread included


@dataclass(slots=True)
class _Share:
    free: asyncio.Semaphore
    users: int = 0


class Threads:
    """A few threads, used in the event loop's thread only."""

    def __init__(
        self, name: str, workers: int, per_org: int | None = None, seconds: float = SECONDS
    ) -> None:
        """Start none before it has something to do.

        ``per_org`` is how many of the ``workers`` one org may keep busy; None: all of them."""
        self.workers = workers
        self._pool = ThreadPoolExecutor(workers, f"tocsin-{name}")
        self._free = asyncio.Semaphore(workers)
        self._per_org = per_org or workers
        self._seconds = seconds
        self._shares: dict[str, _Share] = {}

    async def run[**P, T](
        self, org: str, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what a call returns that reads for an org.

        Raises:
            Busy: it took too long, or its org's reads before it do. The call may go on.
            Exception: what the call raises.
        """
        ends_at = time.monotonic() + self._seconds

        def timed() -> T:
            ends_at_seconds.set(ends_at)
            return call(*args, **kwargs)

        share = self._shares.setdefault(org, _Share(asyncio.Semaphore(self._per_org)))
        share.users += 1
        began = False
        try:
            async with asyncio.timeout(self._seconds) as waiting:
                await share.free.acquire()
                try:
                    await self._free.acquire()
                except BaseException:
                    share.free.release()
                    raise
                loop = asyncio.get_running_loop()
                running = loop.run_in_executor(self._pool, copy_context().run, timed)
                began = True
                running.add_done_callback(lambda done: self._done(org, share, done))
                return await asyncio.shield(running)
        except TimeoutError:
            if not waiting.expired():
                raise
            raise Busy("the store does not answer in time: try again a little later") from None
        finally:
            if not began:
                self._leave(org, share)

    def close(self) -> None:
        """Begin no more reads; those that hang are left to themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done[T](self, org: str, share: _Share, running: asyncio.Future[T]) -> None:
        if not running.cancelled():
            running.exception()  # whoever waited has it, or nobody wants it any more
        self._free.release()
        share.free.release()
        self._leave(org, share)

    def _leave(self, org: str, share: _Share) -> None:
        share.users -= 1
        if not share.users:
            del self._shares[org]
