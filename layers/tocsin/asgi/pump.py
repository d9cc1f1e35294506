"""One stream over raw ASGI: no framework's objects stay in memory while a client watches."""

import asyncio
import socket
import struct
from typing import Any

from tocsin.asgi.types import Receive, Send
from tocsin.services.watch import Subscriber

__all__ = ["ABORT_SECONDS", "abort", "pump", "send_stream"]

_HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx, and what learned it from nginx
)
ABORT_SECONDS = 1.0
_DROP_WHAT_IS_UNSENT = struct.pack("ii", 1, 0)  # or the kernel keeps megabytes for the client


async def send_stream(data: bytes, send: Send) -> None:
    """Send a stream that ends at once."""
    await send(_started())
    await send({"type": "http.response.body", "body": data})


async def pump(
    subscriber: Subscriber,
    opening: bytes,
    receive: Receive,
    send: Send,
    *,
    start: Send | None = None,
) -> None:
    """Pass on what the subscriber is given until either side ends it.

    ``send`` is the server's own; the response begins with ``start``, if middleware adds headers.
    """
    serving = asyncio.current_task()
    if serving is None:
        raise RuntimeError("a stream is served in a task")
    leaving = asyncio.create_task(_end_on_disconnect(receive, subscriber))
    subscriber.on_stall = serving.cancel
    try:
        await (start or send)(_started())
        data = opening
        while data:
            await send({"type": "http.response.body", "body": data, "more_body": True})
            data = await subscriber.next()
        await send({"type": "http.response.body"})
    except asyncio.CancelledError:
        if not subscriber.stalled:
            raise
        serving.uncancel()
        abort(send)
        await asyncio.wait([leaving], timeout=ABORT_SECONDS)
    finally:
        leaving.cancel()


def _started() -> dict[str, Any]:
    """Return a response's beginning; middleware may change it."""
    return {"type": "http.response.start", "status": 200, "headers": list(_HEADERS)}


def abort(send: Send) -> None:
    """Break the connection of a client that takes nothing.

    ASGI has no word for this. What uvicorn hands out as ``send`` is bound to the object that has
    the transport. With another server the response just ends, when that server can send its end.
    """
    transport: Any = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        return
    if (connection := transport.get_extra_info("socket")) is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP_WHAT_IS_UNSENT)
    transport.abort()


async def _end_on_disconnect(receive: Receive, subscriber: Subscriber) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    subscriber.end()
