"""The API function's application: every route of the table behind its guard, one shape of errors.

FastAPI describes and dispatches; what a request holds is read by ``tocsin.wire``, which bounds it.
"""

import logging
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Match, Route

from functions.api import (
    agents,
    approvals,
    budgets,
    detection,
    endpoints,
    hooks,
    keys,
    operations,
    policies,
    privacy,
    projections,
    sign_ins,
)
from functions.api.asked import Asked, UseCase, answer
from functions.api.front import Front
from tocsin import __version__
from tocsin.bootstrap.api import ApiParts
from tocsin.domain.errors import Forbidden, Malformed, NotFound, TocsinError, Unauthenticated
from tocsin.domain.keys import ApiKey
from tocsin.domain.limits import MAX_NAME_CHARS
from tocsin.web.cors import cors
from tocsin.web.paths import take_any_id
from tocsin.web.presented import header_or_cookie
from tocsin.wire import links
from tocsin.wire.parameters import known
from tocsin.wire.problems import problem
from tocsin.wire.routes import ROUTES, ApiRoute

__all__ = ["build"]

logger = logging.getLogger(__name__)


def build(parts: ApiParts) -> FastAPI:
    """Return the application over ``parts``."""
    take_any_id()
    app = FastAPI(
        title="Tocsin",
        version=__version__,
        openapi_url=None,
        middleware=[
            *([cors(parts.allowed_origins)] if parts.allowed_origins else []),
            Middleware(Front),
        ],
        redirect_slashes=False,
    )
    use_cases = {
        **operations.routes(parts),
        **approvals.routes(parts),
        **policies.routes(parts),
        **hooks.routes(parts),
        **projections.routes(parts),
        **budgets.routes(parts),
        **detection.routes(parts),
        **privacy.routes(parts),
        **endpoints.routes(parts),
        **keys.routes(parts),
        **agents.routes(parts),
        **sign_ins.routes(parts),
    }
    for route in ROUTES:
        app.add_api_route(
            route.path,
            _guarded(route, use_cases[route.use_case], parts),
            methods=[route.method],
            name=route.use_case,
            response_model=None,
        )
    app.exception_handler(TocsinError)(_refused)
    app.exception_handler(HTTPException)(_not_served)
    app.exception_handler(Exception)(_failed)
    return app


async def _body(request: Request) -> bytes:
    return await request.body()


def _guarded(route: ApiRoute, use_case: UseCase, parts: ApiParts) -> Callable[..., Response]:
    """Return what FastAPI calls, in a thread: the stores block."""

    def endpoint(request: Request, body: Annotated[bytes, Depends(_body)]) -> Response:
        query = request.query_params.multi_items()
        linked = route.signed and links.presented(query)
        key = None if route.public or linked else _admitted(request, route, parts)
        known(query, route.query)
        if not all(1 <= len(name) <= MAX_NAME_CHARS for name in request.path_params.values()):
            raise Malformed(f"a name in a path has 1 to {MAX_NAME_CHARS} characters")
        asked = Asked(key, request.path_params, query, body, request.scope)  # type: ignore[arg-type]
        return use_case(asked)

    endpoint.__name__ = route.use_case
    return endpoint


def _admitted(request: Request, route: ApiRoute, parts: ApiParts) -> ApiKey:
    presented = header_or_cookie(request.scope, parts.allowed_origins)
    if presented is None:
        raise Unauthenticated("sign in with POST /api/v1/session, or send an API key")
    key, _ = parts.credentials.admit(presented, None)
    if route.scopes is not None and not any(map(key.may, route.scopes)):
        needed = " or ".join(sorted(route.scopes))
        raise Forbidden(f"the API key lacks the scope {needed}: use a key that has it")
    writes = route.method != "GET"
    parts.rate.take(key.org, key.root, writes=writes, changes=route.adds_for_admins)
    return key


async def _refused(_: Request, error: TocsinError) -> Response:
    said = problem(error)
    return Response(said.content, said.status, said.headers | {"Cache-Control": "no-store"})


async def _not_served(request: Request, error: HTTPException) -> Response:
    if error.status_code == 404:
        return await _refused(request, NotFound("there is nothing at this path"))
    if error.status_code == 405:
        body = {"error": "this path does not take this method", "code": "METHOD_NOT_ALLOWED"}
        return answer(body, 405, {"Allow": _allowed(request)})
    body = {"error": str(error.detail), "code": f"HTTP_{error.status_code}"}
    return answer(body, error.status_code, error.headers)


def _allowed(request: Request) -> str:
    """Return the methods that a path takes: each is a route, and Starlette names the first's."""
    matching = (
        route.path
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    )
    path = next(matching)
    methods: set[str] = {route.method for route in ROUTES if route.path == path}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


async def _failed(_: Request, error: Exception) -> Response:
    logger.error("a request failed", exc_info=error)
    body = {"error": "Tocsin failed: send the request again, and report it", "code": "INTERNAL"}
    return answer(body, 500)
