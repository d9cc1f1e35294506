"""What API Gateway and a load balancer do with a request before they look at what it asks for.

They wait for it for a limited time, take heads of a limited size, and know whom it is meant for.
"""

import asyncio
from ipaddress import ip_address
from typing import Any, ClassVar, override

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

__all__ = ["IDLE_SECONDS", "MAX_HEAD_BYTES", "MAX_LINE_BYTES", "Entrance", "GatewayProtocol"]

# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
MAX_LINE_BYTES = 16 * 1024  # of the request line, and of a header
MAX_HEAD_BYTES = 64 * 1024  # of both together
IDLE_SECONDS = 60.0  # the load balancer's idle timeout

_FAREWELL_SECONDS = 1.0  # for a client to read why it was refused
_BLANKS = b" \t"  # around a header's value, and no part of it (RFC 9110, section 5.5)
# Names that lead to this machine (the last one from Docker's containers), and that no stranger can
# make lead anywhere.
_OWN_NAMES = frozenset({"localhost", "host.docker.internal"})


class _HeadTooLarge(Exception):
    """Ends the parsing of a request."""


class GatewayProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with a load balancer's limits; trailers are dropped."""

    idle_seconds: ClassVar[float] = IDLE_SECONDS

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._waiting: asyncio.TimerHandle | None = None  # for a whole head
        self._in_head = False
        self._head_bytes = 0
        self._pending_bytes = 0  # received since the parser last had something whole
        self._whole = False
        self._refused = False

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._whole = False
        super().data_received(data)
        self._pending_bytes = 0 if self._whole else self._pending_bytes + len(data)
        if self._refused or self.transport.is_closing():
            return
        if self._pending_bytes > MAX_HEAD_BYTES:
            self._refuse(400)  # a header or a trailer without an end
        elif self._waiting is None and not self._answering:
            self._await_head()

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    @override
    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(self.url))

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        self._whole = True
        if self._in_head:
            self._head_bytes += len(name) + len(value)
            self._count(len(name) + len(value))
            super().on_header(name, value.strip(_BLANKS))

    @override
    def on_headers_complete(self) -> None:
        self._whole = True
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        self._whole = True
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._whole = True
        super().on_message_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        self._refuse(400)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _count(self, line_bytes: int) -> None:
        if line_bytes > MAX_LINE_BYTES or len(self.url) + self._head_bytes > MAX_HEAD_BYTES:
            raise _HeadTooLarge

    def _await_head(self) -> None:
        self._waiting = self.loop.call_later(self.idle_seconds, self._timed_out)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _timed_out(self) -> None:
        self._waiting = None
        if self.transport.is_closing():
            return
        if self._in_head:
            self._refuse(408)
        else:
            self.transport.close()

    def _refuse(self, status: int) -> None:
        """Answer what can't be read, unless an answer is under way; close the connection."""
        self._stop_waiting()
        self._refused = True
        if self._answering:
            self.transport.close()
            return
        line = STATUS_LINE[status]
        body = b'{"message":"%s"}' % line.split(b" ", 2)[2].strip()
        self.transport.write(
            line + b"Content-Type: application/json\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
        )
        # A client that still sends would lose the answer if this side stopped listening at once.
        self.transport.write_eof()
        self._waiting = self.loop.call_later(_FAREWELL_SECONDS, self.transport.close)


class Entrance:
    """An ASGI application that lets requests to this machine by its own names in.

    A web page may give a name of its own this machine's address (DNS rebinding); to the browser the
    page and what listens here are one site then.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 400 or 403."""
        if scope["type"] == "http":
            hosts = [value for name, value in scope["headers"] if name == b"host"]
            if len(hosts) != 1:
                await _answer(400, "Bad Request", scope, receive, send)
                return
            if not _is_own(hosts[0].decode("latin-1")):
                message = "Forbidden: ask for http://127.0.0.1 or http://localhost, with the port"
                await _answer(403, message, scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _answer(status: int, message: str, scope: Scope, receive: Receive, send: Send) -> None:
    response = JSONResponse({"message": message}, status, headers={"Connection": "close"})
    await response(scope, receive, send)


def _is_own(host: str) -> bool:
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name = host
    elif not port.isdecimal():
        return False
    name = name.lower()
    if name in _OWN_NAMES or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
