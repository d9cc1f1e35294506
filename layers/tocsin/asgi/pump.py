"""One stream over raw ASGI: no framework's objects stay in memory while a client watches.

While nothing happens, a stream is the server's own task, which waits for the client to leave. What
there is to send is written straight to the connection, where the server gives access to it: by the
audience, to all who are sent the same, or where the log wakes one subscriber. Bytes and HTTP's
framing are shared, and a delivery costs no task, no message and no turn of the event loop.

Who has to wait, for its client or for the ledger, does so in a task, which sends ASGI's messages.
"""

import asyncio
from functools import lru_cache
from typing import Any

from tocsin.asgi.connection import abort, is_chunked, transport_of, unsent_bytes
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


class _Sender(asyncio.Protocol):
    """Sends what there is whenever the subscriber is woken.

    Where the server gives access to its connection, this is the connection's protocol meanwhile: it
    hears at once when something can't be sent, and passes everything on to the server's. So it can
    be one of an audience (:class:`tocsin.services.stream.audience.Connection`).
    """

    __slots__ = (
        "_failure",
        "_gave_up",
        "_loop",
        "_lost",
        "_paused",
        "_send",
        "_sending",
        "_servers",
        "_serving",
        "_subscriber",
        "_transport",
        "_writable",
        "write",
    )

    def __init__(self, subscriber: Subscriber, send: Send) -> None:
        serving = asyncio.current_task()
        if serving is None:
            raise RuntimeError("a stream is served in a task")
        self._subscriber = subscriber
        self._send = send
        self._serving = serving
        self._loop = serving.get_loop()
        self._sending: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._gave_up = False
        self._transport = transport_of(send)
        self._servers: Any = None  # its protocol, while this one stands before it
        self._lost = False
        self._paused = False  # something that was written is not sent yet
        self._writable: asyncio.Future[None] | None = None
        if self._transport is not None and is_chunked(send):
            self._stand_before(self._transport)
        subscriber.on_wake = self.wake
        subscriber.on_stall = self._give_up
        subscriber.unsent = self._unsent_bytes

    def pause_writing(self) -> None:
        """Hear that something that was written can't be sent yet."""
        self._paused = True
        self._servers.pause_writing()
        self._subscriber.paused()

    def resume_writing(self) -> None:
        """Hear that everything is sent."""
        self._servers.resume_writing()
        self._resume()

    def data_received(self, data: bytes) -> None:
        """Pass on what the client sends."""
        self._servers.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on that the client sends nothing more."""
        answer: bool | None = self._servers.eof_received()
        return answer

    def connection_lost(self, error: Exception | None) -> None:
        """Pass on that the client has left."""
        self._lost = True
        self._servers.connection_lost(error)
        self._resume()

    @staticmethod
    def framed(data: bytes) -> bytes:
        """Return a chunk of HTTP/1.1's body: the same object for all who are sent the same."""
        return (_small if len(data) <= _SMALL_BYTES else _large)(data)

    def stopped(self, unsent_bytes: int, error: Exception | None) -> None:
        """Wait for the client in a task; fail, if it has not just left."""
        if error is None:
            self._go_on(unsent_bytes)
        elif not self._lost:
            self._fail(error)

    def wake(self) -> None:
        """Send what there is now; usually that is done when this returns."""
        self._sending = None  # it has ended
        try:
            unsent_bytes = self._write()
        except Exception as error:  # others are woken after this one
            self._fail(error)
            return
        if unsent_bytes is not None:
            self._go_on(unsent_bytes)

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
        self._subscriber.disconnect()
        if self._sending:
            self._sending.cancel()
        if self._transport is not None and self._servers is not None and not self._lost:
            self._transport.set_write_buffer_limits()
            self._transport.set_protocol(self._servers)

    def _stand_before(self, transport: asyncio.Transport) -> None:
        self._servers = transport.get_protocol()
        self.write = transport.write
        transport.set_protocol(self)
        transport.set_write_buffer_limits(high=0)  # any byte unsent pauses; the default is 64 KB
        self._paused = transport.get_write_buffer_size() > 0
        self._subscriber.connection = self

    def _write(self) -> int | None:
        """Write what there is without waiting; None: that is all, until the next time.

        Otherwise a task has to go on, perhaps after it has waited until as many bytes are sent.
        """
        if self._servers is None or self._paused or self._lost:
            return 0
        subscriber = self._subscriber
        while data := subscriber.take_now():
            self.write(self.framed(data))
            if self._paused:
                return len(data)
        return None if data is None else 0

    def _go_on(self, unsent_bytes: int) -> None:
        sending = asyncio.Task(self._send_all(unsent_bytes), loop=self._loop, eager_start=True)
        self._sending = None if sending.done() else sending

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
        if self._paused:
            with self._subscriber.held(size_bytes):
                self._writable = self._loop.create_future()
                await self._writable

    def _resume(self) -> None:
        self._paused = False
        if self._writable and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._serving.cancel()

    def _give_up(self) -> None:
        if self._transport is not None:
            abort(self._transport)
        else:  # the response just ends, when the server can send its end
            self._gave_up = True
            self._serving.cancel()

    def _unsent_bytes(self) -> int | None:
        return None if self._transport is None else unsent_bytes(self._transport)


def _chunk(data: bytes) -> bytes:
    """Return a chunk of HTTP/1.1's body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


# The same object for all who are sent the same. (Not ``writelines``, which needs no copy: in 3.13
# asyncio's never pauses the flow.)
_small = lru_cache(maxsize=64)(_chunk)
_large = lru_cache(maxsize=2)(_chunk)
