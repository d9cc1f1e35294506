"""Clients of the stream that break their connections (RST) in the middle of whatever happens."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from random import Random

from tocsin.local.addresses import LOOPBACK

__all__ = ["wave"]

PATHS = (
    "/api/v1/events",
    "/api/v1/events/stream?agent_id=a1",
    "/v1/events/stream",
    "/api/kavach/events/stream",
)
_AT_ONCE = 256  # connections that are being made
_BURST_BYTES = 50_000  # within which a reader breaks off
_RESET = struct.pack("ii", 1, 0)


class Client(asyncio.Protocol):
    """One that reads on, breaks off in a burst, reads nothing, or goes before it is answered."""

    def __init__(self, number: int, authorization: str, random: Random) -> None:
        self.opened = asyncio.get_running_loop().create_future()
        self.closed = asyncio.get_running_loop().create_future()
        self._path = PATHS[number % len(PATHS)]
        self._authorization = authorization
        self._manner = ("reads", "breaks off", "is deaf", "is gone")[number // len(PATHS) % 4]
        self._left = random.randrange(1_000, _BURST_BYTES)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: rude\r\n"
            f"Authorization: {self._authorization}\r\n\r\n".encode()
        )
        if self._manner == "is gone":
            self.opened.set_result(None)
            self.reset()

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            assert data.startswith(b"HTTP/1.1 200"), data
            self.opened.set_result(None)
            if self._manner == "is deaf":
                self.transport.pause_reading()
        self._left -= len(data)
        if self._manner == "breaks off" and self._left <= 0:
            self.reset()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError("closed before it was answered"))
        self.closed.set_result(None)

    def reset(self) -> None:
        """Break the connection, whatever is under way."""
        if not self.transport.is_closing():
            connection = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()


async def wave(
    count: int,
    port: int,
    authorization: str,
    random: Random,
    burst: Callable[[], Awaitable[object]],
) -> None:
    """Connect ``count`` clients, and break all of their connections while ``burst`` goes on."""
    slots = asyncio.Semaphore(_AT_ONCE)
    loop = asyncio.get_running_loop()

    async def connect(number: int) -> Client:
        async with slots:
            _, client = await loop.create_connection(
                lambda: Client(number, authorization, random), LOOPBACK, port
            )
            await client.opened
            return client

    clients = await asyncio.gather(*(connect(number) for number in range(count)))
    bursting = asyncio.ensure_future(burst())
    for client in random.sample(clients, len(clients)):
        await asyncio.sleep(0)  # lets data come in between
        client.reset()
    await bursting
    await asyncio.gather(*(client.closed for client in clients))
