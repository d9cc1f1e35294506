"""What is read of a log over raw ASGI: JSON that is sent piece by piece as it is found."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import quote, urlencode

from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Receive, Scope, Send

from tocsin.asgi.connection import SERVERS_SEND, abort, left, transport_of
from tocsin.asgi.query import hide_token
from tocsin.asgi.unserved import Unserved, send_problem
from tocsin.domain.errors import TocsinError
from tocsin.domain.limits import MAX_QUERY_BYTES
from tocsin.services.access.presented import Presented
from tocsin.services.reading.answers import Attachment, Next, Piece
from tocsin.web.presented import header_or_cookie
from tocsin.wire.negotiation import BareRoute, wants_stream
from tocsin.wire.problems import problem

__all__ = ["ListEndpoint", "StreamOrList"]

logger = logging.getLogger(__name__)

_ABORT_SECONDS = 1.0
_START = {"type": "http.response.start", "status": 200}

type Ask = Callable[[Presented, Sequence[tuple[str, str]], dict[str, Any]], AsyncGenerator[Piece]]
"""Takes a credential, a query and the path's parameters; yields the pieces of the answer."""


class StreamOrList:
    """The route that is both a stream and a list."""

    def __init__(self, stream: ASGIApp, list: ASGIApp, bare: BareRoute) -> None:
        """``bare`` is which of the two a request is for that does not say."""
        self._stream = stream
        self._list = list
        self._bare = bare

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request as a stream or as a list."""
        await self._chosen(scope)(scope, receive, send)

    def _chosen(self, scope: Scope) -> ASGIApp:
        accept = ", ".join(Headers(scope=scope).getlist("accept"))
        if len(scope["query_string"]) > MAX_QUERY_BYTES:
            return self._stream  # which refuses it
        query = QueryParams(scope["query_string"])
        return self._stream if wants_stream(accept, query, self._bare) else self._list


class ListEndpoint:
    """``GET`` and ``HEAD`` of a route that answers with JSON."""

    def __init__(
        self,
        ask: Ask,
        *,
        stall_seconds: float,
        allowed_origins: frozenset[str] = frozenset(),
        content_type: bytes = b"application/json",
    ) -> None:
        """Answer with ``ask``; a client that takes nothing for ``stall_seconds`` is given up.

        Pages of ``allowed_origins`` may use a sign-in's cookie.
        """
        self._ask = ask
        self._allowed_origins = allowed_origins
        self._stall_seconds = stall_seconds
        self._headers = (
            (b"content-type", content_type),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request until it is answered or its client is gone."""
        serving = asyncio.create_task(self._serve(scope, send))
        leaving = asyncio.create_task(left(receive))
        try:
            await asyncio.wait({serving, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done() and not serving.result():
                if (transport := transport_of(scope.get(SERVERS_SEND, send))) is not None:
                    abort(transport)
                await asyncio.wait([leaving], timeout=_ABORT_SECONDS)
        finally:
            for task in (serving, leaving):
                task.cancel()
            await asyncio.wait({serving, leaving})

    async def _serve(self, scope: Scope, send: Send) -> bool:
        """Answer; False when the answer can't be completed, so that it must not look whole."""
        started = False
        headers = list(self._headers)
        try:
            async with aclosing(self._pieces(scope)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Next):
                        headers.append((b"link", _link(scope, piece)))
                        continue
                    if isinstance(piece, Attachment):
                        named = f'attachment; filename="{piece.name}"'
                        headers.append((b"content-disposition", named.encode()))
                        continue
                    if not started:  # from here on the request can't be refused
                        await send(_START | {"headers": headers})  # middleware may add some
                        started = True
                    if scope["method"] == "HEAD":
                        break
                    async with asyncio.timeout(self._stall_seconds):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
            if not started:
                await send(_START | {"headers": headers})
            await send({"type": "http.response.body"})
        except TimeoutError:
            return False
        except TocsinError as error:
            if started:
                logger.error("an answer is broken off: %s", error)
                return False
            refusal = error.problem if isinstance(error, Unserved) else problem(error)
            await send_problem(refusal, send)
        return True

    def _pieces(self, scope: Scope) -> AsyncGenerator[Piece]:
        Unserved.unless_short(scope)
        query = QueryParams(scope["query_string"])
        hide_token(scope, query.multi_items())
        Unserved.unless_read(scope["method"])
        credential = header_or_cookie(scope, self._allowed_origins)
        return self._ask(credential, query.multi_items(), scope.get("path_params", {}))


def _link(scope: Scope, next: Next) -> bytes:
    """Return the ``Link`` (RFC 8288) to the page after this one, without a token."""
    cursor = "after" if next.order == "asc" else "before"
    replaced = {cursor, "offset", "since"} if cursor == "after" else {cursor, "offset"}
    query = [
        each for each in QueryParams(scope["query_string"]).multi_items() if each[0] not in replaced
    ]
    path = quote(scope["raw_path"], safe="/%")  # an id may hold a slash, sent as %2F
    skip = [("offset", next.skip)] if next.skip else []
    target = f"{path}?{urlencode([*query, (cursor, next.seq), *skip])}"
    return f'<{target}>; rel="next"'.encode()
