"""Which of an org's sessions are suspended: asked for each call and each request, read rarely."""

from contextlib import suppress

from tocsin.domain.errors import Busy, IntegrityError
from tocsin.ports.deciding import SessionStates
from tocsin.ports.world import Clock
from tocsin.services.access.remembered import BRIEFLY_MS, Remembered

__all__ = ["Suspended"]


class Suspended:
    """The suspended sessions of orgs, as they were up to three seconds ago."""

    def __init__(self, states: SessionStates, clock: Clock) -> None:
        self._found: Remembered[str, frozenset[str]] = Remembered(
            states.suspended, clock, remembered_ms=BRIEFLY_MS
        )

    def __call__(self, org: str) -> frozenset[str]:
        """Return the ids of an org's suspended sessions.

        Raises:
            Busy: the store does not answer.
        """
        return self._found.read(org)

    def or_none(self, org: str) -> frozenset[str]:
        """Return the same, and none where that can't be known: for who only mentions it."""
        with suppress(Busy, IntegrityError):
            return self(org)
        return frozenset()

    def forget(self, org: str) -> None:
        """Have them read again next time."""
        self._found.forget(org)
