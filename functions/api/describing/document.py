"""Puts the document together, once in a process: at the first request for it."""

import re
from functools import cache
from typing import Any, Final

import orjson
from pydantic import TypeAdapter

from functions.api.describing.operation import described
from functions.api.describing.others import OTHERS
from functions.api.describing.own import OWN
from functions.api.describing.shapes import SHAPES, Schema
from tocsin import __version__
from tocsin.wire import dialects
from tocsin.wire.routes import ROUTES, ApiRoute

__all__ = ["document"]

_PARAMETER: Final = re.compile(r"{(\w+)(?::path)?}")
_ABOUT: Final = (
    "A key goes into `Authorization: Bearer`; each operation says which of the scopes `ingest`, "
    "`read`, `approve` and `admin` it needs, and `admin` includes the others. What needs `read` "
    "also takes the cookie of a sign-in; a stream takes a key or a ticket as `token`. An error is "
    "an `Error`, with a `code` that is stable, but for 404 and for a 400 that has `details`. A "
    "method that a path does not have is 405 (`METHOD_NOT_ALLOWED`, with `Allow`), a path that is "
    "not there 404, a query beyond 8 KB 414. HEAD is answered as GET. An id in a path may hold a "
    "slash, sent as `%2F`."
)
_SERVICES: Final = {"api": "the API function", "stream": "the stream service, and ingestion"}


@cache
def document() -> bytes:
    """Return the OpenAPI 3.1 document of every route, as JSON."""
    paths: dict[str, dict[str, Any]] = {}
    schemas = dict(SHAPES)
    for route in ROUTES:
        operation = OWN[route.use_case]
        if isinstance(operation.body, TypeAdapter):
            schemas |= _bodies(operation.body)
        path, names = _path(route.path)
        paths.setdefault(path, {})[route.method.lower()] = described(
            operation,
            id=route.use_case,
            scopes=_scopes(route),
            names=names,
            service="api",
            signed=route.signed,
        )
    for (method, shown), (scopes, operation) in OTHERS.items():
        path, names = _path(shown)
        paths.setdefault(path, {})[method.lower()] = described(
            operation, id=_id(method, path), scopes=scopes, names=names, service="stream"
        )
    listed = paths[dialects.IGRIS.path]["get"]["responses"]["200"]["content"]
    listed["text/event-stream"] = {"schema": {"type": "string"}}
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "Tocsin", "version": __version__, "description": _ABOUT},
            "tags": [{"name": name, "description": says} for name, says in _SERVICES.items()],
            "paths": paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": {
                    "key": {"type": "http", "scheme": "bearer"},
                    "link": {"type": "apiKey", "in": "query", "name": "sig"},
                },
            },
        }
    )


def _path(path: str) -> tuple[str, tuple[str, ...]]:
    """Return a path as OpenAPI has it, and the names of its parameters."""
    return _PARAMETER.sub(r"{\1}", path), tuple(_PARAMETER.findall(path))


def _scopes(route: ApiRoute) -> str | None:
    if route.scopes is not None and not route.scopes:
        return None
    if route.scopes is None:
        return OWN[route.use_case].scopes
    return " or ".join(sorted(route.scopes))


def _id(method: str, path: str) -> str:
    return "_".join([method.lower(), *re.findall(r"\w+", path)])


def _bodies(body: Any) -> dict[str, Schema]:
    """Return the components of a body that is read by pydantic."""
    schema = body.json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), schema["title"]: schema}
