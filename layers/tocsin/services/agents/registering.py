"""Creating, describing and retiring agents."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tocsin.domain.agents import AgentState, Profile
from tocsin.domain.errors import Busy, Conflict, OutcomeUnknown
from tocsin.domain.keys import ApiKey
from tocsin.ports import AgentStates, Clock
from tocsin.services.intake.stamp import new_id, own_batch
from tocsin.services.keys.issuing import Issue, Issued, Issuing

__all__ = ["Registering"]

_TRIES: Final = 4

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
        unknown: Busy = Busy("others are changing the same agent: send the request again")
        tried = set[str]()
        for _ in range(_TRIES):
            now = self._states.get(admin.org, [id]).get(id, AgentState(org=admin.org, id=id))
            if now.change in tried:  # the answer was lost
                return now
            at_ms = self._clock.now_ms()
            try:
                next, events = plan(now, at_ms)
            except Conflict:
                if isinstance(unknown, OutcomeUnknown):  # it may be ours, and was changed since
                    raise unknown from None
                raise
            if not events:
                return now
            batch_id = new_id(at_ms)
            tried.add(batch_id)
            next = replace(next, by=admin.holder, at_ms=at_ms, change=batch_id)
            batch, packed = own_batch(admin.org, events, batch_id)
            try:
                if self._states.write(next, now.change, batch, packed, key):
                    return next
            except OutcomeUnknown as error:
                unknown = error
        raise unknown


def _event(type: str, admin: ApiKey, id: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event in KavachOS' words."""
    data = {"agentId": id, **more}
    return {"type": type, "agent_id": id, "user_id": admin.holder, "data": data}
