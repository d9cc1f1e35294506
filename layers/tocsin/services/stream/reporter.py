"""Telling the operators once a period, at the same moments in every process."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from tocsin.ports.world import Clock, Metrics

__all__ = ["Reporter"]

logger = logging.getLogger(__name__)

type Figures = Mapping[str, float | Sequence[float]]


class Reporter:
    """Takes the figures whenever the clock enters a new period, such as every full minute.

    Every process reports once a period, at its beginning, so that a sum over a period is the sum of
    all processes, and a mean is that of one process.
    """

    def __init__(
        self, metrics: Metrics, clock: Clock, period_seconds: float, take: Callable[[], Figures]
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._period_ms = round(period_seconds * 1000)
        self._take = take
        self._period = clock.now_ms() // self._period_ms

    async def run(self) -> None:
        """Look at the clock for ever."""
        while True:
            await asyncio.sleep(min(1.0, self._period_ms / 10_000))
            self.tick()

    def tick(self) -> None:
        """Report, if the clock has entered another period."""
        period = self._clock.now_ms() // self._period_ms
        if period > self._period:
            self._period = period
            self._report(period * self._period_ms)

    def close(self) -> None:
        """Report what is left."""
        self._report(self._clock.now_ms())

    def _report(self, at_ms: int) -> None:
        try:
            self._metrics.put(at_ms, self._take())
        except Exception:  # no stream may end because of it
            logger.exception("the service's metrics are lost")
