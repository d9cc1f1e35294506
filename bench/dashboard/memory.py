"""What the page holds after a million events, against what it holds at first.

The real page, at a stand-in that answers what it asks for and streams a million events as fast as
they are read: through `tocsin up` they would take an hour.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, Router

from bench.report import number, ratio, show
from support.asgi import served
from support.browser import chromium
from support.dashboard import visit
from tocsin.local import page

__all__ = ["measure"]

EVENTS = 1_000_000
LIMIT_MB = 150
_BATCH = 500
_WHO = {"org": "bench", "scopes": ["read"], "expires_at": None, "orgs": ["bench"]}
_BUILT = Path(__file__).parents[2] / "build" / "dashboard"


async def measure() -> None:
    """Measure and print."""

    begin = threading.Event()
    with served(_stand_in(begin)) as port:
        async with chromium() as browser, visit(browser, f"http://127.0.0.1:{port}") as opened:
            await opened.open()
            await opened.until_live()
            session = await opened.page.context.new_cdp_session(opened.page)

            async def held_mb() -> float:
                await session.send("HeapProfiler.collectGarbage")
                usage = await session.send("Runtime.getHeapUsage")
                return float(usage["usedSize"]) / 1_000_000

            before, process_before = await held_mb(), _process_mb()
            loop = asyncio.get_running_loop()
            began = loop.time()
            begin.set()
            await opened.page.wait_for_function(
                "last => document.querySelector('.row .seq')?.textContent == last",
                arg=str(EVENTS),
                timeout=900_000,
            )
            seconds = loop.time() - began
            after, process_after = await held_mb(), _process_mb()
    show(
        "Memory of the page, MB",
        ("", "JavaScript's heap", "is", "its process, resident", "is"),
        [
            ("at first", number(before), ratio(1), number(process_before), ratio(1)),
            (
                f"after {EVENTS:,} events",
                number(after),
                ratio(after / before),
                number(process_after),
                ratio(process_after / process_before),
            ),
        ],
        (f"At {EVENTS / seconds:,.0f} events a second. The limit is {LIMIT_MB} MB.",),
    )


def _process_mb() -> float:
    """Return what the largest of the browser's renderers has resident: the page's."""
    children = psutil.Process().children(recursive=True)
    return max(
        (
            child.memory_info().rss / 1_000_000
            for child in children
            if "--type=renderer" in child.cmdline()
        ),
        default=0.0,
    )


def _stand_in(begin: threading.Event) -> Router:
    async def stream(_: Request) -> Response:
        return StreamingResponse(_events(begin), media_type="text/event-stream")

    async def who(_: Request) -> Response:
        return JSONResponse(_WHO)

    async def nothing(_: Request) -> Response:
        return JSONResponse([])

    async def not_here(_: Request) -> Response:
        return JSONResponse({"error": "not at this stand-in", "code": "NOT_FOUND"}, 404)

    return Router(
        [
            *page.routes(_BUILT),
            Route("/api/v1/session", who),
            Route("/api/v1/events", nothing),
            Route("/api/v1/events/stream", stream),
            Route("/{rest:path}", not_here),
        ]
    )


async def _events(begin: threading.Event) -> AsyncIterator[bytes]:
    yield b": tocsin\n\n"
    await asyncio.to_thread(begin.wait)  # it is set in another thread
    event = {
        "id": "evt_01m8fc9g5r4sx0at90mzjxgc00",
        "type": "tool_call",
        "action": "allow",
        "timestamp": "2026-03-03T10:00:00.000Z",
        "received_at": "2026-03-03T10:00:00.000Z",
        "prev_hash": "0" * 64,
        "hash": "1" * 64,
        "lineage_hash": "sha256:" + "1" * 64,
        "metadata": {"path": "/srv/app/" + "x" * 80, "rows": 42},
    }
    for first in range(1, EVENTS + 1, _BATCH):
        frames = []
        for seq in range(first, first + _BATCH):
            more = {
                "seq": seq,
                "tool_name": f"tool_{seq % 10_000}",
                "agent_id": f"agt_{seq % 50}",
                "session_id": f"ses_{seq % 1_000}",
            }
            frames.append(f"event: agent_event\nid: {seq}\ndata: {json.dumps(event | more)}\n\n")
        yield "".join(frames).encode()
    await asyncio.Event().wait()
