"""The routes of API keys: for admins, each of their own org; and of those that keys delegate."""

from collections.abc import Sequence

from starlette.responses import Response

from functions.api.asked import Asked, UseCase, answer
from tocsin.bootstrap.api import ApiParts
from tocsin.domain.keys import ApiKey
from tocsin.services.keys.delegating import Delegate
from tocsin.services.keys.issuing import Issue, Issued
from tocsin.wire import bodies
from tocsin.wire import keys as wire

__all__ = ["routes"]


def routes(parts: ApiParts) -> dict[str, UseCase]:
    """Return the use cases over ``parts``, by their names in the table of routes."""
    issuing, delegating = parts.issuing, parts.delegating

    def create_key(asked: Asked) -> Response:
        body = bodies.read(asked.body, wire.CREATE)
        issue = Issue(
            scopes=frozenset(body["scopes"]),
            name=body.get("name", ""),
            person=body.get("person", ""),
            types=wire.types(body.get("types")),
            expires_at_ms=wire.moment(body.get("expires_at")),
            agent=body.get("agent", ""),
        )
        return _issued(issuing.create(asked.key, issue))

    def list_keys(asked: Asked) -> Response:
        return _listed(issuing.all(asked.key))

    def rotate_key(asked: Asked) -> Response:
        body = bodies.read(asked.body, wire.ROTATE)
        overlap_seconds = wire.overlap_seconds(body)
        return _issued(issuing.rotate(asked.key, asked.path["id"], overlap_seconds))

    def revoke_key(asked: Asked) -> Response:
        return answer(wire.listed(issuing.revoke(asked.key, asked.path["id"])))

    def delegate(asked: Asked) -> Response:
        body = bodies.read(asked.body, wire.DELEGATE)
        wanted = Delegate(
            scopes=frozenset(body["scopes"]),
            name=body.get("name", ""),
            types=wire.types(body.get("types")),
            agent=body.get("agent", ""),
            expires_at_ms=wire.moment(body.get("expires_at")),
        )
        return _issued(delegating.delegate(asked.key, wanted))

    def list_delegations(asked: Asked) -> Response:
        return _listed(delegating.delegated(asked.key))

    def revoke_delegation(asked: Asked) -> Response:
        return answer(wire.listed(delegating.revoke(asked.key, asked.path["id"])))

    return {
        "create_key": create_key,
        "list_keys": list_keys,
        "rotate_key": rotate_key,
        "revoke_key": revoke_key,
        "delegate": delegate,
        "list_delegations": list_delegations,
        "revoke_delegation": revoke_delegation,
    }


def _issued(issued: Issued) -> Response:
    return answer({"key": issued.token, **wire.listed(issued.key)}, 201)


def _listed(keys: Sequence[ApiKey]) -> Response:
    return answer({"data": [wire.listed(key) for key in keys], "total": len(keys)})
