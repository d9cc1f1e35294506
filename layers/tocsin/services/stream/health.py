"""Whether the stream's parts answer."""

import asyncio
from dataclasses import dataclass

from tocsin.domain.errors import Busy
from tocsin.services.reading.threads import Threads
from tocsin.services.stream.parts import StreamParts
from tocsin.services.stream.shared import Shared

__all__ = ["Health", "HealthCheck"]

ORG = "healthz"  # the org whose head is read, to see whether the ledger answers
GOOD_FOR_SECONDS = 1.0  # so that asking all the time costs no more than one look a second
ANSWER_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Health:
    """Whether each part answers; ``broker`` is None when there is none by configuration."""

    ledger: bool
    broker: bool | None


class HealthCheck:
    """Asks the parts; all who ask at the same time share the answer."""

    def __init__(self, parts: StreamParts) -> None:
        self._parts = parts
        self._asking: Shared[str, Health] = Shared()
        self._last: tuple[float, Health] | None = None
        self._thread = Threads("health", 1, seconds=ANSWER_SECONDS)

    async def __call__(self) -> Health:
        """Return an answer that is at most a second old."""
        now = asyncio.get_running_loop().time()
        if self._last is None or now - self._last[0] >= GOOD_FOR_SECONDS:
            self._last = (now, await self._asking.run("health", self._ask))
        return self._last[1]

    async def aclose(self) -> None:
        """Stop asking."""
        await self._asking.aclose()
        self._thread.close()

    async def _ask(self) -> Health:
        ledger, broker = await asyncio.gather(self._ledger(), self._broker())
        return Health(ledger, broker)

    async def _ledger(self) -> bool:
        try:
            await self._thread.run(ORG, self._parts.ledger.head, ORG)
        except Busy:
            return False
        return True

    async def _broker(self) -> bool | None:
        return await self._parts.feed.alive() if self._parts.feed else None
