"""Passes requests to the vendor and answers to the client, as they come, and records both."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from tocsin.cli.proxy.answers import Answer
from tocsin.cli.proxy.bases import Base, Bases, Vendor
from tocsin.cli.proxy.calls import CANCELLED, CUT_OFF, Call
from tocsin.cli.proxy.coding import Decoder
from tocsin.cli.proxy.gate import Gate
from tocsin.cli.proxy.headers import Caller, passed_on, passed_up
from tocsin.cli.proxy.members import WHOLE_BYTES, Members
from tocsin.cli.proxy.operations import operation_of
from tocsin.cli.proxy.refusals import Refusal
from tocsin.cli.proxy.sender import Sender
from tocsin.cli.proxy.sight import Sight

__all__ = ["Forwarding", "Options"]

_ASKED: Final = frozenset({"model", "stream"})
_NO_AUTOMATIC: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_REQUEST_IDS: Final = ("x-request-id", "request-id")


@dataclass(frozen=True, slots=True)
class Options:
    """What is recorded, and of whom unless a request says so."""

    agent: str | None
    session: str
    bodies: bool


class Forwarding:
    """The handler of all requests."""

    def __init__(
        self,
        bases: Bases,
        options: Options,
        sender: Sender,
        gate: Gate | None,
        session: aiohttp.ClientSession,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """``now`` and ``monotonic`` (seconds) are the clocks; without a gate, all calls pass."""
        self._bases = bases
        self._options = options
        self._sender = sender
        self._gate = gate
        self._session = session
        self._now = now
        self._monotonic = monotonic

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request with the vendor's answer."""
        path = request.raw_path
        vendor, base, url = self._bases.target(path, request.headers)
        if not path.startswith("/"):
            return _answer(Refusal(400, "no_path", "ask for a path of a vendor's API"), vendor)
        options = self._options
        call = Call(
            self._now(),
            self._monotonic(),
            operation_of(request.method, path),
            request.method,
            path.partition("?")[0],
            base.provider,
            Caller.of(request.headers, options.agent, options.session),
            self._now,
            self._monotonic,
            size_bytes=_length(request),
        )
        if "expect" in request.headers and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = _Body(request, exact=options.bodies)
        try:
            await body.begin()
        except aiohttp.ClientPayloadError:
            return _answer(Refusal(400, "bad_body", "the request's body is cut or broken"), vendor)
        if call.operation is not None:
            asked = body.asked()
            call.asked = asked
            if call.size_bytes is None and body.whole is not None:
                call.size_bytes = len(body.whole)
            if options.bodies:
                call.body = asked or None
        place = self._sender.put(call.request())
        number = self._sender.begin(call.unanswered()) if call.operation is not None else None
        ending = _Ending(call, self._sender, number)
        try:
            if self._gate is not None:
                refusal = await self._gate.refusal(call, place)
                if refusal is not None:
                    ending.put(call.failed(refusal) | {"action": "deny"})
                    return _answer(refusal, vendor)
            return await self._forward(request, call, body, vendor, base, url, ending)
        finally:
            ending.put(call.unanswered(CANCELLED))  # unless there was another end

    async def _forward(
        self,
        request: web.BaseRequest,
        call: Call,
        body: "_Body",
        vendor: Vendor,
        base: Base,
        url: str,
        ending: "_Ending",
    ) -> web.StreamResponse:
        try:
            upstream = await self._session.request(
                request.method,
                URL(url, encoded=True),
                headers=CIMultiDict([*passed_up(request.raw_headers), *body.framing()]),
                data=body.data(),
                allow_redirects=False,
                skip_auto_headers=_NO_AUTOMATIC,
                proxy=base.proxy,
            )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            if request.transport is None or request.transport.is_closing():
                raise asyncio.CancelledError from error  # it was the client that broke off
            reason = f"{base.url} can't be reached ({type(error).__name__})"
            refusal = Refusal(502, "upstream_unreachable", reason)
            ending.put(call.failed(refusal))
            return _answer(refusal, vendor)
        try:
            return await self._answered(request, call, body, upstream, ending)
        finally:
            if not upstream.content.at_eof():
                upstream.close()  # nobody waits for the rest

    async def _answered(
        self,
        request: web.BaseRequest,
        call: Call,
        body: "_Body",
        upstream: aiohttp.ClientResponse,
        ending: "_Ending",
    ) -> web.StreamResponse:
        answer = Answer(bodies=self._options.bodies)
        headers = upstream.headers
        sight = None
        if call.operation is not None:
            media_type = headers.get("content-type", "")
            sight = Sight(call.operation, media_type, headers.get("content-encoding"), answer)
        response = web.StreamResponse(
            status=upstream.status,
            reason=upstream.reason,
            headers=CIMultiDict(passed_on(upstream.raw_headers)),
        )
        first_byte = None
        outcome: str | None = CANCELLED
        try:
            await response.prepare(request)
            async for chunk in upstream.content.iter_any():
                first_byte = first_byte or self._monotonic()
                await response.write(chunk)
                if sight is not None:
                    sight.feed(chunk)
            outcome = None
            await response.write_eof()
        except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError) as error:
            gone = request.transport is None or request.transport.is_closing()
            outcome = CANCELLED if gone else CUT_OFF
            if request.transport is not None:
                request.transport.close()  # after what has come: the client sees it break off, too
            raise ConnectionResetError from error
        finally:
            if call.operation is not None and sight is not None:
                sight.finish()
                if body.whole is None:
                    call.asked = body.asked()  # the rest of it has passed meanwhile
                request_id = next((headers[each] for each in _REQUEST_IDS if each in headers), None)
                event = call.response(upstream.status, answer, first_byte, request_id)
                broken_off = sight.is_stream and not answer.ended and not sight.unread
                if outcome is None and broken_off and upstream.status < 400 and not answer.error:
                    outcome = CUT_OFF
                if outcome is not None:
                    event["status"] = outcome
                if sight.unread:
                    event["metadata"]["unread"] = headers.get("content-encoding", "")[:100]
                ending.put(event)
        return response


