"""What an org has set as a whole: shown, and set by admins. A change is an event."""

from collections.abc import Sequence
from typing import Any, Protocol

from tocsin.domain.batch import Batch
from tocsin.domain.keys import ApiKey
from tocsin.ports.world import Clock
from tocsin.services.intake.told import State, tell

__all__ = ["Setting"]


class Settings(Protocol):
    """What can be set."""

    def as_data(self) -> dict[str, Any]:
        """Return it as the event's data has it."""


class Kept[S](State, Protocol):
    """Settings, and who set them when (Unix ms)."""

    @property
    def settings(self) -> S:
        """What is set."""

    def __replace__(
        self, *, settings: S = ..., by: str = ..., at_ms: int = ..., change: str = ...
    ) -> Any: ...


class Store[K](Protocol):
    """Where they are kept."""

    def get(self, org: str) -> K:
        """Return an org's settings, strongly consistent."""

    def write(self, kept: K, was: str, batch: Batch, packed: bytes) -> bool:
        """Write settings and the batch that tells of them; False: the last change is not ``was``.

        Raises:
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """


class Setting[S: Settings, K: Kept[Any]]:
    """The use cases behind a route that shows and sets. Everything blocks, and may raise Busy."""

    def __init__(self, store: Store[K], clock: Clock, told_as: str) -> None:
        """``told_as`` is the type of the event that tells of a change."""
        self._store = store
        self._clock = clock
        self._told_as = told_as

    def get(self, org: str) -> K:
        """Return an org's settings."""
        return self._store.get(org)

    def put(self, key: ApiKey, settings: S) -> K:
        """Set them, and tell of it; nothing is told where they are so already.

        Raises:
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """

        def plan(now: K, at_ms: int) -> tuple[K, Sequence[dict[str, Any]]]:
            if now.settings == settings:
                return now, []
            event = {"type": self._told_as, "user_id": key.holder, "data": settings.as_data()}
            return now.__replace__(settings=settings, by=key.holder, at_ms=at_ms), [event]

        return tell(
            key.org,
            self._clock,
            lambda: self._store.get(key.org),
            plan,
            self._store.write,
            "settings",
        )
