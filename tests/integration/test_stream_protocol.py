"""What the stream service's own HTTP protocol does differently from uvicorn's."""

import asyncio
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from support.server import serving
from support.waiting import HANG_SECONDS

pytestmark = pytest.mark.anyio
LARGE = 8 * 1024 * 1024  # more than what the kernel holds for a client


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class App:
    """Says a request's path and one of its headers."""

    def __init__(self, size_bytes: int = 0) -> None:
        self.size_bytes = size_bytes
        self.drained = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        says = scope["path"].encode() + b" " + dict(scope["headers"]).get(b"x-name", b"-")
        body = says + b"." * self.size_bytes
        length = (b"content-length", b"%d" % len(body))
        start: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": [length]}
        await send(start)
        for first in range(0, len(body), 65_536):
            piece = body[first : first + 65_536]
            more = first + 65_536 < len(body)
            await send({"type": "http.response.body", "body": piece, "more_body": more})
        self.drained = True


async def _exchange(url: str, request: bytes, answers: int) -> bytes:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    data = b""
    while data.count(b"/") - data.count(b"HTTP/") < answers:
        piece = await reader.read(65_536)
        assert piece, "the server has closed the connection"
        data += piece
    writer.close()
    await writer.wait_closed()
    return data


async def test_pipelined_requests_are_answered_in_order_with_their_own_headers() -> None:
    names = (b"a", b"b", b"c")
    request = b"".join(
        b"GET /%b HTTP/1.1\r\nHost: x\r\nX-Name: %b\r\n\r\n" % (name, name * 3) for name in names
    )
    async with asyncio.timeout(HANG_SECONDS), serving(App()) as url:
        data = await _exchange(url, request, len(names))
    places = [data.index(b"/%b %b" % (name, name * 3)) for name in names]
    assert places == sorted(places)


async def test_a_client_that_reads_late_gets_everything() -> None:
    app = App(LARGE)
    async with asyncio.timeout(HANG_SECONDS), serving(app) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1_024)
        writer.write(b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"/late")
        for _ in range(100):
            await asyncio.sleep(0)
        assert not app.drained  # the server waits, instead of holding it all
        await reader.readexactly(len(b" -") + LARGE)
        writer.close()
        await writer.wait_closed()
    assert app.drained
