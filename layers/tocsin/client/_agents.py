"""Agents: seen, created, described and retired."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypedDict, Unpack

from tocsin.client._asking import Asking, AsyncAsking, Flow, Question, listed, one, path
from tocsin.client._keys import Key
from tocsin.domain.limits import MAX_LIST_EVENTS

__all__ = ["Agent", "AgentOptions", "Agents", "AsyncAgents"]

_AGENTS: Final = "/api/v1/agents"


class AgentOptions(TypedDict, total=False):
    """What is said of an agent; ``labels`` are all that it shall have."""

    name: str
    description: str
    framework: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent; ``key`` is its own new one, where it was created with one.

    ``fields`` is all that Tocsin said of it.
    """

    id: str
    name: str
    status: str
    key: Key | None = None
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Return it as Tocsin's answers have it; raises KeyError or TypeError: it is none."""
        key = Key.from_fields(fields["key"]) if "key" in fields else None
        return cls(fields["id"], fields["name"], fields["status"], key, fields)


class Agents(Asking):
    """A client's methods of agents."""

    def agents(self, limit: int = MAX_LIST_EVENTS) -> list[Agent]:
        """Return agents, ``limit`` at most: the newest seen first, and then those never seen.

        Raises:
            ApiError: Tocsin refused.
            httpx.TransportError: Tocsin can't be reached.
        """
        return self._run(_all(limit))

    def agent(self, id: str) -> Agent:
        """Return one agent; raises what :meth:`agents` raises."""
        return self._run(_one(id))

    def create_agent(
        self, id: str, scopes: Iterable[str] = (), **options: Unpack[AgentOptions]
    ) -> Agent:
        """Create an agent, with ``scopes`` with a key of its own; needs the scope ``admin``.

        Raises what :meth:`agents` raises. An ApiError's ``status`` is 409 if it was created before,
        also by a try of this very call whose answer was lost.
        """
        return self._run(_created(id, scopes, options))

    def update_agent(
        self, id: str, *, bring_back: bool = False, **options: Unpack[AgentOptions]
    ) -> Agent:
        """Describe an agent, and perhaps end its retirement; what is not given stays."""
        return self._run(_updated(id, bring_back, options))

    def retire_agent(self, id: str, reason: str = "") -> Agent:
        """Have all calls of an agent denied, within 5 seconds."""
        return self._run(_retired(id, reason))


class AsyncAgents(AsyncAsking):
    """The same for asyncio; see :class:`Client`'s methods."""

    async def agents(self, limit: int = MAX_LIST_EVENTS) -> list[Agent]:
        """Return agents, the newest seen first."""
        return await self._run(_all(limit))

    async def agent(self, id: str) -> Agent:
        """Return one agent."""
        return await self._run(_one(id))

    async def create_agent(
        self, id: str, scopes: Iterable[str] = (), **options: Unpack[AgentOptions]
    ) -> Agent:
        """Create an agent, with ``scopes`` with a key of its own."""
        return await self._run(_created(id, scopes, options))

    async def update_agent(
        self, id: str, *, bring_back: bool = False, **options: Unpack[AgentOptions]
    ) -> Agent:
        """Describe an agent, and perhaps end its retirement."""
        return await self._run(_updated(id, bring_back, options))

    async def retire_agent(self, id: str, reason: str = "") -> Agent:
        """Have all calls of an agent denied."""
        return await self._run(_retired(id, reason))


def _all(limit: int) -> Flow[list[Agent]]:
    return listed(_AGENTS, limit, Agent.from_fields, "list of agents")


def _one(id: str) -> Flow[Agent]:
    return one(Question("GET", path(_AGENTS, id)), Agent.from_fields, "agent")


def _created(id: str, scopes: Iterable[str], options: AgentOptions) -> Flow[Agent]:
    body: dict[str, Any] = {"id": id, **options}
    if scopes := list(scopes):
        body["key"] = {"scopes": scopes}
    return one(Question("POST", _AGENTS, body=body), Agent.from_fields, "agent")


def _updated(id: str, bring_back: bool, options: AgentOptions) -> Flow[Agent]:
    body = {**options, **({"status": "active"} if bring_back else {})}
    return one(Question("PUT", path(_AGENTS, id), body=body), Agent.from_fields, "agent")


def _retired(id: str, reason: str) -> Flow[Agent]:
    question = Question("POST", path(_AGENTS, id, "retire"), body={"reason": reason})
    return one(question, Agent.from_fields, "agent")
