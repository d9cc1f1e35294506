"""A subscription, against a server that a test plays: floods, silence, and connections that end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from valkey.asyncio.connection import Connection
from valkey.exceptions import ConnectionError as Unreachable

from support.waiting import HANG_SECONDS
from tocsin.adapters.valkey import subscription
from tocsin.adapters.valkey.connection import Renewal
from tocsin.adapters.valkey.subscription import Subscription

pytestmark = pytest.mark.anyio
CHANNEL = "tocsin:v1:acme"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def message(data: bytes) -> bytes:
    return b"*3\r\n$7\r\nmessage\r\n$14\r\n%b\r\n$%d\r\n%b\r\n" % (
        CHANNEL.encode(),
        len(data),
        data,
    )


class Server:
    """Answers what a client begins with; the rest is the test's."""

    def __init__(self, confirmation: bytes) -> None:
        self._confirmation = confirmation
        self.writer: asyncio.StreamWriter | None = None
        self.pings = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        try:
            while line := await reader.readline():
                words = []
                for _ in range(int(line[1:])):
                    await reader.readline()
                    words.append((await reader.readline()).strip())
                if words[0] == b"SUBSCRIBE":
                    writer.write(self._confirmation)
                elif words[0] == b"PING":
                    self.pings += 1
                else:
                    writer.write(b"+OK\r\n")
        except ConnectionError:
            pass

    def send(self, data: bytes) -> None:
        assert self.writer
        self.writer.write(data)


CONFIRMED = b"*3\r\n$9\r\nsubscribe\r\n$14\r\n%b\r\n:1\r\n" % CHANNEL.encode()


@asynccontextmanager
async def subscribed(
    confirmation: bytes = CONFIRMED,
) -> AsyncIterator[tuple[Server, Subscription]]:
    server = Server(confirmation)
    async with asyncio.timeout(HANG_SECONDS):
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        connection = Connection(host="127.0.0.1", port=port)
        asked = Subscription(connection, CHANNEL, None, Renewal(None))
        try:
            yield server, asked
        finally:
            await asked.aclose()
            listening.close()
            if server.writer:
                server.writer.close()
            await listening.wait_closed()


async def paused(transport: asyncio.Transport) -> None:
    while True:
        if not transport.is_reading():
            return
        await asyncio.sleep(0)


async def test_what_is_published_faster_than_it_is_heard_waits_at_the_server() -> None:
    async with subscribed() as (server, asked):
        assert await asked.begun(HANG_SECONDS)
        transport = asked._transport
        assert transport
        sent = [b"%d" % number for number in range(20_000)]
        for each in sent:
            server.send(message(each))
        await paused(transport)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(asked._answers) < len(sent)
        assert [await asked.hear() for _ in sent] == sent
        assert transport.is_reading()


async def test_a_connection_that_ends_while_it_is_paused_is_heard_to_its_end() -> None:
    async with subscribed() as (server, asked):
        assert await asked.begun(HANG_SECONDS)
        assert asked._transport
        for number in range(subscription._MOST_ANSWERS + 1):
            server.send(message(b"%d" % number))
        await paused(asked._transport)
        waiting = len(asked._answers)
        asked._transport.abort()
        await asyncio.sleep(0.01)
        heard = [await asked.hear() for _ in range(waiting)]
        assert heard == [b"%d" % number for number in range(waiting)]
        with pytest.raises(Unreachable, match="lost"):
            await asked.hear()
        with pytest.raises(Unreachable, match="lost"):
            await asked.ask()


async def test_a_server_that_is_silent_is_asked_once_and_then_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscription, "PING_SECONDS", 0.05)
    async with subscribed() as (server, asked):
        assert await asked.begun(HANG_SECONDS)
        assert await asked.hear() is None
        assert asked.unanswered == 1
        with pytest.raises(Unreachable, match="does not answer"):
            while True:
                assert await asked.hear() is None
        assert server.pings == 1


async def test_an_answer_is_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "PING_SECONDS", 0.05)
    async with subscribed() as (server, asked):
        assert await asked.begun(HANG_SECONDS)
        for _ in range(3):
            assert await asked.hear() is None  # after a silence, in which it was asked
            server.send(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n")
            assert await asked.hear() is None
            assert asked.unanswered == 0


@pytest.mark.parametrize("answer", [b"-NOPERM no\r\n", b"+OK\r\n", b""])
async def test_what_is_not_confirmed_has_not_begun(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "ANSWER_SECONDS", 0.2)
    async with subscribed(answer) as (_, asked):
        with pytest.raises((Unreachable, OSError)):
            await asked.begun(HANG_SECONDS)


@pytest.mark.parametrize("nonsense", [b":1\r\n", b"*1\r\n$3\r\nabc\r\n", b"-ERR no\r\n"])
async def test_what_nobody_publishes_ends_a_subscription(nonsense: bytes) -> None:
    async with subscribed() as (server, asked):
        assert await asked.begun(HANG_SECONDS)
        server.send(nonsense)
        with pytest.raises(Unreachable):
            await asked.hear()


async def test_what_is_not_the_protocol_ends_a_subscription() -> None:
    async with subscribed() as (server, asked):
        assert await asked.begun(HANG_SECONDS)
        server.send(message(b"1") + b"HTTP/1.1 400 Bad Request\r\n\r\n")
        assert await asked.hear() == b"1"
        with pytest.raises(Unreachable):
            await asked.hear()
