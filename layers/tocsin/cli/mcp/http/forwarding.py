"""Passes requests to the server and answers to the client, as they come, and records both.

Both shapes of streamable HTTP pass: with sessions, a GET stream and resumption (2025-03-26 to
2025-11-25), and without (2026-07-28). See
https://modelcontextprotocol.io/specification/2025-11-25/basic/transports and
https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import Any, Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from tocsin.cli.mcp.calls import Calls
from tocsin.cli.mcp.desk import Desk
from tocsin.cli.mcp.held import Held
from tocsin.cli.mcp.http.headers import mismatch, passed_on, passed_up, stranger
from tocsin.cli.mcp.http.sight import Sight
from tocsin.cli.mcp.recorder import Recorder
from tocsin.cli.mcp.rulings import HEADER_MISMATCH, REFUSED, Pass, Reply, Ruling, error
from tocsin.cli.mcp.telling import Caller
from tocsin.cli.mcp.values import messages
from tocsin.wire import sse

__all__ = ["MAX_BODY_BYTES", "PATH", "Forwarding", "Target"]

PATH: Final = "/mcp"
"""Where the relay's own endpoint is."""

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""Of a request; as much as the protocol's SDKs take."""

_MAX_BODIES_BYTES: Final = 64 * 1024 * 1024  # of all requests that are open
_STREAM: Final = "text/event-stream"
_SESSION: Final = "Mcp-Session-Id"
_KEEPALIVE_SECONDS: Final = 15.0
_NO_AUTOMATIC: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


@dataclass(frozen=True, slots=True)
class Target:
    """Where the server is, and the proxy that leads there."""

    url: str
    proxy: str | None = None


