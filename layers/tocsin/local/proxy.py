"""A streaming reverse proxy: every byte is passed on as it comes, in both directions."""

import asyncio
from pathlib import Path

import httpx
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from tocsin.asgi.connection import left
from tocsin.local.apigateway import HOP_BY_HOP, MAX_REQUEST_BYTES
from tocsin.local.entrance import IDLE_SECONDS

__all__ = ["BodyTooLarge", "Disconnected", "ReverseProxy", "TooSlow", "read_body"]

_CONNECT_SECONDS = 2.0
_RESTART_SECONDS = 30.0  # how long an upstream may take to come back
_LOOK_SECONDS = 0.1


class BodyTooLarge(Exception):
    """The request's body is larger than the gateway takes."""


class TooSlow(Exception):
    """Nothing of the request's body came for a minute, and it is not complete."""


class Disconnected(Exception):
    """The client went away before its request was complete."""


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """Return the request's whole body.

    Raises:
        BodyTooLarge: it is over 10 MB, or its length is announced as that.
        TooSlow: the next part of it did not come in time.
        Disconnected: the client went away.
    """
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if int(announced) > MAX_REQUEST_BYTES:
        raise BodyTooLarge
    body, more = bytearray(), True
    while more:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                message = await receive()
        except TimeoutError:
            raise TooSlow from None
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += message.get("body", b"")
        if len(body) > MAX_REQUEST_BYTES:
            raise BodyTooLarge
        more = message.get("more_body", False)
    return bytes(body)


class ReverseProxy:
    """An ASGI application that passes every request on to one upstream.

    While the upstream is being started again, requests wait for it: an ``EventSource`` that is told
    503 never comes back (https://html.spec.whatwg.org/multipage/server-sent-events.html, 9.2.3).
    """

    def __init__(
        self,
        upstream: str,
        *,
        socket: Path | None = None,
        restart_seconds: float = _RESTART_SECONDS,
    ) -> None:
        """``upstream`` is an address, and ``socket`` the unix socket that it stands for, if any.

        Requests wait for it ``restart_seconds`` at most.
        """
        self._upstream = httpx.URL(upstream)
        # The transport alone: a client would add headers, follow redirects and use HTTP_PROXY.
        self._transport = httpx.AsyncHTTPTransport(
            uds=str(socket) if socket else None,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=8),
        )
        self._until_there = AsyncRetrying(
            retry=retry_if_exception_type(httpx.ConnectError),
            wait=wait_fixed(_LOOK_SECONDS),
            stop=stop_after_delay(restart_seconds),
            reraise=True,
        )

    async def aclose(self) -> None:
        """Close the connections to the upstream."""
        await self._transport.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on; whichever side goes away, the other is told."""
        try:
            body = await read_body(scope, receive)
        except Disconnected:
            return
        passing = asyncio.create_task(self._pass(scope, body, send))
        leaving = asyncio.create_task(left(receive))
        try:
            await asyncio.wait({passing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if passing.done():
                passing.result()
        finally:
            for task in (passing, leaving):
                task.cancel()
            await asyncio.wait({passing, leaving})

    async def _pass(self, scope: Scope, body: bytes, send: Send) -> None:
        started = False
        try:
            ask = self._until_there.copy()  # each call needs its own state
            response: httpx.Response = await ask(
                self._transport.handle_async_request, self._request(scope, body)
            )
            try:
                headers = [
                    (name, value)
                    for name, value in response.headers.raw
                    if name.lower().decode("latin-1") not in HOP_BY_HOP - {"content-length"}
                ]
                await send(_start(response.status_code, headers))
                started = True
                async for chunk in response.stream:  # type: ignore[union-attr]
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            finally:
                await response.aclose()
            await send({"type": "http.response.body", "body": b""})
        except httpx.LocalProtocolError:
            await _BAD_REQUEST(scope, _nothing, send)  # HTTP can't say what the client said
        except httpx.TransportError:
            if not started:
                await _UNAVAILABLE(scope, _nothing, send)
            # Otherwise the response ends here, incomplete, and uvicorn closes the connection: that
            # is how a client learns that the upstream is gone.

    def _request(self, scope: Scope, body: bytes) -> httpx.Request:
        raw = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        headers = [
            (name, value)
            for name, value in scope["headers"]
            if name.decode("latin-1") not in HOP_BY_HOP
        ]
        headers += [
            (b"x-forwarded-for", scope["client"][0].encode()),
            (b"x-forwarded-proto", scope["scheme"].encode()),
        ]
        if body:
            headers.append((b"content-length", b"%d" % len(body)))
        return httpx.Request(
            scope["method"],
            self._upstream.copy_with(raw_path=raw),
            headers=headers,
            stream=httpx.ByteStream(body),
            extensions={"timeout": {"connect": _CONNECT_SECONDS}},
        )


_BAD_REQUEST = JSONResponse({"message": "Bad Request"}, 400)
_UNAVAILABLE = JSONResponse({"message": "Service Unavailable"}, 503, headers={"Retry-After": "1"})


def _start(status: int, headers: list[tuple[bytes, bytes]]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