class _Ending:
    """Records how a call ended, once."""

    def __init__(self, call: Call, sender: Sender, number: int | None) -> None:
        self._call = call
        self._sender = sender
        self._number = number

    def put(self, event: dict[str, Any]) -> None:
        number, self._number = self._number, None
        if number is not None:
            self._sender.put(event, number)


class _Body:
    """A request's body: read first if it is small, otherwise passed on as it comes."""

    def __init__(self, request: web.BaseRequest, *, exact: bool) -> None:
        self._request = request
        self._begun: list[bytes] = []
        self._members = Members(_ASKED, exact=exact)
        self._decoder = Decoder(request.headers.get("content-encoding"))
        self.whole: bytes | None = None

    async def begin(self) -> None:
        """Read as much as a small body has."""
        size = 0
        while size <= WHOLE_BYTES:
            chunk = await self._request.content.readany()
            if not chunk:
                self.whole = b"".join(self._begun)
                return
            size += len(chunk)
            self._begun.append(chunk)

    def asked(self) -> dict[str, Any]:
        """Return what is known so far of the object in the body."""
        begun, self._begun = self._begun, []
        for chunk in begun:
            self._see(chunk)
        self._begun = begun
        return self._members.read()

    def framing(self) -> list[tuple[str, str]]:
        """Return the header that says how long the body is, if that is known."""
        headers = self._request.headers
        if self.whole is None:
            length = headers.get("content-length")
            return [("Content-Length", length)] if length is not None else []
        if self.whole or "content-length" in headers or "transfer-encoding" in headers:
            return [("Content-Length", str(len(self.whole)))]
        return []

    def data(self) -> bytes | AsyncIterator[bytes] | None:
        """Return the body as the vendor gets it."""
        if self.whole is not None:
            return self.whole or None
        return self._rest()

    async def _rest(self) -> AsyncIterator[bytes]:
        begun, self._begun = self._begun, []
        for chunk in begun:
            yield chunk
        while chunk := await self._request.content.readany():
            self._see(chunk)
            yield chunk

    def _see(self, chunk: bytes) -> None:
        for piece in self._decoder.feed(chunk):
            self._members.feed(piece)


def _length(request: web.BaseRequest) -> int | None:
    text = request.headers.get("content-length", "")
    return int(text) if text.isdecimal() and len(text) < 16 else None


def _answer(refusal: Refusal, vendor: Vendor) -> web.Response:
    return web.Response(
        status=refusal.status, body=refusal.body(vendor), content_type="application/json"
    )
