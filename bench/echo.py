"""The smallest server that shows a POST's events on an event stream: the baseline of latency.

``python -m bench.echo PORT``: uvicorn as Tocsin runs it; no check, no store, no order.
"""

import asyncio
import sys

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tocsin.local.serve import serve

__all__ = ["PATH", "application"]

PATH = "/echo"


def application() -> Starlette:
    """Return an application with ``POST`` and the stream, and no subscribers yet."""
    subscribers: set[asyncio.Queue[bytes]] = set()

    async def post(request: Request) -> Response:
        value = orjson.loads(await request.body())
        events = value.get("events", [value])
        frames = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)
        for queue in subscribers:
            queue.put_nowait(frames)
        return Response(b"{}", media_type="application/json")

    class Stream:
        """``GET``, as raw ASGI."""

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            queue: asyncio.Queue[bytes] = asyncio.Queue()
            subscribers.add(queue)
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            data = b": echo\n\n"
            leaving = asyncio.ensure_future(_gone(receive))
            while not leaving.done():
                await send({"type": "http.response.body", "body": data, "more_body": True})
                next_data = asyncio.ensure_future(queue.get())
                await asyncio.wait({leaving, next_data}, return_when=asyncio.FIRST_COMPLETED)
                if next_data.done():
                    data = next_data.result()
                next_data.cancel()
            subscribers.discard(queue)

    return Starlette(
        routes=[
            Route(PATH, post, methods=["POST"]),
            Route(PATH, Stream(), methods=["GET"]),
        ]
    )


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


if __name__ == "__main__":
    serve(application(), int(sys.argv[1]), 1)
