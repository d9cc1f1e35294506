"""CORS: which other origins' pages may read what the service answers."""

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from tocsin.asgi.connection import SERVERS_SEND

__all__ = ["Cors", "cors"]


class Cors(CORSMiddleware):
    """Starlette's, but only for requests of allowed origins, and only for their beginnings.

    Starlette's own wraps ``send`` for every request, which costs something for each event.
    """

    async def simple_response(
        self, scope: Scope, receive: Receive, send: Send, request_headers: Headers
    ) -> None:
        """Pass a request on; if its origin is allowed, its response gets headers."""
        origin = request_headers.get("origin")
        if origin is None or not self.is_allowed_origin(origin):
            await self.app(scope, receive, send)
            return
        scope[SERVERS_SEND] = send
        await super().simple_response(scope, receive, send, request_headers)


def cors(origins: frozenset[str]) -> Middleware:
    """Return the middleware that lets these origins' pages call with a sign-in's cookie."""
    return Middleware(
        Cors,
        allow_origins=origins,
        allow_credentials=True,
        allow_methods=["GET", "HEAD", "POST", "PUT", "DELETE"],
        allow_headers=["Authorization", "Last-Event-ID"],  # besides those that are always allowed
        expose_headers=["Content-Disposition", "Link", "Retry-After"],
        max_age=3_600,
    )
