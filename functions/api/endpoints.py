"""The routes of endpoints: where an org's events are sent."""

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from functions.api.asked import Asked, UseCase, answer
from tocsin.bootstrap.api import ApiParts
from tocsin.domain.deliveries import Attempt
from tocsin.domain.endpoints import Wanted
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.receivers import RECEIVERS
from tocsin.ports.notify import Kept
from tocsin.services.notify.keeping import Draft
from tocsin.wire import bodies
from tocsin.wire import endpoints as wire

__all__ = ["routes"]


def routes(parts: ApiParts) -> dict[str, UseCase]:
    """Return the use cases over ``parts``, by their names in the table of routes."""
    endpoints, steering = parts.endpoints, parts.steering
    signatures, clock = parts.signatures, parts.clock

    def list_endpoints(asked: Asked) -> Response:
        kept, unreadable = endpoints.all(asked.key)
        found = [shown(asked.key, each) for each in kept]
        others = [wire.unreadable(each) for each in unreadable]
        return answer({"data": found, "total": len(found), "unreadable": others})

    def create_endpoint(asked: Asked) -> Response:
        body = bodies.read(asked.body, wire.CREATE)
        made = endpoints.create(asked.key, Draft(**wire.fields_of(body, Wanted())))
        return answer(with_secret(asked.key, made), 201)

    def get_endpoint(asked: Asked) -> Response:
        return answer(shown(asked.key, endpoints.one(asked.key, asked.path["id"])))

    def update_endpoint(asked: Asked) -> Response:
        body = bodies.read(asked.body, wire.UPDATE)
        id = asked.path["id"]
        done = endpoints.update(asked.key, id, lambda was: wire.fields_of(body, was))
        return answer(shown(asked.key, done))

    def remove_endpoint(asked: Asked) -> Response:
        endpoints.remove(asked.key, asked.path["id"])
        return answer({"deleted": asked.path["id"]})

    def pause_endpoint(asked: Asked) -> Response:
        reason = bodies.read(asked.body, wire.PAUSE).get("reason", "")
        return answer(shown(asked.key, steering.pause(asked.key, asked.path["id"], reason)))

    def resume_endpoint(asked: Asked) -> Response:
        skip = bodies.read(asked.body, wire.RESUME).get("skip_missed", False)
        done = steering.resume(asked.key, asked.path["id"], skip_missed=skip)
        return answer(shown(asked.key, done))

    def rotate_endpoint(asked: Asked) -> Response:
        body = bodies.read(asked.body, wire.ROTATE)
        overlap_seconds, secret = wire.overlap_seconds(body), body.get("secret", "")
        done = steering.rotate(asked.key, asked.path["id"], secret, overlap_seconds)
        return answer(with_secret(asked.key, done))

    def test_endpoint(asked: Asked) -> Response:
        bodies.read(asked.body, wire.TEST)
        return answer({"event_id": steering.test(asked.key, asked.path["id"])}, 202)

    def replay_endpoint(asked: Asked) -> Response:
        body = bodies.read(asked.body, wire.REPLAY)
        places = body.get("from_seq"), body.get("to_seq"), body.get("since")
        done = steering.replay(asked.key, asked.path["id"], *places)
        said = shown(asked.key, done.kept)
        return answer(wire.replaying(said, done.replay, done.expired_through_seq), 202)

    def list_deliveries(asked: Asked) -> Response:
        return page(asked, "deliveries", *steering.deliveries(*place(asked)))

    def list_given_up(asked: Asked) -> Response:
        return page(asked, "given-up", *steering.given_up(*place(asked)))

    def shown(key: ApiKey, kept: Kept) -> dict[str, Any]:
        endpoint = kept.endpoint
        signing = endpoint.signing(clock.now_ms()) if RECEIVERS[endpoint.format].signed else ()
        return wire.shown(
            endpoint,
            kept.progress,
            kept.replays,
            [signatures.public_text(each) for each in signing],
            whole=key.may(Scope.ADMIN),
        )

    def with_secret(key: ApiKey, kept: Kept) -> dict[str, Any]:
        new = kept.endpoint.secrets[:1]
        secret = signatures.hmac_text(new[0]) if new else ""
        return wire.with_secret(shown(key, kept), secret)

    return {
        "list_endpoints": list_endpoints,
        "create_endpoint": create_endpoint,
        "get_endpoint": get_endpoint,
        "update_endpoint": update_endpoint,
        "remove_endpoint": remove_endpoint,
        "pause_endpoint": pause_endpoint,
        "resume_endpoint": resume_endpoint,
        "rotate_endpoint": rotate_endpoint,
        "test_endpoint": test_endpoint,
        "replay_endpoint": replay_endpoint,
        "list_deliveries": list_deliveries,
        "list_given_up": list_given_up,
    }


def place(asked: Asked) -> tuple[ApiKey, str, str, int]:
    """Return of which endpoint a page is asked for, from where, and how long it is."""
    return asked.key, asked.path["id"], *wire.page_asked(asked.query)


def page(asked: Asked, of: str, attempts: Sequence[Attempt], before: str) -> Response:
    """Return a page of attempts, with a link to the next."""
    said = {"data": [wire.delivery(each) for each in attempts]}
    headers = wire.next_page(asked.path["id"], of, asked.query, before)
    return answer(said, headers=headers)
