"""One stream over raw ASGI: no framework's objects stay in memory while a client watches.

While nothing happens, a stream is the server's own task, which waits for the client to leave. What
there is to send is written where the log wakes the subscriber, straight to the connection where the
server gives access to it: all who are sent the same bytes share them, HTTP's framing included, and
a delivery costs no task, no message and no turn of the event loop.

Who has to wait, for its client or for the ledger, does so in a task, which sends ASGI's messages.
"""

import asyncio
from functools import lru_cache
from typing import Any

from tocsin.asgi.connection import abort, response_of, transport_of, unsent_bytes
from tocsin.asgi.types import Receive, Send
from tocsin.services.stream.subscriber import Subscriber

__all__ = ["pump", "send_stream"]

_SMALL_BYTES = 4_096

_HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # for nginx, and for proxies that follow it
)


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
    """Pass on what the subscriber gives until either side ends it.

    ``send`` is the server's own; ``start``, if given, sends the beginning through middleware.
    """
    await (start or send)(_started())
    await send({"type": "http.response.body", "body": opening, "more_body": True})
    del opening
    sender = _Sender(subscriber, send)
    try:
        sender.wake()
        while (await receive())["type"] != "http.disconnect":  # which also follows our own end
            pass
    except asyncio.CancelledError:
        if not sender.cancelled():
            raise
    finally:
        sender.close()


def _started() -> dict[str, Any]:
    """Return a new ``http.response.start``, which middleware may change."""
    return {"type": "http.response.start", "status": 200, "headers": list(_HEADERS)}


class _Sender:
    """Sends what there is whenever the subscriber is woken."""

    __slots__ = (
        "_failure",
        "_gave_up",
        "_loop",
        "_response",
        "_send",
        "_sending",
        "_serving",
        "_subscriber",
    )

    def __init__(self, subscriber: Subscriber, send: Send) -> None:
        serving = asyncio.current_task()
        if serving is None:
            raise RuntimeError("a stream is served in a task")
        self._subscriber = subscriber
        self._send = send
        self._response = response_of(send)
        self._serving = serving
        self._loop = serving.get_loop()
        self._sending: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._gave_up = False
        subscriber.on_wake = self.wake
        subscriber.on_stall = self._give_up
        subscriber.unsent = self._unsent_bytes

    def wake(self) -> None:
        """Send what there is now; usually that is done when this returns."""
        self._sending = None  # it has ended
        try:
            unsent_bytes = self._write()
        except Exception as error:  # others are woken after this one
            self._fail(error)
            return
        if unsent_bytes is not None:
            sending = asyncio.Task(self._send_all(unsent_bytes), loop=self._loop, eager_start=True)
            self._sending = None if sending.done() else sending

    def cancelled(self) -> bool:
        """Whether this sender cancelled the serving task.

        Raises:
            Exception: what sending failed with.
        """
        if self._failure:
            raise self._failure
        return self._gave_up and not self._serving.uncancel()

    def close(self) -> None:
        """Send nothing any more."""
        subscriber = self._subscriber
        subscriber.on_wake = subscriber.on_stall = subscriber.unsent = None
        if self._sending:
            self._sending.cancel()

    def _write(self) -> int | None:
        """Write what there is without waiting; None: that is all, until the next time.

        Otherwise a task has to go on, perhaps after it has waited until as many bytes are sent.
        """
        response, subscriber = self._response, self._subscriber
        if (
            response is None
            or response.flow.write_paused
            or response.disconnected
            or not response.chunked_encoding
        ):
            return 0
        while data := subscriber.take_now():
            response.transport.write((_small if len(data) <= _SMALL_BYTES else _large)(data))
            if response.flow.write_paused:
                return len(data)
        return None if data is None else 0

    async def _send_all(self, unsent_bytes: int) -> None:
        try:
            if unsent_bytes:
                await self._sent(unsent_bytes)
            while data := await self._subscriber.take():
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
                size_bytes = len(data)
                del data
                await self._sent(size_bytes)
            if data is not None:
                await self._send({"type": "http.response.body"})
        except OSError:
            pass  # the client has left: the serving task hears of that
        except Exception as error:
            self._fail(error)

    async def _sent(self, size_bytes: int) -> None:
        """Wait until the connection has sent what it was given, and count it meanwhile."""
        if self._response is not None and self._response.flow.write_paused:
            with self._subscriber.held(size_bytes):
                await self._response.flow.drain()

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._serving.cancel()

    def _give_up(self) -> None:
        transport = transport_of(self._send)
        if transport is not None:
            abort(transport)
        else:  # the response just ends, when the server can send its end
            self._gave_up = True
            self._serving.cancel()

    def _unsent_bytes(self) -> int | None:
        transport = transport_of(self._send)
        return None if transport is None else unsent_bytes(transport)


def _chunk(data: bytes) -> bytes:
    """Return a chunk of HTTP/1.1's body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


# The same object for all who are sent the same. (Not ``writelines``, which needs no copy: in 3.13
# asyncio's never pauses the flow.)
_small = lru_cache(maxsize=64)(_chunk)
_large = lru_cache(maxsize=2)(_chunk)
