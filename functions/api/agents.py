"""Govrix Scout's routes of agents: those that events named, as admins describe them."""

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from functions.api.asked import Asked, UseCase, answer
from tocsin.bootstrap.api import ApiParts
from tocsin.domain.errors import NotFound
from tocsin.domain.keys import ApiKey
from tocsin.services.keys.issuing import Issue
from tocsin.wire import agents as wire
from tocsin.wire import bodies, keys
from tocsin.wire import indexes as listing

__all__ = ["routes"]


def routes(parts: ApiParts) -> dict[str, UseCase]:
    """Return the use cases over ``parts``, by their names in the table of routes."""
    indexes, agents = parts.indexes, parts.agents

    def shown(org: str, known: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return what is known of agents, with what admins and budgets say of them."""
        states = agents.states(org, [each["id"] for each in known])
        blocked = parts.holding.blocked_agents(org)
        return [
            wire.shown(each | ({"status": "blocked"} if each["id"] in blocked else {}), state)
            for each in known
            for state in [states.get(each["id"])]
        ]

    def list_agents(asked: Asked) -> Response:
        page = parts.agent_list(asked.key, listing.parse_agents(asked.query))
        page["data"] = shown(asked.key.org, page["data"])
        return answer(page)

    def get_agent(asked: Asked) -> Response:
        id = asked.path["id"]
        seen = seen_as(asked.key, id)
        if seen is None and id not in agents.states(asked.key.org, [id]):
            raise NotFound("agent not found")
        return answer(shown(asked.key.org, [seen or listing.unseen_agent(id)])[0])

    def create_agent(asked: Asked) -> Response:
        body = bodies.read(asked.body, wire.CREATE)
        id, given = body["id"], body.get("key")
        seen = seen_as(asked.key, id)  # before anything is written, as everything that can fail
        issue = given and Issue(
            scopes=frozenset(given["scopes"]),
            name=given.get("name", ""),
            types=keys.types(given.get("types")),
            expires_at_ms=keys.moment(given.get("expires_at")),
            agent=id,
        )
        state, issued = agents.create(asked.key, id, wire.profile(body), issue)
        said = wire.shown(seen or listing.unseen_agent(id), state)
        if issued:
            said["key"] = {"key": issued.token, **keys.listed(issued.key)}
        return answer(said, 201)

    def update_agent(asked: Asked) -> Response:
        body, id = bodies.read(asked.body, wire.UPDATE), asked.path["id"]
        seen = seen_as(asked.key, id)
        state = agents.change(asked.key, id, wire.profile(body), bring_back="status" in body)
        if seen is None and not state.change:
            raise NotFound("agent not found")
        return answer(wire.shown(seen or listing.unseen_agent(id), state))

    def retire_agent(asked: Asked) -> Response:
        reason = bodies.read(asked.body, wire.RETIRE).get("reason", "")
        id = asked.path["id"]
        seen = seen_as(asked.key, id)
        state = agents.retire(asked.key, id, reason)
        return answer(wire.shown(seen or listing.unseen_agent(id), state))

    def seen_as(key: ApiKey, id: str) -> dict[str, Any] | None:
        """Return what an agent's events say of it; None: it has sent nothing yet."""
        try:
            return indexes.agent(key, id)
        except NotFound:
            return None

    return {
        "list_agents": list_agents,
        "get_agent": get_agent,
        "create_agent": create_agent,
        "update_agent": update_agent,
        "retire_agent": retire_agent,
    }
