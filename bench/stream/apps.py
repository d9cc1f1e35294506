"""The ASGI applications that are compared, each served by uvicorn in a process of its own."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bench.stream.events import ORG, made
from bench.stream.process import more_files
from bench.stream.stores import Keys, Ledger, Orgs, Packed
from functions.stream.app import build
from functions.stream.protocol import StreamProtocol
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.valkey.feed import ValkeyFeed
from tocsin.domain.keys import ApiKey
from tocsin.domain.segment import SealedEvent
from tocsin.services.access.access import Access
from tocsin.services.access.presented import Credentials
from tocsin.services.stream.parts import StreamLimits, StreamParts
from tocsin.wire import channel

__all__ = ["APPS", "Feeding", "serve"]

_RING_EVENTS = 4_096


@dataclass(frozen=True, slots=True)
class Feeding:
    """Where an application hears events, which ledger they are from, and the one valid key."""

    valkey_url: str
    bursts: int
    singles: int
    published: Any  # how many segments are published, shared between processes
    key: ApiKey


def tocsin_app(feeding: Feeding) -> ASGIApp:
    """Return the stream service itself, as it is deployed."""
    ledger = made(feeding.bursts, feeding.singles)
    clock = SystemClock()
    return build(
        StreamParts(
            ledger=Ledger(ledger, feeding.published),
            journal=Packed(ledger),
            credentials=Credentials(Access(Keys(feeding.key), Orgs(), clock)),
            clock=clock,
            feed=ValkeyFeed(feeding.valkey_url),
            limits=StreamLimits(ring_events=_RING_EVENTS),
        )
    )


def plain_app(feeding: Feeding) -> ASGIApp:
    """Return what most people write first: a queue and a generator per client."""
    queues: set[asyncio.Queue[SealedEvent]] = set()

    async def listen() -> None:
        async for message in ValkeyFeed(feeding.valkey_url).messages(ORG):
            for event in channel.decode(message).events if message else ():
                for queue in queues:
                    queue.put_nowait(event)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(listen())
        yield
        task.cancel()

    async def stream() -> AsyncGenerator[bytes]:
        queue: asyncio.Queue[SealedEvent] = asyncio.Queue()
        queues.add(queue)
        try:
            yield b": hello\n\n"
            while True:
                event = await queue.get()
                data = json.dumps(event.parse())
                yield f"event: agent_event\nid: {event.seq}\ndata: {data}\n\n".encode()
        finally:
            queues.discard(queue)

    async def endpoint(request: Request) -> StreamingResponse:
        return StreamingResponse(stream(), media_type="text/event-stream")

    return Starlette(routes=[Route("/", endpoint)], lifespan=lifespan)


def bare_app(feeding: Feeding) -> ASGIApp:
    """Return an application that only holds connections open: uvicorn's own memory."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b": hello\n\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    return app


APPS = {"tocsin": tocsin_app, "plain": plain_app, "bare": bare_app}


def serve(name: str, port: int, feeding: Feeding) -> None:
    """Serve one of the applications, as infra/image/Dockerfile runs the service."""
    more_files()
    uvicorn.run(
        APPS[name](feeding),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http=StreamProtocol if name == "tocsin" else "httptools",
        ws="none",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        log_level="critical",
        access_log=False,
        backlog=4_096,
        timeout_graceful_shutdown=2,
    )
