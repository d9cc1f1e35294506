"""Tickets over HTTP: what a browser opens a stream with."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tocsin.domain.errors import TocsinError, Unauthenticated
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.limits import TICKET_SECONDS
from tocsin.domain.passes import Pass
from tocsin.services.access.presented import Credentials
from tocsin.services.access.tickets import Tickets
from tocsin.web.presented import header_or_cookie
from tocsin.wire.parameters import known
from tocsin.wire.problems import problem

__all__ = ["TicketRoute"]

_NEVER_KEPT = {"Cache-Control": "no-store"}


class TicketRoute:
    """The route of tickets, also for pages of the ``allowed`` origins."""

    def __init__(self, credentials: Credentials, tickets: Tickets, allowed: frozenset[str]) -> None:
        self._credentials = credentials
        self._tickets = tickets
        self._allowed = allowed

    @property
    def routes(self) -> list[Route]:
        """The route, for a Starlette router."""
        return [Route("/v1/stream-tickets", self._answer, methods=["POST"])]

    async def _answer(self, request: Request) -> Response:
        try:
            known(request.query_params.multi_items(), ())
            ticket = await asyncio.to_thread(self._tickets.issue, *await self._holder(request))
        except TocsinError as error:
            said = problem(error)
            return Response(said.content, said.status, said.headers | _NEVER_KEPT)
        return JSONResponse({"ticket": ticket, "expires_in": TICKET_SECONDS}, 201, _NEVER_KEPT)

    async def _holder(self, request: Request) -> tuple[ApiKey, Pass | None]:
        presented = header_or_cookie(request.scope, self._allowed)
        if presented is None:
            raise Unauthenticated("sign in with POST /api/v1/session, or send an API key")
        key, kept = await asyncio.to_thread(self._credentials.admit, presented, Scope.READ)
        return key, kept if isinstance(kept, Pass) else None
