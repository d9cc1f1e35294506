"""Signing in to Valkey again and again: a real server, with a password that changes for IAM's."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from valkey.credentials import CredentialProvider
from valkey.exceptions import AuthenticationError

from fakes.stores import FakeClock
from support.tls import tls_front
from support.valkey import Valkey
from support.waiting import HANG_SECONDS
from tocsin.adapters.valkey.broker import ValkeyBroker
from tocsin.adapters.valkey.feed import ValkeyFeed
from tocsin.bootstrap.stream import wire
from tocsin.domain.errors import Busy

pytestmark = pytest.mark.anyio
CHANNEL = "tocsin:v1:acme"
PROBE = -1
HOUR_MS = 3_600_000
# All that Tocsin needs: what the access string of the IAM user grants.
GRANTS = ["on", "resetkeys", "resetchannels", "&tocsin:v1:*", "-@all"]
GRANTS += ["+publish", "+subscribe", "+ping"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class SignIn(CredentialProvider):
    """What the client believes the password to be; the server is told another by ``change``."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self.password = "none"  # noqa: S105
        self.asked = 0
        self.threads: set[threading.Thread] = set()
        self.open = threading.Event()
        self.open.set()

    def get_credentials(self) -> tuple[str, str]:
        self.asked += 1
        self.threads.add(threading.current_thread())
        self.open.wait()
        if not self.password:
            raise AuthenticationError("there are no AWS credentials")
        return "tocsin", self.password

    def change(self, password: str, *, told: bool = True) -> None:
        """Let the server take nothing but this password, and maybe tell the client."""
        self._valkey.execute("ACL", "SETUSER", "tocsin", *GRANTS, "resetpass", f">{password}")
        if told:
            self.password = password


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    valkey = Valkey()
    yield valkey
    valkey.kill()


@pytest.fixture
def sign_in(valkey: Valkey) -> SignIn:
    sign_in = SignIn(valkey)
    sign_in.change("first")
    return sign_in


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class Listener:
    """A feed's end: what it has yielded, duplicates left out."""

    def __init__(self, messages: AsyncGenerator[bytes | None]) -> None:
        self._messages = messages
        self.heard: list[int] = []
        self.nones = 0

    async def next(self) -> bytes | None:
        message = await anext(self._messages)
        if message is None:
            self.nones += 1
        elif int(message) not in (PROBE, *self.heard):
            self.heard.append(int(message))
        return message

    async def begin(self, valkey: Valkey) -> None:
        """Wait until it hears what is published: on a slow machine that may take some attempts."""
        message = None
        while message is None:
            hearing = asyncio.ensure_future(self.next())
            while not hearing.done():
                await publish(valkey, PROBE)
                await asyncio.wait([hearing], timeout=0.05)
            message = hearing.result()
        self.nones = 1

    async def until(self, number: int) -> list[int]:
        while number not in self.heard:
            await self.next()
        return self.heard


async def publish(valkey: Valkey, *numbers: int) -> list[int]:
    """Publish as the administrator; return how many heard each."""
    publishing = (
        asyncio.to_thread(valkey.execute, "PUBLISH", CHANNEL, str(each)) for each in numbers
    )
    return [await each for each in publishing]


async def subscriptions(valkey: Valkey, wanted: int) -> list[str]:
    """Wait for so many subscribed connections; return their ids."""
    while True:
        listed = await asyncio.to_thread(valkey.execute, "CLIENT LIST", "TYPE", "pubsub")
        if len(listed) == wanted:
            return [each["id"] for each in listed]
        await asyncio.sleep(0.01)


def connections(valkey: Valkey) -> list[str]:
    """The ids of the connections that have signed in."""
    listed = valkey.execute("CLIENT LIST")
    return [each["id"] for each in listed if each["user"] == "tocsin"]


