"""Both ends of the broker, on a real Valkey and on the fake that stands for it."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import pytest

from fakes.broker import FakeBroker
from support.valkey import Valkey
from support.waiting import HANG_SECONDS
from tocsin.adapters.valkey.broker import ValkeyBroker
from tocsin.adapters.valkey.feed import ValkeyFeed
from tocsin.domain.errors import Busy
from tocsin.embedded._feed import LocalFeed
from tocsin.ports.log import Broker
from tocsin.services.stream.parts import LiveFeed

pytestmark = pytest.mark.anyio
PROBE = b"whether it has begun"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Subject(Protocol):
    """A broker and its feed."""

    broker: Broker
    feed: LiveFeed

    async def aclose(self) -> None: ...


class Mortal(Subject, Protocol):
    """One with the power to take it away."""

    def kill(self) -> None: ...
    def revive(self) -> None: ...


class RealSubject:
    def __init__(self, unix_socket: Path | None = None) -> None:
        self._valkey = Valkey(unix_socket)
        self._valkey_broker = ValkeyBroker(self._valkey.url)
        self.broker: Broker = self._valkey_broker
        self.feed: LiveFeed = ValkeyFeed(self._valkey.url)

    def kill(self) -> None:
        self._valkey.kill()

    def revive(self) -> None:
        self._valkey.revive()

    async def aclose(self) -> None:
        await self.feed.aclose()
        self._valkey_broker.close()
        self._valkey.kill()


class UnixSubject(RealSubject):
    """As `tocsin up` has it; the path is one that a URL has to quote."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(dir="/tmp")
        super().__init__(Path(self._folder.name) / "100%a?b#c.sock")

    async def aclose(self) -> None:
        await super().aclose()
        self._folder.cleanup()


class FakeSubject:
    def __init__(self) -> None:
        self._fake = FakeBroker()
        self.broker: Broker = self._fake
        self.feed: LiveFeed = self._fake

    def kill(self) -> None:
        self._fake.stop()

    def revive(self) -> None:
        self._fake.start()

    async def aclose(self) -> None:
        pass


class LocalSubject:
    """The library's, which is gone only with its process."""

    def __init__(self) -> None:
        local = LocalFeed()
        self.broker: Broker = local
        self.feed: LiveFeed = local

    async def aclose(self) -> None:
        pass


@pytest.fixture(params=["valkey", "unix", "fake", "local"])
async def on(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    subjects: dict[str, Callable[[], Subject]] = {
        "valkey": RealSubject,
        "unix": UnixSubject,
        "fake": FakeSubject,
        "local": LocalSubject,
    }
    subject: Subject = subjects[request.param]()
    async with asyncio.timeout(HANG_SECONDS):
        yield subject
    await subject.aclose()


can_be_killed = pytest.mark.parametrize("on", ["valkey", "unix", "fake"], indirect=True)


Messages = AsyncGenerator[bytes | None]


@asynccontextmanager
async def subscribed(subject: Subject, org: str = "acme") -> AsyncIterator[Messages]:
    """Subscribe and wait until it hears what is published: on a slow machine it begins late."""
    async with aclosing(subject.feed.messages(org)) as messages:  # type: ignore[type-var]
        heard = asyncio.create_task(next_message(messages))  # type: ignore[arg-type]
        while not heard.done():
            await publish(subject, PROBE, org)
            await asyncio.wait([heard], timeout=0.05)
        assert heard.result() == PROBE
        async with aclosing(without_probes(messages)) as others:  # type: ignore[arg-type]
            yield others


async def without_probes(messages: Messages) -> Messages:
    async for message in messages:
        if message != PROBE:
            yield message


async def publish(subject: Subject, message: bytes, org: str = "acme") -> None:
    await asyncio.to_thread(subject.broker.publish, org, message)


async def next_message(messages: Messages) -> bytes:
    while (message := await anext(messages)) is None:
        pass
    return message


async def test_what_is_published_arrives_in_order_and_byte_by_byte(on: Subject) -> None:
    sent = [b"first", b"\x00\xff\r\n*3\r\n", b"x" * 300_000, b"last"]
    async with subscribed(on) as messages:
        for message in sent:
            await publish(on, message)
        assert [await anext(messages) for _ in sent] == sent


async def test_each_org_has_its_own_channel(on: Subject) -> None:
    async with subscribed(on, "acme") as ours, subscribed(on, "other") as theirs:
        await publish(on, b"theirs", "other")
        await publish(on, b"ours", "acme")
        assert await anext(ours) == b"ours"
        assert await anext(theirs) == b"theirs"


async def test_everybody_gets_every_message(on: Subject) -> None:
    async with subscribed(on) as first, subscribed(on) as second:
        await publish(on, b"hello")
        assert await anext(first) == b"hello"
        assert await anext(second) == b"hello"


async def test_what_was_published_before_is_not_repeated(on: Subject) -> None:
    await publish(on, b"before")
    async with subscribed(on) as messages:
        await publish(on, b"after")
        assert await anext(messages) == b"after"


async def test_nobody_listening_is_no_error(on: Subject) -> None:
    await publish(on, b"hello")


@can_be_killed
async def test_a_broker_that_is_gone_is_busy(on: Mortal) -> None:
    await publish(on, b"hello")
    on.kill()
    with pytest.raises(Busy):
        await publish(on, b"hello")
    on.revive()
    await publish(on, b"hello")


@can_be_killed
async def test_an_interruption_is_told_and_the_subscription_recovers(on: Mortal) -> None:
    async with subscribed(on) as messages:
        await publish(on, b"before")
        assert await anext(messages) == b"before"
        on.kill()
        assert await anext(messages) is None
        on.revive()
        assert await anext(messages) is None
        arrived = asyncio.create_task(next_message(messages))
        while not arrived.done():
            await publish(on, b"after")
            await asyncio.wait([arrived], timeout=0.05)
        assert arrived.result() == b"after"


@can_be_killed
async def test_a_broker_tells_whether_it_answers(on: Mortal) -> None:
    assert await on.feed.alive()
    on.kill()
    assert not await on.feed.alive()
    on.revive()
    assert await on.feed.alive()


async def test_without_a_broker_valkeys_feed_keeps_its_subscribers_looking() -> None:
    subject = RealSubject()
    subject.kill()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(HANG_SECONDS), aclosing(subject.feed.messages("acme")) as messages:  # type: ignore[type-var]
        started = loop.time()
        assert [await anext(messages) for _ in range(4)] == [None] * 4
        assert loop.time() - started < 2.5
    await subject.aclose()


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port where nobody ever answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


async def test_a_valkey_that_does_not_answer_is_gone(deaf_port: int) -> None:
    feed = ValkeyFeed(f"valkey://127.0.0.1:{deaf_port}")
    async with asyncio.timeout(HANG_SECONDS), aclosing(feed.messages("acme")) as messages:
        assert [await anext(messages) for _ in range(4)] == [None] * 4
    await feed.aclose()
