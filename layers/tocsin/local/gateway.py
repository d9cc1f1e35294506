"""The one public port: CloudFront, and behind it API Gateway or the stream's load balancer.

``python -m tocsin.local.gateway GRACEFUL_SECONDS``, in the environment that ``tocsin up`` sets.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

import tocsin
from tocsin.local import health, page, sockets
from tocsin.local.entrance import Entrance, GatewayProtocol
from tocsin.local.functions import FUNCTIONS
from tocsin.local.integration import INTEGRATION_SECONDS, Integration
from tocsin.local.layout import GATEWAY, STREAM, Layout
from tocsin.local.proxy import BodyTooLarge, ReverseProxy, TooSlow
from tocsin.local.serve import serve
from tocsin.local.streamed import is_streamed
from tocsin.web.paths import take_any_id

__all__ = ["application"]


def application(layout: Layout, dashboard: Path) -> Starlette:
    """Return the gateway to the parts in a layout, and to the built dashboard in a folder."""
    at_socket = None if STREAM in layout.ports else layout.socket(STREAM)
    stream = ReverseProxy(layout.url(STREAM), socket=at_socket)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=32)
    client = httpx.AsyncClient(
        trust_env=False,
        timeout=httpx.Timeout(INTEGRATION_SECONDS, connect=2.0),
        limits=limits,
        mounts=sockets.asynchronous(layout, limits),
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await client.aclose()
        await stream.aclose()

    async def healthz(_: Request) -> Response:
        parts = await health.report(layout, client)
        waiting = [name for name, state in parts.items() if state != health.READY]
        if waiting:
            body = {"status": "unavailable", "not_ready": waiting, "parts": parts}
            return JSONResponse(body, 503, headers={"Retry-After": "1"})
        return JSONResponse({"status": "ok", "parts": parts})

    def too_large(_: Request, __: Exception) -> Response:
        return JSONResponse({"message": "Request Too Long"}, 413, headers={"Connection": "close"})

    def too_slow(_: Request, __: Exception) -> Response:
        return JSONResponse({"message": "Request Timeout"}, 408, headers={"Connection": "close"})

    take_any_id()
    api = Router(
        [
            Route(
                path + "{proxy:path}" if path.endswith("/") else path,
                Integration(path, name, layout, client),
            )
            for path, name in _paths()
        ],
        redirect_slashes=False,
    )
    return Starlette(
        routes=[
            Route("/healthz", healthz),
            *page.routes(dashboard),
            Mount("/", _Edge(api, stream)),
        ],
        exception_handlers={BodyTooLarge: too_large, TooSlow: too_slow},
        middleware=[Middleware(Entrance)],
        lifespan=lifespan,
    )


def _paths() -> list[tuple[str, str]]:
    """Return the functions' paths, the longest first: API Gateway takes what fits best."""
    paths = [(path, name) for name, function in FUNCTIONS.items() for path in function.routes]
    return sorted(paths, key=lambda each: -len(each[0]))


class _Edge:
    """An ASGI application that tells by the path whose a request is, as CloudFront does."""

    def __init__(self, api: ASGIApp, stream: ASGIApp) -> None:
        self._api = api
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        streamed = is_streamed(scope["raw_path"].decode("latin-1"))
        await (self._stream if streamed else self._api)(scope, receive, send)


if __name__ == "__main__":
    layout = Layout.from_env(os.environ)
    dashboard = Path(tocsin.__file__).parents[2] / "build" / "dashboard"
    serve(application(layout, dashboard), layout.ports[GATEWAY], int(sys.argv[1]), GatewayProtocol)
