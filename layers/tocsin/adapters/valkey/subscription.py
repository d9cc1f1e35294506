"""A subscription to one channel of Valkey, on a connection of its own."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any, cast

from libvalkey import ProtocolError, Reader
from valkey.asyncio.connection import AbstractConnection
from valkey.exceptions import ConnectionError as Unreachable
from valkey.exceptions import ValkeyError

from tocsin.adapters.valkey.connection import ANSWER_SECONDS, Renewal
from tocsin.adapters.valkey.iam import SignedAhead

__all__ = ["Subscription"]

PING_SECONDS = 10.0  # of silence, after which a subscription is asked whether it lives
_MOST_ANSWERS = 256  # kept before more is read: the server keeps the rest


class Subscription(asyncio.Protocol):
    """A connection that listens to one channel.

    The client connects and signs in; what is published is read by this protocol on its connection,
    since the client's layers take longer for a message than everything else that is done with it.
    """

    def __init__(
        self,
        connection: AbstractConnection,
        channel: str,
        credentials: SignedAhead | None,
        renewal: Renewal,
    ) -> None:
        """Begin; ``connection`` is a new one."""
        self.renewal = renewal
        self.unanswered = 0  # pings
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._clients: Any = None  # the client's protocol, for which this one stands
        self._reader = Reader()
        self._answers: deque[Any] = deque()
        self._more: asyncio.Future[None] | None = None
        self._heard = self._silent = self._lost = self._paused = False
        self._looking: asyncio.TimerHandle | None = None
        self._beginning = asyncio.create_task(self._begin(channel, credentials))

    async def begun(self, seconds: float) -> bool:
        """Wait for so long; return whether the server has confirmed it. Raises if it failed."""
        await asyncio.wait([self._beginning], timeout=seconds)
        return self._beginning.done() and self._beginning.result()

    async def hear(self) -> bytes | None:
        """Return the next message; None after another sign of life, or a while without any.

        Raises:
            Unreachable: the connection is lost, or the server does not answer.
        """
        match await self._answer():
            case [b"message", _, bytes(message)]:
                return message
            case [b"pong", _]:
                self.unanswered -= 1
                return None
            case None if self.unanswered:
                raise Unreachable("a subscription does not answer")
            case None:
                await self.ask()
                return None
        raise Unreachable("a subscription hears what nobody publishes")

    async def ask(self) -> None:
        """Send a ping, whose answer comes after all that was published before it."""
        self._send("PING")
        self.unanswered += 1

    async def aclose(self) -> None:
        """Close the connection."""
        self._beginning.cancel()
        if self._looking:
            self._looking.cancel()
        await asyncio.gather(self._beginning, return_exceptions=True)
        with suppress(ValkeyError, OSError):
            await self._connection.disconnect(nowait=True)

    def data_received(self, data: bytes) -> None:
        """Take what the server sends."""
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not False:
                self._answers.append(answer)
        except ProtocolError:  # nothing that follows can be read
            self._lost = True
            if self._transport:
                self._transport.abort()
        self._heard, self._silent = True, False
        if len(self._answers) > _MOST_ANSWERS and self._transport and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._tell()

    def connection_lost(self, error: Exception | None) -> None:
        """Hear that the connection is lost."""
        self._lost = True
        self._clients.connection_lost(error)
        self._tell()

    async def _begin(self, channel: str, credentials: SignedAhead | None) -> bool:
        if credentials:
            await credentials.refresh()
        await self._connection.connect()  # type: ignore[no-untyped-call]
        writer: Any = self._connection._writer  # the client has no other word for its transport
        self._transport = transport = cast(asyncio.Transport, writer.transport)
        self._clients = transport.get_protocol()
        transport.set_protocol(self)
        self._send("SUBSCRIBE", channel)
        async with asyncio.timeout(ANSWER_SECONDS):
            confirmed = await self._answer()
        if not isinstance(confirmed, list) or confirmed[0] != b"subscribe":
            raise Unreachable(f"a subscription is not confirmed: {confirmed!r}")
        self._look()
        return True

    def _send(self, *command: str) -> None:
        if self._lost or self._transport is None:
            raise Unreachable("a subscription is lost")
        self._transport.write(b"".join(self._connection.pack_command(*command)))

    async def _answer(self) -> Any:
        """Return the next answer; None after a while without any."""
        while not self._answers:
            if self._lost:
                raise Unreachable("a subscription is lost")
            if self._silent:
                self._silent = False
                return None
            self._more = self._loop.create_future()
            await self._more
        answer = self._answers.popleft()
        if self._paused and not self._answers and self._transport and not self._lost:
            self._paused = False
            self._transport.resume_reading()
        return answer

    def _tell(self) -> None:
        if self._more and not self._more.done():
            self._more.set_result(None)

    def _look(self) -> None:
        """End a wait in which nothing was heard."""
        self._silent, self._heard = not self._heard, False
        if self._silent:
            self._tell()
        self._looking = self._loop.call_later(PING_SECONDS, self._look)
