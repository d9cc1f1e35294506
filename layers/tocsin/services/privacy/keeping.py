"""Privacy settings: shown, and set by admins."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from tocsin.domain.keys import ApiKey
from tocsin.domain.privacy import KeptPrivacy, Privacy
from tocsin.ports.privacy import PrivacySettings
from tocsin.ports.world import Clock
from tocsin.services.intake.told import tell

__all__ = ["SET", "Keeping"]

SET: Final = "tocsin.privacy_set"
"""The type of the event that tells of a change; ``data`` is what was set."""


class Keeping:
    """The use cases behind ``/api/v1/privacy``. Everything blocks, and may raise Busy."""

    def __init__(self, store: PrivacySettings, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def get(self, org: str) -> KeptPrivacy:
        """Return an org's settings."""
        return self._store.get(org)

    def put(self, key: ApiKey, privacy: Privacy) -> KeptPrivacy:
        """Set them, and tell of it; nothing is told where they are so already.

        Raises:
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """

        def plan(now: KeptPrivacy, at_ms: int) -> tuple[KeptPrivacy, Sequence[dict[str, Any]]]:
            if now.privacy == privacy:
                return now, []
            event = {"type": SET, "user_id": key.holder, "data": privacy.as_data()}
            return replace(now, privacy=privacy, by=key.holder, at_ms=at_ms), [event]

        return tell(
            key.org,
            self._clock,
            lambda: self._store.get(key.org),
            plan,
            self._store.write,
            "settings",
        )
