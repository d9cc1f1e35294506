"""Signing in and out, and tickets: what a browser needs before it can open a stream."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tocsin.domain.errors import TocsinError, Unauthenticated
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.limits import TICKET_SECONDS
from tocsin.domain.passes import Pass
from tocsin.domain.times import iso_ms
from tocsin.services.access.presented import Authorizer, Cookie
from tocsin.services.access.sign_ins import SignIns
from tocsin.services.access.tickets import Tickets
from tocsin.web.presented import caller_of, header_or_cookie, session_token
from tocsin.wire import cookies
from tocsin.wire.parameters import known
from tocsin.wire.problems import problem

__all__ = ["Passes"]

_NEVER_KEPT = {"Cache-Control": "no-store"}

type _Endpoint = Callable[[Request], Awaitable[Response]]


class Passes:
    """The routes of sign-ins and tickets, also for pages of the ``allowed`` origins."""

    def __init__(
        self, access: Authorizer, sign_ins: SignIns, tickets: Tickets, allowed: frozenset[str]
    ) -> None:
        self._access = access
        self._sign_ins = sign_ins
        self._tickets = tickets
        self._allowed = allowed

    @property
    def routes(self) -> list[Route]:
        """The routes, for a Starlette router."""
        methods = ["GET", "POST", "DELETE"]
        return [
            Route("/api/v1/session", _answering(self._session), methods=methods),
            Route("/v1/stream-tickets", _answering(self._issue), methods=["POST"]),
        ]

    async def _session(self, request: Request) -> Response:
        match request.method:
            case "POST":
                return await self._sign_in(request)
            case "DELETE":
                return await self._sign_out(request)
        key, sign_in = await self._holder(request)
        return JSONResponse(_said(key, sign_in), 200, _NEVER_KEPT)

    async def _sign_in(self, request: Request) -> Response:
        authorization = request.headers.get("authorization")
        key = await asyncio.to_thread(self._access.authorize, authorization, Scope.READ)
        token, sign_in = await asyncio.to_thread(self._sign_ins.open, key)
        cookie = self._cookie(request, token, self._sign_ins.seconds)
        return JSONResponse(_said(key, sign_in), 201, _NEVER_KEPT | cookie)

    async def _sign_out(self, request: Request) -> Response:
        if token := session_token(request.scope, self._allowed):
            await asyncio.to_thread(self._sign_ins.close, token)
        return Response(None, 204, _NEVER_KEPT | self._cookie(request, "", 0))

    async def _issue(self, request: Request) -> Response:
        key, _ = await self._holder(request)
        ticket = await asyncio.to_thread(self._tickets.issue, key)
        return JSONResponse({"ticket": ticket, "expires_in": TICKET_SECONDS}, 201, _NEVER_KEPT)

    def _cookie(self, request: Request, token: str, seconds: int) -> dict[str, str]:
        caller = caller_of(request.scope)
        foreign = caller.is_foreign(self._allowed)
        return {"Set-Cookie": cookies.cookie(token, seconds, caller, foreign=foreign)}

    async def _holder(self, request: Request) -> tuple[ApiKey, Pass | None]:
        match header_or_cookie(request.scope, self._allowed):
            case Cookie(token):
                sign_in, key = await asyncio.to_thread(self._sign_ins.find, token, Scope.READ)
                return key, sign_in
            case None:
                raise Unauthenticated("sign in with POST /api/v1/session, or send an API key")
            case header:
                return await asyncio.to_thread(self._access.authorize, header, Scope.READ), None


def _said(key: ApiKey, sign_in: Pass | None) -> dict[str, Any]:
    """Return what callers are told about themselves; ``expires_at`` is None with a key."""
    expires_at = None
    if sign_in is not None:
        expires_at = iso_ms(sign_in.expires_at_ms)
    return {"org": key.org, "scopes": sorted(key.scopes), "expires_at": expires_at}


def _answering(endpoint: _Endpoint) -> _Endpoint:
    async def answer(request: Request) -> Response:
        try:
            known(request.query_params.multi_items(), ())
            return await endpoint(request)
        except TocsinError as error:
            said = problem(error)
            return Response(said.content, said.status, said.headers | _NEVER_KEPT)

    return answer