class Forwarding:
    """The handler of all requests."""

    def __init__(
        self,
        target: Target,
        origins: frozenset[str],
        calls: Calls,
        recorder: Recorder,
        desk: Desk,
        session: aiohttp.ClientSession,
    ) -> None:
        """``origins`` are those of web pages that may call, beside this machine's."""
        self._target = target
        self._origins = origins
        self._calls = calls
        self._recorder = recorder
        self._desk = desk
        self._session = session
        self._posts = count(1)
        self._bodies_bytes = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request with the server's answer."""
        if why := stranger(request.headers, self._origins):
            return _refusal(403, why)
        if request.path != PATH:
            return _refusal(404, f"the server is at {PATH}")
        match request.method:
            case "POST":
                async with self._body(request) as body:
                    if isinstance(body, web.Response):
                        return body
                    return await self._post(request, body)
            case "GET" | "DELETE":
                return await self._other(request)
            case _:
                return _refusal(405, "POST, GET or DELETE", Allow="POST, GET, DELETE")

    @asynccontextmanager
    async def _body(self, request: web.BaseRequest) -> AsyncIterator[bytes | web.Response]:
        """Read a body, and count it as long as it is needed; or say why not."""
        taken = bytearray()
        if "expect" in request.headers and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            while chunk := await request.content.readany():
                taken += chunk
                self._bodies_bytes += len(chunk)
                if len(taken) > MAX_BODY_BYTES:
                    yield _refusal(413, f"more than {MAX_BODY_BYTES:,} bytes")
                    return
                if self._bodies_bytes > _MAX_BODIES_BYTES:
                    yield _refusal(503, "too much at once: send it again later")
                    return
            yield bytes(taken)
        finally:
            self._bodies_bytes -= len(taken)

    async def _post(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            return _refusal(415, "send it without a Content-Encoding")
        found = messages(body)
        message = found[0] if len(found) == 1 else {}
        if why := mismatch(request.headers, message):
            return _json(error(message.get("id"), HEADER_MISMATCH, why), 400)
        caller = self._caller(request)
        asker = _Waiting()
        # In a thread: it reads files, and waits for Tocsin.
        ruling: Ruling | Held = await asyncio.to_thread(
            self._desk.judge, body, caller, asker, lines=False
        )
        response: web.StreamResponse | None = None
        try:
            if isinstance(ruling, Held):
                response, ruling = await self._wait(request, ruling, asker)
            if isinstance(ruling, Reply):
                return await _answered(request, response, ruling.answer)
            self._recorder.request(ruling.body or body, caller)
            return await self._forward(request, ruling.body or body, caller, message, response)
        finally:
            if caller.scope.startswith("post:"):
                self._recorder.record(self._calls.gone(caller.scope))

    async def _wait(
        self, request: web.BaseRequest, held: Held, asker: "_Waiting"
    ) -> tuple[web.StreamResponse | None, Ruling]:
        """Wait until a held call is decided; a client that goes has cancelled it."""
        streams = _STREAM in request.headers.get("accept", "")
        response: web.StreamResponse | None = None
        held.start()
        try:
            while True:
                said = await asker.next(_KEEPALIVE_SECONDS)
                if isinstance(said, Pass | Reply):
                    return response, said
                if not streams:
                    continue
                if response is None:
                    response = await _stream(request)
                told = sse.comment("it waits") if said is None else _event(said)
                await response.write(told)
        except (asyncio.CancelledError, ConnectionError):
            # In a thread: it may wait for the one that decides.
            await asyncio.shield(asyncio.to_thread(held.cancel))
            raise

    async def _forward(
        self,
        request: web.BaseRequest,
        body: bytes,
        caller: Caller,
        message: dict[str, Any],
        response: web.StreamResponse | None,
    ) -> web.StreamResponse:
        """Pass a message on, and the answer back; ``response`` has begun if the call was held."""
        try:
            upstream = await self._ask(request, body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as failure:
            if request.transport is None or request.transport.is_closing():
                raise asyncio.CancelledError from failure  # it was the client that broke off
            why = f"the server can't be reached ({type(failure).__name__})"
            self._recorder.record(self._calls.failed(message, caller, reason="unreachable"))
            return await _failed(request, response, message, why)
        try:
            if wrong := _unexpected(upstream):
                self._recorder.record(
                    self._calls.failed(message, caller, http_status=upstream.status)
                )
                return await _failed(request, response, message, wrong)
            if message.get("method") == "initialize":
                given = upstream.headers.get(_SESSION)
                self._calls.moved(caller.scope, _scope(given) if given else "")
            return await self._pour(request, upstream, caller, message, response)
        finally:
            if not upstream.content.at_eof():
                upstream.close()  # nobody waits for the rest

    async def _other(self, request: web.BaseRequest) -> web.StreamResponse:
        """Open the stream of a session, resume one, or end the session."""
        caller = self._caller(request)
        try:
            upstream = await self._ask(request, None)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as failure:
            return _refusal(502, f"the server can't be reached ({type(failure).__name__})")
        try:
            if why := _unexpected(upstream):
                return _refusal(502, why)
            if request.method == "DELETE" and upstream.status < 300:
                self._recorder.record(self._calls.gone(caller.scope))
            return await self._pour(request, upstream, caller, {}, None)
        finally:
            if not upstream.content.at_eof():
                upstream.close()

    async def _ask(self, request: web.BaseRequest, body: bytes | None) -> aiohttp.ClientResponse:
        headers = CIMultiDict(passed_up(request.raw_headers))
        if body is not None:
            headers["Content-Length"] = str(len(body))
        return await self._session.request(
            request.method,
            URL(self._target.url, encoded=True),
            headers=headers,
            data=body,
            allow_redirects=False,
            skip_auto_headers=_NO_AUTOMATIC,
            proxy=self._target.proxy,
        )

    async def _pour(
        self,
        request: web.BaseRequest,
        upstream: aiohttp.ClientResponse,
        caller: Caller,
        message: dict[str, Any],
        response: web.StreamResponse | None,
    ) -> web.StreamResponse:
        """Pass an answer on as it comes; what is in it is recorded before the client has it."""
        sight = Sight(
            upstream.headers.get("content-type", ""),
            lambda data: self._recorder.response(data, caller),
            self._recorder.unread,
        )
        begun = response is not None
        if response is None:
            response = web.StreamResponse(
                status=upstream.status,
                reason=upstream.reason,
                headers=CIMultiDict(passed_on(upstream.raw_headers)),
            )
        resumable = False
        try:
            if begun and not sight.streams:
                return await self._wrapped(upstream, sight, response, message)
            if not begun:
                await response.prepare(request)
            async for chunk in upstream.content.iter_any():
                sight.feed(chunk)
                await response.write(chunk)
            sight.finish()
            await response.write_eof()
        except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError) as failure:
            if request.transport is not None:
                request.transport.close()  # after what has come: the client sees it break off, too
            raise ConnectionResetError from failure
        finally:
            resumable = sight.resumable and caller.scope.startswith("session:")
            status = {"http_status": upstream.status} if upstream.status >= 400 else {}
            self._recorder.record(self._calls.failed(message, caller, resumable, **status))
            self._recorder.watch_cancelled()
            if upstream.status == 404 and caller.scope.startswith("session:"):
                self._recorder.record(self._calls.gone(caller.scope))
        return response

    async def _wrapped(
        self,
        upstream: aiohttp.ClientResponse,
        sight: Sight,
        response: web.StreamResponse,
        message: dict[str, Any],
    ) -> web.StreamResponse:
        """Pass an answer of JSON on in a stream that has begun."""
        whole = bytearray()
        async for chunk in upstream.content.iter_any():
            sight.feed(chunk)
            whole += chunk
            if len(whole) > _MAX_BODIES_BYTES:
                raise aiohttp.ClientPayloadError("too large an answer")
        sight.finish()
        if any("method" not in each for each in messages(bytes(whole))):
            await response.write(sse.encode("message", bytes(whole)))
        else:
            why = f"the server answered with HTTP status {upstream.status}"
            await response.write(_event(error(message.get("id"), REFUSED, why)))
        await response.write_eof()
        return response

    def _caller(self, request: web.BaseRequest) -> Caller:
        headers = request.headers
        given = headers.get(_SESSION)
        return Caller(
            _scope(given) if given else f"post:{next(self._posts)}",
            headers.get("traceparent"),
        )


class _Waiting:
    """The client of one call that waits; other threads put in what it is told."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._said = asyncio.Queue[dict[str, Any] | Ruling]()

    def tell(self, message: dict[str, Any]) -> None:
        self._put(message)

    def settled(self, ruling: Ruling) -> None:
        self._put(ruling)

    def _put(self, item: dict[str, Any] | Ruling) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._said.put_nowait, item)

    async def next(self, seconds: float) -> dict[str, Any] | Ruling | None:
        """Return what comes next; None: nothing for so long."""
        try:
            return await asyncio.wait_for(self._said.get(), seconds)
        except TimeoutError:
            return None


def _scope(session: str) -> str:
    return f"session:{sha256(session.encode(errors='replace')).hexdigest()}"


def _unexpected(upstream: aiohttp.ClientResponse) -> str | None:
    """Return why an answer does not pass: it leads past the relay, or can't be read."""
    if 300 <= upstream.status < 400 and upstream.status != 304:
        return "the server redirects elsewhere: give the URL where it is"
    coding = upstream.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        return f"the server's answer is encoded ({coding[:40]}), which it was not asked for"
    return None


def _event(message: dict[str, Any]) -> bytes:
    return sse.encode("message", json.dumps(message))


async def _stream(request: web.BaseRequest) -> web.StreamResponse:
    headers = {"Content-Type": _STREAM, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    return response


async def _answered(
    request: web.BaseRequest, response: web.StreamResponse | None, answer: Any
) -> web.StreamResponse:
    """Answer with a message of the relay's own, or with none."""
    if response is None:
        return _json(answer) if answer else web.Response(status=202)
    if answer:
        await response.write(_event(answer))
    await response.write_eof()
    return response


async def _failed(
    request: web.BaseRequest,
    response: web.StreamResponse | None,
    message: dict[str, Any],
    why: str,
) -> web.StreamResponse:
    told = error(message.get("id"), REFUSED, why, reason="unreachable")
    return _json(told, 502) if response is None else await _answered(request, response, told)


def _refusal(status: int, why: str, **headers: str) -> web.Response:
    return _json(error(None, REFUSED, why), status, headers)


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status,
        body=json.dumps(value).encode(),
        content_type="application/json",
        headers=headers,
    )
