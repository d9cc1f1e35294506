"""What admins said of an agent: asked for each call, read rarely."""

from tocsin.domain.agents import AgentState
from tocsin.ports.deciding import AgentStates
from tocsin.ports.world import Clock
from tocsin.services.access.remembered import BRIEFLY_MS, Remembered

__all__ = ["Known"]


class Known:
    """The agents as they were up to three seconds ago."""

    def __init__(self, states: AgentStates, clock: Clock) -> None:
        def read(named: tuple[str, str]) -> AgentState:
            org, id = named
            return states.get(org, [id]).get(id, AgentState(org=org, id=id))

        self._found: Remembered[tuple[str, str], AgentState] = Remembered(
            read, clock, remembered_ms=BRIEFLY_MS
        )

    def __call__(self, org: str, id: str) -> AgentState:
        """Return an agent; one of which nobody said anything is not retired, and has no labels.

        Raises:
            Busy: the store does not answer.
        """
        return self._found.read((org, id))
