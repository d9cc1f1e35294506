"""The stream service's ASGI application: parse the request, subscribe, pass the bytes on.

``uvicorn functions.stream.app:app`` wires it from the environment; tests call :func:`build`.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import starmap
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from functions.stream._endpoint import reader
from functions.stream._list import Ask, ListEndpoint, StreamOrList
from tocsin.asgi.drain import on_sigterm
from tocsin.asgi.endpoint import StreamEndpoint
from tocsin.asgi.unserved import send_problem
from tocsin.bootstrap.stream import options, wire
from tocsin.domain.detect.settings import Settings
from tocsin.domain.errors import NotFound
from tocsin.services.access.presented import Presented
from tocsin.services.approvals.reading import Reading
from tocsin.services.approvals.waiting import Waiting
from tocsin.services.detect.rehearsing import Rehearsing
from tocsin.services.evidence.proving import Log
from tocsin.services.reading.answers import Answers, Piece
from tocsin.services.reading.audit import Audit
from tocsin.services.reading.listing import Listing
from tocsin.services.stream.parts import StreamParts
from tocsin.services.stream.watch import Watch
from tocsin.web.cors import cors
from tocsin.web.options import HttpOptions
from tocsin.web.paths import take_any_id
from tocsin.web.tickets import TicketRoute
from tocsin.wire.dialects import DIALECTS, IGRIS
from tocsin.wire.filters import Query
from tocsin.wire.problems import problem

__all__ = ["build"]


def build(parts: StreamParts, http: HttpOptions | None = None) -> Router:
    """Return the service's application over ``parts``; without ``http``, with default options."""
    http = http or HttpOptions()
    watch, credentials = Watch(parts), parts.credentials
    origins = http.allowed_origins
    stream = partial(StreamEndpoint, watch, read=reader(http))
    tickets = []
    if credentials.tickets:
        tickets = TicketRoute(credentials, credentials.tickets, origins).routes
    answers = Answers(
        ledger=parts.ledger,
        journal=parts.journal,
        credentials=credentials,
        clock=parts.clock,
        projections=parts.projections,
        summaries=parts.summaries,
        allowed_types=parts.limits.allowed_types,
        retention=parts.retention,
    )
    stall_seconds = parts.limits.stall_seconds
    listing, audit = Listing(answers), Audit(answers)
    answer = partial(ListEndpoint, allowed_origins=origins, stall_seconds=stall_seconds)
    page = answer(_without_path(listing.page))
    agent = answer(
        lambda credential, query, path: listing.page(
            credential, [*query, ("agent_id", path["agent_id"])]
        )
    )
    session = answer(
        lambda credential, query, path: listing.session(credential, path["session_id"], query)
    )
    event = answer(
        lambda credential, query, path: listing.event(credential, path["event_id"], query)
    )

    kept = parts.detection_settings
    dry_run = Rehearsing(answers, lambda org: kept.get(org).settings if kept else Settings())

    decisions = []
    if parts.approvals:
        waiting = Waiting(
            parts.approvals,
            Reading(parts.approvals, parts.clock),
            lambda presented: credentials.admit(presented, None)[0],
        )
        decision = answer(
            lambda credential, query, path: waiting.decision(credential, path["id"], query)
        )
        decisions = [Route("/v1/approvals/{id}/decision", decision)]

    logs = []
    if parts.trees:
        log = Log(answers, parts.trees)
        plain = partial(answer, content_type=b"text/plain; charset=utf-8")
        tile = answer(
            lambda credential, query, path: log.tile(credential, f"tile/{path['tile']}", query),
            content_type=b"application/octet-stream",
        )
        logs = [
            Route("/v1/log/checkpoint", plain(_without_path(log.checkpoint))),
            Route("/v1/log/tile/{tile:path}", tile),
            Route("/v1/log/keys", plain(_without_path(log.keys))),
            Route("/v1/log/proof", plain(_without_path(log.proof))),
        ]

    @asynccontextmanager
    async def lifespan(app: object) -> AsyncIterator[None]:
        watch.start()
        with on_sigterm(watch.drain):
            yield
        await watch.aclose()

    async def healthz(request: Request) -> Response:
        health = await watch.health()
        body = {
            "status": "unavailable" if not health.ledger else "ok",
            "ledger": "ok" if health.ledger else "down",
            "broker": {True: "ok", False: "down", None: "none"}[health.broker],
        }
        if health.ledger and health.broker is False:
            body["status"] = "degraded"  # it still serves, from the ledger
        return JSONResponse(body, 200 if health.ledger else 503)

    async def livez(request: Request) -> Response:
        # Whatever the ledger does: for whoever replaces a process that answers nothing.
        return JSONResponse({"status": "alive"})

    take_any_id()
    streams: dict[str, ASGIApp] = {dialect.path: stream(dialect) for dialect in DIALECTS}
    igris = streams[IGRIS.path]
    streams[IGRIS.path] = StreamOrList(igris, page, http.bare_events_route)
    return _Routes(
        streams,
        [
            Route("/api/v1/events/sessions/{session_id:path}", session),
            Route("/api/v1/events/{event_id}", event),
            Route("/api/v1/agents/{agent_id:path}/events", agent),
            *[
                Route(f"/v1/audit/{name}", answer(_without_path(ask)))
                for name, ask in (
                    ("events", audit.events),
                    ("dates", audit.dates),
                    ("stats", audit.stats),
                    ("verify", audit.verify),
                )
            ],
            *[
                Route(
                    f"/v1/audit/{name}",
                    answer(_without_path(ask), content_type=b"application/jsonl"),
                )
                for name, ask in (("export", audit.export), ("entries", audit.entries))
            ],
            *logs,
            Route("/api/v1/detection/dry-run", answer(_without_path(dry_run))),
            *decisions,
            *tickets,
            Route("/healthz", healthz, methods=["GET"]),
            Route("/livez", livez, methods=["GET"]),
        ],
        middleware=[cors(origins)] if origins else None,
        redirect_slashes=False,
        default=_not_found,
        lifespan=lifespan,
    )


def _without_path(ask: Callable[[Presented, Query], AsyncGenerator[Piece]]) -> Ask:
    return lambda credential, query, _: ask(credential, query)


class _Routes(Router):
    """Passes streams their requests directly: no :class:`Route` stays in memory while they last."""

    def __init__(
        self, streams: Mapping[str, ASGIApp], routes: Sequence[Route], **options: Any
    ) -> None:
        super().__init__([*starmap(Route, streams.items()), *routes], **options)
        self._streams = streams

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (stream := self._streams.get(scope.get("path", ""))) is None:
            await super().app(scope, receive, send)
        else:
            await stream(scope, receive, send)


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    await send_problem(problem(NotFound("there is nothing at this path")), send)


def __getattr__(name: str) -> object:
    """Wire ``app`` when a server asks for it, not when the module is imported."""
    if name == "app":
        return build(wire(), options())
    raise AttributeError(name)
