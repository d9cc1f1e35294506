"""One stream over raw ASGI: no framework's objects stay in memory while a client watches."""

import asyncio
import socket
import struct
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import Headers, QueryParams
from starlette.types import Message, Receive, Scope, Send

from functions.stream._cors import SERVERS_SEND
from functions.stream._presented import presented
from tocsin.domain.errors import Crowded, LimitReached, Refused, TocsinError, Unauthenticated
from tocsin.services.watch import Admission, Render, Subscriber, Watch
from tocsin.wire.dialects import Dialect
from tocsin.wire.negotiation import BareRoute, wants_stream
from tocsin.wire.problems import Problem, problem

__all__ = ["EventStream", "send_problem"]

_HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx, and what learned it from nginx
)
_ABORT_SECONDS = 1.0
_DROP_WHAT_IS_UNSENT = struct.pack("ii", 1, 0)  # or the kernel keeps megabytes for the client


class EventStream:
    """``GET`` and ``HEAD`` of one dialect's route."""

    def __init__(
        self,
        watch: Watch,
        dialect: Dialect,
        *,
        token_in_query: bool,
        allowed_origins: frozenset[str] = frozenset(),
        bare_route: BareRoute | None = None,
    ) -> None:
        """Serve ``watch`` in a dialect.

        With ``token_in_query`` a key may come as ``?token=``, as a ticket always may. Pages of
        ``allowed_origins`` may use a session's cookie. ``bare_route`` is for the route that is a
        list too; the others stream whatever ``Accept`` says.
        """
        self._watch = watch
        self._dialect = dialect
        self._token_in_query = token_in_query
        self._allowed_origins = allowed_origins
        self._bare_route = bare_route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request to its end."""
        try:
            admission, render = await self._admit(scope)
        except TocsinError as error:
            await self._refuse(error, send)
            return
        subscriber: Subscriber | None = None
        try:
            if scope["method"] == "HEAD":
                await _send_stream(b"", send)
                return
            subscriber = await self._watch.subscribe(admission, render, self._dialect)
            del render  # the subscriber has the one that is shared
            opening = self._watch.opening(subscriber, self._dialect)
            await _pump(subscriber, opening, receive, send, scope.get(SERVERS_SEND, send))
        except TocsinError as error:  # nothing has been sent yet
            await self._refuse(error, send)
        finally:
            self._watch.leave(admission, subscriber)

    async def _admit(self, scope: Scope) -> tuple[Admission, Render]:
        headers, query = Headers(scope=scope), QueryParams(scope["query_string"])
        _hide_token(scope, query)
        self._check(scope["method"], headers, query)
        credential = presented(
            scope, query, self._allowed_origins, token_in_query=self._token_in_query
        )
        admission = await self._watch.admit(
            credential, headers.get("last-event-id"), query.get("after"), query.get("since")
        )
        try:
            return admission, self._dialect.render(query.multi_items(), admission.allowed)
        except TocsinError:
            self._watch.leave(admission)
            raise

    def _check(self, method: str, headers: Headers, query: QueryParams) -> None:
        if method not in ("GET", "HEAD"):
            raise _Unserved(405, "this route takes GET and HEAD", {"Allow": "GET, HEAD"})
        accept = ", ".join(headers.getlist("accept"))
        if self._bare_route and not wants_stream(accept, query, self._bare_route):
            raise _Unserved(
                406,
                "the list of events is not available yet: ask for the stream with "
                "Accept: text/event-stream",
            )

    async def _refuse(self, error: TocsinError, send: Send) -> None:
        dialect = self._dialect
        if isinstance(error, _Unserved):
            await send_problem(error.problem, send)
            return
        self._watch.refused(error)
        if isinstance(error, Unauthenticated) and dialect.unauthorized:
            await _send_stream(dialect.unauthorized, send)
        elif isinstance(error, Crowded | LimitReached) and dialect.too_many:
            headers = {"Content-Type": "text/plain; charset=utf-8"} | _retry_after(error)
            await _send(503, headers, dialect.too_many.encode(), send)
        else:
            await send_problem(problem(error), send)


class _Unserved(TocsinError):
    """What HTTP itself refuses here."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        headers = {"Content-Type": "application/json"} | (headers or {})
        self.problem = Problem(status, {"error": message}, headers)


async def send_problem(answer: Problem, send: Send) -> None:
    """Send an error as a whole response."""
    await _send(answer.status, answer.headers, answer.content, send)


async def _send(status: int, headers: Mapping[str, str], content: bytes, send: Send) -> None:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    raw.append((b"content-length", b"%d" % len(content)))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content})


async def _send_stream(data: bytes, send: Send) -> None:
    """Send a stream that ends at once."""
    await send(_started())
    await send({"type": "http.response.body", "body": data})


def _started() -> Message:
    """Return a response's beginning; middleware may change it."""
    return {"type": "http.response.start", "status": 200, "headers": list(_HEADERS)}


async def _pump(
    subscriber: Subscriber, opening: bytes, receive: Receive, start: Send, send: Send
) -> None:
    """Pass on what the subscriber is given until either side ends it.

    ``send`` is the server's own; the response begins with ``start``, which may add headers.
    """
    serving = asyncio.current_task()
    if serving is None:
        raise RuntimeError("a stream is served in a task")
    leaving = asyncio.create_task(_end_on_disconnect(receive, subscriber))
    subscriber.on_stall = serving.cancel
    try:
        await start(_started())
        data = opening
        while data:
            await send({"type": "http.response.body", "body": data, "more_body": True})
            data = await subscriber.next()
        await send({"type": "http.response.body"})
    except asyncio.CancelledError:
        if not subscriber.stalled:
            raise
        serving.uncancel()
        _abort(send)
        await asyncio.wait([leaving], timeout=_ABORT_SECONDS)
    finally:
        leaving.cancel()


def _abort(send: Send) -> None:
    """Break the connection of a client that takes nothing.

    ASGI has no word for this. What uvicorn hands out as ``send`` is bound to the object that has
    the transport. With another server the response just ends, when that server can send its end.
    """
    transport: Any = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        return
    if (connection := transport.get_extra_info("socket")) is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP_WHAT_IS_UNSENT)
    transport.abort()


def _retry_after(error: Refused) -> dict[str, str]:
    seconds = error.retry_after_seconds
    return {} if seconds is None else {"Retry-After": str(seconds)}


def _hide_token(scope: MutableMapping[str, Any], query: QueryParams) -> None:
    """Take the token out of what the server may write to its access log."""
    if "token" in query:
        rest = [(name, value) for name, value in query.multi_items() if name != "token"]
        scope["query_string"] = urlencode(rest).encode()


async def _end_on_disconnect(receive: Receive, subscriber: Subscriber) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    subscriber.end()
