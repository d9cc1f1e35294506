"""What an org wants detection to do: shown, and set by admins."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tocsin.domain.detect.kept import KeptSettings
from tocsin.domain.detect.said import SET
from tocsin.domain.detect.settings import Settings
from tocsin.domain.keys import ApiKey
from tocsin.ports.detecting import DetectionSettings
from tocsin.ports.world import Clock
from tocsin.services.intake.told import tell

__all__ = ["Setting"]


class Setting:
    """The use cases behind ``/api/v1/detection``. Everything blocks, and may raise Busy."""

    def __init__(self, store: DetectionSettings, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def get(self, org: str) -> KeptSettings:
        """Return an org's settings."""
        return self._store.get(org)

    def put(self, key: ApiKey, settings: Settings) -> KeptSettings:
        """Set them, and tell of it; nothing is told where they are so already.

        Raises:
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """

        def plan(now: KeptSettings, at_ms: int) -> tuple[KeptSettings, Sequence[dict[str, Any]]]:
            if now.settings == settings:
                return now, []
            event = {"type": SET, "user_id": key.holder, "data": settings.as_data()}
            return replace(now, settings=settings, by=key.holder, at_ms=at_ms), [event]

        return tell(
            key.org,
            self._clock,
            lambda: self._store.get(key.org),
            plan,
            self._store.write,
            "settings",
        )
