"""The deployed stream service, and ``/inspect``: what its process holds, as JSON.

``written`` is how many streams write to their connections themselves, not by ASGI's messages.
"""

import asyncio
import gc
import sys
import tracemalloc
from typing import cast

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from functions.stream import app as deployed
from tocsin.asgi.pump import _Sender
from tocsin.services.stream.watch import Watch

tracemalloc.start()
_stream = cast(ASGIApp, deployed.app)
(_watch,) = (each for each in gc.get_objects() if isinstance(each, Watch))


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http" and scope["path"] == "/inspect":
        await _inspect(Request(scope))(scope, receive, send)
    else:
        await _stream(scope, receive, send)


def _inspect(request: Request) -> JSONResponse:
    """Answer with counts; with ``?memory`` also of memory, which takes a while."""
    found = {
        "admitted": _watch.admitted,
        "subscribers": _watch.subscribers,
        "tasks": len(asyncio.all_tasks()),
        "written": sum(
            each._servers is not None for each in gc.get_objects() if isinstance(each, _Sender)
        ),
    }
    if "memory" in request.query_params:
        gc.collect()
        found["objects"] = sys.getallocatedblocks()
        found["memory_bytes"] = tracemalloc.get_traced_memory()[0]
    return JSONResponse(found)
