"""How often a key may ask: what it changes writes events that count towards no quota."""

import logging
from collections import Counter

from tocsin.domain.errors import Busy, TooOften
from tocsin.ports.access import Rates
from tocsin.ports.world import Clock

__all__ = ["Rate"]

logger = logging.getLogger(__name__)


class Rate:
    """Counts a key's requests of a minute: all of this process, and those that write of every one.

    Everything blocks.
    """

    def __init__(self, rates: Rates, clock: Clock, per_minute: int) -> None:
        self._rates = rates
        self._clock = clock
        self._per_minute = per_minute
        self._minute = 0
        self._here: Counter[tuple[str, str]] = Counter()
        self._written_out: set[tuple[str, str]] = set()  # they need not be asked about again

    def take(self, org: str, key_id: str, *, writes: bool) -> None:
        """Count a request.

        While the state table can't count, this process does alone: what the request is for fails by
        itself, if it needs the table, and a decision about a call is not lost for a counter.

        Raises:
            TooOften: the key has made as many in this minute as it may.
        """
        now = self._clock.now_ms() // 1_000
        if now // 60 != self._minute:
            self._minute = now // 60
            self._here.clear()
            self._written_out.clear()
        who = org, key_id
        self._here[who] += 1
        if self._here[who] > self._per_minute or (writes and not self._may_write(who)):
            raise TooOften(
                f"the key may make {self._per_minute:,} requests a minute, and has: "
                "wait for the next one, or use several keys",
                60 - now % 60,
            )

    def _may_write(self, who: tuple[str, str]) -> bool:
        if who in self._written_out:
            return False
        try:
            may = self._rates.take(*who, self._minute, self._per_minute)
        except Busy as error:
            logger.warning("the requests of a key of %s are not counted: %s", who[0], error)
            return True
        if not may:
            self._written_out.add(who)
        return may
