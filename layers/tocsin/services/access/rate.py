"""How often a key may ask, and an org be changed: that writes events that count to no quota."""

import logging
from collections import Counter
from typing import Final

from tocsin.domain.errors import Busy, TooOften
from tocsin.ports.access import Rates
from tocsin.ports.world import Clock

__all__ = ["Rate"]

logger = logging.getLogger(__name__)

_ADMINS: Final = "*"  # stands for all keys of an org; no key has such an id


class Rate:
    """Counts a key's requests of a minute: all of this process, and those that write of every one.

    What admins change of an org is counted for all of its keys together as well: who may change it
    can make keys, too. Everything blocks.
    """

    def __init__(
        self,
        rates: Rates,
        clock: Clock,
        per_minute: int,
        changes_per_minute: int,
    ) -> None:
        self._rates = rates
        self._clock = clock
        self._per_minute = per_minute
        self._changes_per_minute = changes_per_minute
        self._minute = 0
        self._here: Counter[tuple[str, str]] = Counter()
        self._written_out: set[tuple[str, str]] = set()  # they need not be asked about again

    def take(self, org: str, key_id: str, *, writes: bool, changes: bool = False) -> None:
        """Count a request; of those that write, whether it ``changes`` what only admins may.

        While the state table can't count, this process does alone: what the request is for fails by
        itself, if it needs the table, and a decision about a call is not lost for a counter.

        Raises:
            TooOften: the key has made as many in this minute as it may, or its org's admins have.
        """
        now = self._clock.now_ms() // 1_000
        if now // 60 != self._minute:
            self._minute = now // 60
            self._here.clear()
            self._written_out.clear()
        if not self._may((org, key_id), self._per_minute, writes=writes):
            raise TooOften(
                f"the key may make {self._per_minute:,} requests a minute, and has: "
                "wait for the next one, or use several keys",
                60 - now % 60,
            )
        if changes and not self._may((org, _ADMINS), self._changes_per_minute, writes=True):
            raise TooOften(
                f"the org's admins may make {self._changes_per_minute:,} changes a minute, with all"
                " of its keys together, and have: wait for the next one",
                60 - now % 60,
            )

    def _may(self, who: tuple[str, str], limit: int, *, writes: bool) -> bool:
        self._here[who] += 1
        return self._here[who] <= limit and not (writes and not self._may_write(who, limit))

    def _may_write(self, who: tuple[str, str], limit: int) -> bool:
        if who in self._written_out:
            return False
        try:
            may = self._rates.take(*who, self._minute, limit)
        except Busy as error:
            logger.warning("the requests of keys of %s are not counted: %s", who[0], error)
            return True
        if not may:
            self._written_out.add(who)
        return may
