"""What is done to the parts, and when: everything once in random order, then again."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Literal

import psutil

from support.product import Product
from support.waiting import HANG_SECONDS, until

__all__ = ["FAULTS", "Fault", "Faults"]

GAP_SECONDS = 0.6, 1.8  # between two faults
PAUSE_SECONDS = 1.0, 4.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing done to one part: SIGKILL, SIGTERM (which drains it), or SIGSTOP for a while."""

    how: Literal["kill", "drain", "pause"]
    part: str

    def __str__(self) -> str:
        return f"{self.how} {self.part}"


FAULTS = (
    *(Fault("kill", part) for part in ("stream", "valkey", "poller", "fanout", "ingest")),
    *(Fault("drain", part) for part in ("stream", "poller", "fanout")),
    # Connections to a paused part do not break: they hang. DynamoDB can't be killed without a loss.
    *(Fault("pause", part) for part in ("stream", "valkey", "fanout", "dynamodb")),
)


@dataclass
class Faults:
    """Does :data:`FAULTS` to a product; ``happened`` counts those whose effect was seen.

    ``watched`` waits until somebody reads from the stream service, before anything is done to it.
    """

    product: Product
    watched: Callable[[], Awaitable[None]]
    random: Random
    happened: Counter[Fault] = field(default_factory=Counter)
    _pauses: set["asyncio.Task[None]"] = field(default_factory=set)

    async def run(self, seconds: float, enough: Callable[[], bool]) -> None:
        """Go on for so long, and until everything has happened once and that was ``enough``.

        A slow machine needs longer for that. All parts run at the end.
        """
        deadline = time.monotonic() + seconds
        try:
            for fault in self._order():
                now = time.monotonic()
                if now >= deadline and self.happened.keys() >= set(FAULTS) and enough():
                    return
                if now >= deadline + 2 * HANG_SECONDS:
                    return
                await asyncio.sleep(self.random.uniform(*GAP_SECONDS))
                if fault.part == "stream":
                    await self.watched()
                process = await asyncio.to_thread(self._part, fault.part)
                if fault.how == "pause":
                    pause = asyncio.create_task(
                        self._pause(fault, process, self.random.uniform(*PAUSE_SECONDS))
                    )
                    self._pauses.add(pause)
                    pause.add_done_callback(self._pauses.discard)
                else:
                    await asyncio.to_thread(self._end, fault, process)
        finally:
            await asyncio.gather(*self._pauses)

    def _order(self) -> Iterator[Fault]:
        while True:
            yield from self.random.sample(FAULTS, len(FAULTS))

    def _part(self, name: str) -> psutil.Process:
        """Return a part's process, as soon as there is one."""
        until(lambda: name in self.product.parts(), f"{name} runs")
        return self.product.parts()[name]

    def _end(self, fault: Fault, process: psutil.Process) -> None:
        with suppress(psutil.NoSuchProcess):  # it ended by an earlier fault
            if fault.how == "kill":
                process.kill()
            else:
                process.terminate()
            process.wait(HANG_SECONDS)
            self.happened[fault] += 1

    async def _pause(self, fault: Fault, process: psutil.Process, seconds: float) -> None:
        with suppress(psutil.NoSuchProcess):  # killed meanwhile
            process.suspend()
            try:
                await asyncio.sleep(seconds)
                self.happened[fault] += 1
            finally:
                process.resume()