async def test_a_wrong_password_that_is_put_right_needs_no_other_help(
    valkey: Valkey, sign_in: SignIn, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    sign_in.change("second", told=False)
    broker = ValkeyBroker(valkey.url, sign_in, clock)
    feed = ValkeyFeed(valkey.url, sign_in, clock)
    async with asyncio.timeout(HANG_SECONDS), aclosing(feed.messages("acme")) as messages:
        listener = Listener(messages)
        for wrong in ("first", ""):
            sign_in.password = wrong
            assert [await listener.next() for _ in range(2)] == [None] * 2
            assert not await feed.alive()
            with pytest.raises(Busy):
                await asyncio.to_thread(broker.publish, "acme", b"0")
        assert len(caplog.records) == 1
        assert "first" not in caplog.text
        sign_in.password = "second"  # noqa: S105
        while await publish(valkey, 1) != [1]:
            await listener.next()
        assert await feed.alive()
        await asyncio.to_thread(broker.publish, "acme", b"2")
        assert (await listener.until(2))[-1] == 2
    await feed.aclose()
    broker.close()


async def test_a_connection_that_the_server_ends_is_replaced_with_the_password_of_then(
    valkey: Valkey, sign_in: SignIn, clock: FakeClock
) -> None:
    broker = ValkeyBroker(valkey.url, sign_in, clock)
    feed = ValkeyFeed(valkey.url, sign_in, clock)
    async with asyncio.timeout(HANG_SECONDS), aclosing(feed.messages("acme")) as messages:
        listener = Listener(messages)
        await listener.begin(valkey)
        await asyncio.to_thread(broker.publish, "acme", b"1")
        assert await listener.until(1) == [1]
        assert await feed.alive()
        sign_in.change("second")
        for id in connections(valkey):
            valkey.execute("CLIENT KILL", "ID", id)
        assert [await listener.next() for _ in range(2)] == [None] * 2
        await asyncio.to_thread(broker.publish, "acme", b"2")
        assert await listener.until(2) == [1, 2]
        assert await feed.alive()
    await feed.aclose()
    broker.close()


async def test_nothing_is_lost_when_subscriptions_are_replaced_under_load(
    valkey: Valkey, sign_in: SignIn, clock: FakeClock
) -> None:
    feed = ValkeyFeed(valkey.url, sign_in, clock)
    published = 0
    receivers: set[int] = set()

    async def load() -> None:
        nonlocal published
        while True:
            receivers.update(await publish(valkey, published))
            published += 1

    async with asyncio.timeout(HANG_SECONDS), aclosing(feed.messages("acme")) as messages:
        listener = Listener(messages)
        await listener.begin(valkey)
        loading = asyncio.create_task(load())
        ids = set(await subscriptions(valkey, 1))
        for change in range(1, 6):
            await listener.until(published + 20)
            sign_in.change(f"password {change}")
            clock.ms += 11 * HOUR_MS
            while listener.nones <= change:  # one says that another subscription has taken over
                await listener.next()
            ids.update(await subscriptions(valkey, 1))
        loading.cancel()
        await asyncio.wait([loading])
        assert await listener.until(published - 1) == list(range(len(listener.heard)))
        assert receivers == {1, 2}  # never nobody, and at times the old and the new one
        assert len(ids) == 6
    await feed.aclose()


async def test_what_was_not_yet_heard_when_a_subscription_is_replaced_is_not_lost(
    valkey: Valkey, sign_in: SignIn, clock: FakeClock
) -> None:
    feed = ValkeyFeed(valkey.url, sign_in, clock)
    async with asyncio.timeout(HANG_SECONDS), aclosing(feed.messages("acme")) as messages:
        listener = Listener(messages)
        await listener.begin(valkey)
        await publish(valkey, *range(50))
        clock.ms += 11 * HOUR_MS
        for number in range(2):  # in which the next subscription is made
            await listener.until(number)
        await subscriptions(valkey, 2)
        await publish(valkey, *range(50, 60))
        assert await listener.until(59) == list(range(60))
        while listener.nones == 1:
            await listener.next()
        await subscriptions(valkey, 1)
    await feed.aclose()


async def test_a_young_subscription_is_kept(
    valkey: Valkey, sign_in: SignIn, clock: FakeClock
) -> None:
    feed = ValkeyFeed(valkey.url, sign_in, clock)
    async with asyncio.timeout(HANG_SECONDS), aclosing(feed.messages("acme")) as messages:
        listener = Listener(messages)
        await listener.begin(valkey)
        ids, asked = await subscriptions(valkey, 1), sign_in.asked
        clock.ms += 10 * HOUR_MS
        await publish(valkey, *range(20))
        await listener.until(19)
        assert sign_in.asked == asked
        assert await subscriptions(valkey, 1) == ids
    await feed.aclose()


async def test_a_subscription_does_not_take_over_a_connection_of_unknown_age(
    valkey: Valkey, sign_in: SignIn, clock: FakeClock
) -> None:
    feed = ValkeyFeed(valkey.url, sign_in, clock)
    async with asyncio.timeout(HANG_SECONDS), aclosing(feed.messages("acme")) as messages:
        assert await feed.alive()
        asked_with = connections(valkey)
        await Listener(messages).begin(valkey)
        assert await subscriptions(valkey, 1) != asked_with
    await feed.aclose()


async def test_a_subscription_that_cannot_be_replaced_goes_on_and_is_replaced_later(
    valkey: Valkey, sign_in: SignIn, clock: FakeClock
) -> None:
    feed = ValkeyFeed(valkey.url, sign_in, clock)
    async with asyncio.timeout(HANG_SECONDS), aclosing(feed.messages("acme")) as messages:
        listener = Listener(messages)
        await listener.begin(valkey)
        ids, asked = await subscriptions(valkey, 1), sign_in.asked
        sign_in.change("second", told=False)
        clock.ms += 11 * HOUR_MS
        for number in range(100):
            await publish(valkey, number)
            await listener.until(number)
        assert sign_in.asked == asked + 1  # once in the minute
        assert listener.nones == 1
        sign_in.password = "second"  # noqa: S105
        clock.ms += 60_000
        while listener.nones == 1:
            number += 1
            await publish(valkey, number)
            await listener.until(number)
        assert listener.heard == list(range(number + 1))
        assert await subscriptions(valkey, 1) != ids
    await feed.aclose()


async def test_signing_in_holds_up_nobody(
    valkey: Valkey, sign_in: SignIn, clock: FakeClock
) -> None:
    feed = ValkeyFeed(valkey.url, sign_in, clock)
    sign_in.open.clear()
    try:
        async with asyncio.timeout(HANG_SECONDS), aclosing(feed.messages("acme")) as messages:
            listener = Listener(messages)
            assert [await listener.next() for _ in range(3)] == [None] * 3
            sign_in.open.set()
            while await publish(valkey, 1) == [0]:
                await listener.next()
            assert await listener.until(1) == [1]
            assert await feed.alive()
        assert threading.main_thread() not in sign_in.threads
    finally:
        sign_in.open.set()
    await feed.aclose()


async def test_a_brokers_connection_is_used_for_eleven_hours_at_most(
    valkey: Valkey, sign_in: SignIn, clock: FakeClock
) -> None:
    broker = ValkeyBroker(valkey.url, sign_in, clock)
    seen: list[str] = []
    for _ in range(3):
        sign_in.change(f"password {len(seen)}")
        broker.publish("acme", b"")
        ids = connections(valkey)
        seen += ids
        assert len(ids) == 1
        clock.ms += 10 * HOUR_MS
        broker.publish("acme", b"")
        assert connections(valkey) == ids
        clock.ms += HOUR_MS
    assert len(set(seen)) == 3
    broker.close()


async def test_over_tls_the_server_must_prove_its_name(
    valkey: Valkey, sign_in: SignIn, clock: FakeClock, tmp_path: Path
) -> None:
    async with asyncio.timeout(HANG_SECONDS), tls_front(valkey.port, tmp_path) as (port, authority):
        trusted = f"valkeys://127.0.0.1:{port}?ssl_ca_certs={authority}"
        feed = ValkeyFeed(trusted, sign_in, clock)
        broker = ValkeyBroker(trusted, sign_in, clock)
        async with aclosing(feed.messages("acme")) as messages:
            listener = Listener(messages)
            await listener.begin(valkey)
            await asyncio.to_thread(broker.publish, "acme", b"1")
            assert await listener.until(1) == [1]
        assert await feed.alive()
        await feed.aclose()
        broker.close()
        asked = sign_in.asked
        for url in (
            f"valkeys://127.0.0.1:{port}",  # signed by nobody who is trusted
            f"valkeys://localhost:{port}?ssl_ca_certs={authority}",  # another's certificate
        ):
            feed, broker = ValkeyFeed(url), ValkeyBroker(url, sign_in, clock)
            assert not await feed.alive()
            with pytest.raises(Busy):
                await asyncio.to_thread(broker.publish, "acme", b"2")
            await feed.aclose()
            broker.close()
        assert sign_in.asked == asked  # no password is given to such a server


async def test_the_environment_is_enough_to_sign_in_with_iam(
    valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    valkey.execute("ACL", "SETUSER", "tocsin", *GRANTS, "nopass")  # so that any token will do
    async with asyncio.timeout(HANG_SECONDS), tls_front(valkey.port, tmp_path) as (port, authority):
        environment = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "TOCSIN_JOURNAL_TABLE": "journal",
            "TOCSIN_LEDGER_TABLE": "ledger",
            "TOCSIN_STATE_TABLE": "state",
            "TOCSIN_VALKEY_URL": f"valkeys://127.0.0.1:{port}?ssl_ca_certs={authority}",
            "TOCSIN_VALKEY_IAM_USER": "tocsin",
            "TOCSIN_VALKEY_CACHE_NAME": "tocsin-cache",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        feed = wire().feed
        assert feed
        assert await feed.alive()
        assert len(connections(valkey)) == 1
        await feed.aclose()
