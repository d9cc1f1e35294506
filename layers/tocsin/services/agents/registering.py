"""Creating, describing and retiring agents."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tocsin.domain.agents import AgentState, Profile
from tocsin.domain.batch import Batch
from tocsin.domain.errors import Conflict
from tocsin.domain.keys import ApiKey
from tocsin.ports.deciding import AgentStates
from tocsin.ports.world import Clock
from tocsin.services.intake.told import tell
from tocsin.services.keys.issuing import Issue, Issued, Issuing

__all__ = ["Registering"]

type _Plan = Callable[[AgentState, int], tuple[AgentState, Sequence[dict[str, Any]]]]
"""Says what becomes of an agent as it is found, by the time in milliseconds, and what is told."""


class Registering:
    """The use cases behind ``/api/v1/agents``. Everything blocks.

    An agent need not have been seen to be described or retired. All raise Busy where nothing was
    written, or OutcomeUnknown where it may have been.
    """

    def __init__(self, states: AgentStates, issuing: Issuing, clock: Clock) -> None:
        self._states = states
        self._issuing = issuing
        self._clock = clock

    def states(self, org: str, ids: Sequence[str]) -> Mapping[str, AgentState]:
        """Return what admins said of these agents, if they said anything."""
        return self._states.get(org, ids)

    def create(
        self, admin: ApiKey, id: str, profile: Profile, issue: Issue | None
    ) -> tuple[AgentState, Issued | None]:
        """Create an agent, with a key of its own if one is to be issued: both, or neither.

        Raises:
            Conflict: there is one with this id that an admin created or described.
            Invalid: the key would have expired already, or the org has too many.
            OutcomeUnknown: nobody has the key's token, if it was written: revoke it.
        """
        issued = self._issuing.draft(admin, issue) if issue else None

        def plan(now: AgentState, _: int) -> tuple[AgentState, Sequence[dict[str, Any]]]:
            if now.change:
                raise Conflict("there is such an agent: change it with PUT")
            more = {"keyId": issued.key.id} if issued else {}
            told = [_event("agent.created", admin, id, {"name": id, **profile, **more})]
            return replace(now, **profile), told + ([issued.told(admin.holder)] if issued else [])

        return self._take(admin, id, plan, issued.key if issued else None), issued

    def change(
        self, admin: ApiKey, id: str, profile: Profile, *, bring_back: bool = False
    ) -> AgentState:
        """Change what is said of an agent, and perhaps let a retired one go on.

        Nothing is told where nothing changes.
        """

        def plan(now: AgentState, _: int) -> tuple[AgentState, Sequence[dict[str, Any]]]:
            next, more = replace(now, **profile), dict[str, Any]()
            if bring_back and now.retired:
                next, more = replace(next, retired_at_ms=None, reason=""), {"status": "active"}
            told = _event("agent.updated", admin, id, {**profile, **more})
            return next, [] if next == now else [told]

        return self._take(admin, id, plan)

    def retire(self, admin: ApiKey, id: str, reason: str) -> AgentState:
        """Have an agent's calls denied from now on. Nothing is told where it is retired already."""

        def plan(now: AgentState, now_ms: int) -> tuple[AgentState, Sequence[dict[str, Any]]]:
            if now.retired:
                return now, ()
            told = _event("agent.revoked", admin, id, {"reason": reason})
            return replace(now, retired_at_ms=now_ms, reason=reason), [told]

        return self._take(admin, id, plan)

    def _take(self, admin: ApiKey, id: str, plan: _Plan, key: ApiKey | None = None) -> AgentState:
        def stamped(now: AgentState, at_ms: int) -> tuple[AgentState, Sequence[dict[str, Any]]]:
            next, events = plan(now, at_ms)
            return replace(next, by=admin.holder, at_ms=at_ms) if events else now, events

        def read() -> AgentState:
            return self._states.get(admin.org, [id]).get(id, AgentState(org=admin.org, id=id))

        def write(state: AgentState, was: str, batch: Batch, packed: bytes) -> bool:
            return self._states.write(state, was, batch, packed, key)

        return tell(admin.org, self._clock, read, stamped, write, "agent")


def _event(type: str, admin: ApiKey, id: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event in KavachOS' words."""
    data = {"agentId": id, **more}
    return {"type": type, "agent_id": id, "user_id": admin.holder, "data": data}
