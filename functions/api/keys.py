"""The routes of API keys: for admins, each of their own org."""

from starlette.responses import Response

from functions.api.asked import Asked, UseCase, answer
from tocsin.bootstrap.api import ApiParts
from tocsin.services.keys.issuing import Issue, Issued
from tocsin.wire import bodies
from tocsin.wire import keys as wire

__all__ = ["routes"]


def routes(parts: ApiParts) -> dict[str, UseCase]:
    """Return the use cases over ``parts``, by their names in the table of routes."""
    issuing = parts.issuing

    def create_key(asked: Asked) -> Response:
        body = bodies.read(asked.body, wire.CREATE)
        issue = Issue(
            scopes=frozenset(body["scopes"]),
            name=body.get("name", ""),
            person=body.get("person", ""),
            types=wire.types(body.get("types")),
            expires_at_ms=wire.moment(body.get("expires_at")),
        )
        return _issued(issuing.create(asked.key, issue))

    def list_keys(asked: Asked) -> Response:
        found = [wire.listed(key) for key in issuing.all(asked.key)]
        return answer({"data": found, "total": len(found)})

    def rotate_key(asked: Asked) -> Response:
        body = bodies.read(asked.body, wire.ROTATE)
        overlap_seconds = wire.overlap_seconds(body)
        return _issued(issuing.rotate(asked.key, asked.path["id"], overlap_seconds))

    def revoke_key(asked: Asked) -> Response:
        return answer(wire.listed(issuing.revoke(asked.key, asked.path["id"])))

    return {
        "create_key": create_key,
        "list_keys": list_keys,
        "rotate_key": rotate_key,
        "revoke_key": revoke_key,
    }


def _issued(issued: Issued) -> Response:
    return answer({"key": issued.token, **wire.listed(issued.key)}, 201)
