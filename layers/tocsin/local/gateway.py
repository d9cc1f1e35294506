"""The one public port: API Gateway for the functions, a load balancer for the stream service.

``python -m tocsin.local.gateway GRACEFUL_SECONDS``, in the environment that ``tocsin up`` sets.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from tocsin.local import health, sockets
from tocsin.local.entrance import Entrance, GatewayProtocol
from tocsin.local.functions import FUNCTIONS
from tocsin.local.integration import INTEGRATION_SECONDS, Integration
from tocsin.local.layout import GATEWAY, STREAM, Layout
from tocsin.local.proxy import BodyTooLarge, ReverseProxy, TooSlow
from tocsin.local.serve import serve

__all__ = ["application"]


def application(layout: Layout) -> Starlette:
    """Return the gateway to the parts in a layout."""
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

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            *(
                Route(prefix + "{proxy:path}", Integration(prefix, name, layout, client))
                for name, function in FUNCTIONS.items()
                for prefix in function.routes
            ),
            Mount("/", stream),
        ],
        exception_handlers={BodyTooLarge: too_large, TooSlow: too_slow},
        middleware=[Middleware(Entrance)],
        lifespan=lifespan,
    )


if __name__ == "__main__":
    layout = Layout.from_env(os.environ)
    serve(application(layout), layout.ports[GATEWAY], int(sys.argv[1]), GatewayProtocol)
