"""Recording an event that Tocsin makes of what a sender's key asked for: a call, a hook."""

from typing import Any

from tocsin.domain.keys import ApiKey
from tocsin.ports.log import Journal
from tocsin.ports.world import Clock
from tocsin.services.intake.allowance import Allowance
from tocsin.services.intake.protecting import Protecting
from tocsin.services.intake.screening import Screening
from tocsin.services.intake.stamp import Draft, new_id

__all__ = ["Recording"]


class Recording:
    """It counts towards the org's quota, as what is sent does. Everything blocks."""

    def __init__(
        self,
        journal: Journal,
        allowance: Allowance,
        screening: Screening,
        clock: Clock,
        protecting: Protecting | None = None,
    ) -> None:
        """Without ``protecting`` all is stored in clear."""
        self._journal = journal
        self._allowance = allowance
        self._screening = screening
        self._protecting = protecting
        self._clock = clock

    def __call__(self, key: ApiKey, event: dict[str, Any]) -> None:
        """Store an event, in canonical spelling, without what must not be stored.

        Raises:
            Malformed, TooLarge: it can't be stored.
            QuotaExhausted: the org may store nothing more this month.
            Busy: it may be stored; ask again.
        """
        self._screening.record(key.org, event)
        protect = self._protecting(key.org, [event]) if self._protecting else None
        draft = Draft([event], key, plain=False, protect=protect)
        batch, packed = draft.stamped(new_id(self._clock.now_ms()))
        with self._allowance.reserved(batch):
            self._journal.put(batch, packed)
