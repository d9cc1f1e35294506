"""The health of the function itself, as Govrix Scout tells it."""

from starlette.responses import Response

from functions.api.asked import UseCase, answer
from tocsin import __version__
from tocsin.bootstrap.api import ApiParts

__all__ = ["routes"]

_METRICS = (
    "# HELP tocsin_up Whether the API answers.\n"
    "# TYPE tocsin_up gauge\n"
    "tocsin_up 1\n"
    "# HELP tocsin_build_info The version that runs.\n"
    "# TYPE tocsin_build_info gauge\n"
    f'tocsin_build_info{{version="{__version__}"}} 1\n'
)


def routes(parts: ApiParts) -> dict[str, UseCase]:
    """Return the use cases over ``parts``, by their names in the table; they need no key."""

    def health(_: object) -> Response:
        return answer({"status": "ok"})

    def ready(_: object) -> Response:
        parts.orgs.get("-")  # Busy, if the table does not answer
        return answer({"status": "ok"})

    def metrics(_: object) -> Response:
        return Response(_METRICS, media_type="text/plain; version=0.0.4")

    def openapi(_: object) -> Response:
        from functions.api.describing import document  # not at a cold start

        return Response(document(), media_type="application/json")

    return {"openapi": openapi, "health": health, "ready": ready, "metrics": metrics}
