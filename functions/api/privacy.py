"""The routes of the privacy settings: what becomes of what an org's events say."""

from starlette.responses import Response

from functions.api.asked import Asked, UseCase, answer
from tocsin.bootstrap.api import ApiParts
from tocsin.services.reading.whole import sees_all
from tocsin.wire import bodies, privacy

__all__ = ["routes"]


def routes(parts: ApiParts) -> dict[str, UseCase]:
    """Return the use cases over ``parts``, by their names in the table of routes."""
    settings = parts.privacy

    def get_privacy(asked: Asked) -> Response:
        sees_all(asked.key)
        return answer(privacy.shown(settings.get(asked.key.org)))

    def put_privacy(asked: Asked) -> Response:
        wanted = privacy.privacy_of(bodies.read(asked.body, privacy.PUT))
        return answer(privacy.shown(settings.put(asked.key, wanted)))

    def erase_user(asked: Asked) -> Response:
        body = bodies.read(asked.body, privacy.ERASE)
        return answer(
            privacy.erased(parts.erasing(asked.key, body["user_id"], body.get("reason", "")))
        )

    return {"get_privacy": get_privacy, "put_privacy": put_privacy, "erase_user": erase_user}
