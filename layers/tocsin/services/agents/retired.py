"""Whether an agent is retired: asked for each call, read rarely."""

from typing import Final

from tocsin.ports import AgentStates, Clock
from tocsin.services.access.remembered import Remembered

__all__ = ["Retired"]

_REMEMBERED_MS: Final = 3_000  # so that it is known everywhere within five seconds


class Retired:
    """The agents as they were up to three seconds ago."""

    def __init__(self, states: AgentStates, clock: Clock) -> None:
        def read(named: tuple[str, str]) -> bool:
            org, id = named
            state = states.get(org, [id]).get(id)
            return state is not None and state.retired

        self._found: Remembered[tuple[str, str], bool] = Remembered(
            read, clock, remembered_ms=_REMEMBERED_MS
        )

    def __call__(self, org: str, id: str) -> bool:
        """Return whether an agent is retired.

        Raises:
            Busy: the store does not answer.
        """
        return self._found.read((org, id))
