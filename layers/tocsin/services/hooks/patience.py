"""Waiting for a person while a product's hook is open: not long, and few of an org at once."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from tocsin.domain.errors import Busy
from tocsin.domain.limits import HOOK_WAIT_SECONDS, HOOK_WAITS_PER_ORG
from tocsin.ports.deciding import Approvals, Places
from tocsin.ports.world import Clock

__all__ = ["Patience"]

logger = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0
_LEASE_MS: Final = (HOOK_WAIT_SECONDS + 5) * 1_000  # an instance that waits has ended by then


class Patience:
    """Waits for approvals, in this thread."""

    def __init__(
        self,
        store: Approvals,
        places: Places,
        clock: Clock,
        *,
        pause: Callable[[float], None] = time.sleep,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """``seconds`` only ever grows, while ``clock`` may be set back."""
        self._store = store
        self._places = places
        self._clock = clock
        self._pause = pause
        self._seconds = seconds

    @property
    def began(self) -> float:
        """When a request begins that :meth:`wait` may be asked for."""
        return self._seconds()

    def wait(self, org: str, id: str, began: float) -> bool:
        """Wait until an approval is resolved, or for as long as the request may take.

        Returns:
            False: as many of the org wait as may, or that can't be known; nothing was waited for.
        """
        now_ms = self._clock.now_ms()
        try:
            place = self._places.take(org, HOOK_WAITS_PER_ORG, now_ms, now_ms + _LEASE_MS)
        except Busy as error:
            logger.warning("a hook of %s has no place to wait in: %s", org, error)
            return False
        if not place:
            return False
        try:
            until = began + HOOK_WAIT_SECONDS
            while (left := until - self._seconds()) > 0:
                self._pause(min(left, _LOOK_SECONDS))
                with suppress(Busy):  # it is looked at again
                    if not self._store.waits(org, id):
                        break
        finally:
            with suppress(Busy):  # its time is over soon
                self._places.leave(org, place)
        return True
