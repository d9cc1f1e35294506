"""The library's deliveries, to real receivers on loopback."""

import asyncio
import base64
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, override

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook as Verifier

from fakes.stores import FakeClock
from support.receiver import Received, Receiver, Reply, receiving
from support.waiting import HANG_SECONDS, until
from tocsin.domain.deliveries import LEASE_MS, Progress
from tocsin.domain.errors import Conflict, Invalid, NotFound, UnreadableEndpoint
from tocsin.embedded import EventStream, SqliteLog
from tocsin.embedded._database import Database
from tocsin.embedded._endpoints import SqliteEndpoints
from tocsin.embedded._journal import SqliteJournal
from tocsin.local.addresses import LOOPBACK, reserve
from tocsin.services.access.presented import Authorizer
from tocsin.services.stream.parts import StreamParts

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
DAY_MS = 86_400_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@asynccontextmanager
async def opened(db: Any = ":memory:", **options: Any) -> AsyncIterator[EventStream]:
    stream = EventStream(db, require_auth=False, **({"loopback_receivers": True} | options))
    async with asyncio.timeout(HANG_SECONDS), stream.lifespan():
        yield stream


async def emit(stream: EventStream, type: str = "audit", **fields: Any) -> int:
    sealed = await stream.emit({"type": type, **fields})
    assert sealed
    return sealed.seq


def seqs(received: Sequence[Received]) -> list[int]:
    # Of who was killed while it sent, there may be a head alone.
    return [json.loads(each.body)["data"]["seq"] for each in received if each.body]


async def came(receiver: Receiver, count: int) -> list[int]:
    """Wait for so many requests; return the seqs of all that came."""
    return seqs(await asyncio.to_thread(receiver.wait, count))


async def becomes(look: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for a state; fail when it does not come."""
    deadline = asyncio.get_running_loop().time() + HANG_SECONDS
    while not await look():
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.02)


# What is documented


@pytest.mark.parametrize("where", ["memory", "file"])
async def test_what_is_emitted_arrives_signed_and_in_order(
    where: str, path: Path, receiver: Receiver
) -> None:
    async with opened(":memory:" if where == "memory" else path) as stream:
        webhook = await stream.webhooks.add(receiver.url, types=["agent.created"])
        assert (webhook.status, webhook.format, webhook.order) == ("active", "tocsin", "relaxed")
        await emit(stream)
        sent = [await emit(stream, "agent.created", data={"agentId": f"a{n}"}) for n in range(20)]
        assert await came(receiver, 20) == sent
    assert webhook.secret and webhook.public_key
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(webhook.public_key[5:]))
    for n, each in enumerate(receiver.received):
        said = Verifier(webhook.secret).verify(each.body, dict(each.headers))
        assert said["data"]["data"] == {"agentId": f"a{n}"}
        names = ("webhook-id", "webhook-timestamp")
        signed = b"%b.%b.%b" % (*(each.headers[name].encode() for name in names), each.body)
        v1a = each.headers["webhook-signature"].rpartition("v1a,")[2]
        key.verify(base64.b64decode(v1a), signed)


async def test_deliveries_are_listed_newest_first(receiver: Receiver) -> None:
    async with opened() as stream:
        webhook = await stream.webhooks.add(receiver.url, types=["audit"])
        sent = [await emit(stream) for _ in range(3)]
        await came(receiver, 3)

        async def all_listed() -> bool:
            return len(await stream.webhooks.deliveries(webhook.id)) == 3

        await becomes(all_listed, "the attempts are listed")
        listed = await stream.webhooks.deliveries(webhook.id)
        assert [each.seq for each in listed] == sent[::-1]
        assert {(each.outcome, each.status, each.attempt) for each in listed} == {
            ("delivered", 200, 1)
        }
        assert [each.seq for each in await stream.webhooks.deliveries(webhook.id, 1)] == sent[2:]
        assert await stream.webhooks.given_up(webhook.id) == []
        assert (await stream.webhooks.get(webhook.id)).fields["delivered"] == 3


async def test_paused_it_is_sent_nothing_and_resumed_what_it_missed(receiver: Receiver) -> None:
    async with opened() as stream:
        webhook = await stream.webhooks.add(receiver.url, types=["audit"])
        assert (await stream.webhooks.pause(webhook.id, "a holiday")).status == "paused"
        with pytest.raises(Conflict):
            await stream.webhooks.test(webhook.id)
        missed = [await emit(stream) for _ in range(2)]
        assert (await stream.webhooks.resume(webhook.id)).status == "active"
        assert await came(receiver, 2) == missed
        await stream.webhooks.pause(webhook.id)
        await emit(stream)
        await stream.webhooks.resume(webhook.id, skip_missed=True)
        last = await emit(stream)
        assert await came(receiver, 3) == [*missed, last]


async def test_an_endpoint_is_changed_tested_replayed_and_removed(receiver: Receiver) -> None:
    async with opened() as stream:
        first = await emit(stream)
        webhook = await stream.webhooks.add(receiver.url, types=["agent.created"], since=_AGES)
        changed = await stream.webhooks.update(webhook.id, types={"audit"}, description="d")
        assert (changed.fields["types"], changed.secret) == (["audit"], None)
        tested = await stream.webhooks.test(webhook.id)

        def is_there() -> bool:
            return tested in [each.headers["webhook-id"] for each in receiver.received]

        await asyncio.to_thread(until, is_there, "the test arrives")
        rotated = await stream.webhooks.rotate(webhook.id)
        assert rotated.secret not in (None, webhook.secret)
        assert len(rotated.fields["public_keys"]) == 2
        begun = len(receiver.received)
        await stream.webhooks.replay(webhook.id, first, first)
        assert (await came(receiver, begun + 1))[-1] == first
        again = receiver.received[-1]
        for secret in (webhook.secret, rotated.secret):  # the one before signs for a day
            assert Verifier(secret or "").verify(again.body, dict(again.headers))
        assert [each.id for each in await stream.webhooks.list()] == [webhook.id]
        await stream.webhooks.remove(webhook.id)
        assert await stream.webhooks.list() == []
        with pytest.raises(NotFound):
            await stream.webhooks.get(webhook.id)


_AGES = datetime(2020, 1, 1, tzinfo=UTC)


async def test_each_change_is_told_in_the_log(receiver: Receiver) -> None:
    async with opened() as stream:
        webhook = await stream.webhooks.add(receiver.url, types=["agent.created"])
        await stream.webhooks.pause(webhook.id)
        await stream.webhooks.remove(webhook.id)
        told = await stream.replay(_AGES)
        assert [each.data["type"] for each in told] == [
            f"tocsin.endpoint_{verb}" for verb in ("removed", "paused", "created")
        ]
        said = {json.dumps(each.data) for each in told}
        assert not [each for each in said if "/hook" in each or (webhook.secret or "") in each]
        assert (await stream.verify()).last_seq == 3


async def test_chats_are_sent_messages(receiver: Receiver) -> None:
    async with opened() as stream:
        webhook = await stream.webhooks.add(receiver.url, format="slack", types=["audit"])
        assert (webhook.secret, webhook.public_key) == (None, None)
        with pytest.raises(Conflict):
            await stream.webhooks.rotate(webhook.id)
        await emit(stream)
        await asyncio.to_thread(receiver.wait, 1)
        assert "blocks" in json.loads(receiver.received[0].body)


# What is refused


async def test_only_public_addresses_over_tls_unless_it_is_said_otherwise(
    path: Path, receiver: Receiver
) -> None:
    async with opened(path) as stream:
        webhook = await stream.webhooks.add(receiver.url, types=["audit"])
    async with opened(path, loopback_receivers=False) as stream:
        for url in (receiver.url, "https://127.0.0.1/x", "https://10.0.0.1/x", "https://[::1]/"):
            with pytest.raises(Invalid):
                await stream.webhooks.add(url)
        await emit(stream)

        async def tried() -> bool:
            return bool(await stream.webhooks.deliveries(webhook.id))

        await becomes(tried, "an attempt")
        assert (await stream.webhooks.deliveries(webhook.id))[0].fields["error"] == "blocked"
    assert receiver.received == []
    with pytest.raises(ValueError, match="nonsense"):
        EventStream(require_auth=False, denied_networks=["nonsense"])
    async with opened(denied_networks=["93.184.215.0/24"]) as stream:
        with pytest.raises(Invalid):
            await stream.webhooks.add("https://93.184.215.14/x")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"format": "email", "url": "mailto:a@example.com"}, Invalid),
        ({"format": "s3", "url": "s3://bucket/x"}, Invalid),
        ({"format": "parquet", "url": "s3://bucket/x"}, Invalid),
        ({"format": "smoke"}, Invalid),
        ({"types": []}, Invalid),
        ({"order": "random"}, Invalid),
        ({"secret": "whsec_short"}, Invalid),
        ({"from_seq": 9}, Invalid),
        ({"links": True}, TypeError),
        ({"types": "audit"}, TypeError),
        ({"since": datetime(2026, 1, 1)}, ValueError),
    ],
)
async def test_what_no_endpoint_can_be(options: Any, error: type[Exception]) -> None:
    async with opened() as stream:
        with pytest.raises(error):
            await stream.webhooks.add(**{"url": "https://example.com/hook"} | options)
        assert await stream.webhooks.list() == []


async def test_after_its_end_there_are_no_webhooks() -> None:
    async with opened() as stream:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        _ = stream.webhooks


# Receivers that are slow, gone, or fail


async def test_many_that_hang_delay_no_other(receiver: Receiver) -> None:
    with receiving() as hanging:
        hanging.behave = lambda _: hanging.hang()
        async with opened() as stream:
            for _ in range(40):
                await stream.webhooks.add(hanging.url, types=["audit"])
            await stream.webhooks.add(receiver.url, types=["audit"])
            sent = [await emit(stream)]
            await asyncio.to_thread(hanging.wait, 40)
            sent += [await emit(stream) for _ in range(5)]
            assert await came(receiver, 6) == sent
            assert len(hanging.received) == 40
            hanging.end_hanging()


async def test_gone_is_paused_and_told(receiver: Receiver) -> None:
    receiver.behave = lambda _: Reply(410)
    async with opened() as stream:
        webhook = await stream.webhooks.add(receiver.url, types=["audit"])
        await emit(stream)

        async def paused() -> bool:
            return (await stream.webhooks.get(webhook.id)).status == "paused"

        await becomes(paused, "it is paused")
        assert "410" in (await stream.webhooks.get(webhook.id)).fields["reason"]
        (told, *_) = await stream.replay(_AGES)
        assert told.data["type"] == "tocsin.endpoint_paused"
        await emit(stream)
        assert len(receiver.received) == 1


async def test_what_fails_is_tried_again_after_a_restart(path: Path, receiver: Receiver) -> None:
    receiver.behave = lambda _: Reply(500)
    async with opened(path) as stream:
        await stream.webhooks.add(receiver.url, types=["audit"], order="strict")
        sent = [await emit(stream) for _ in range(3)]
        assert await came(receiver, 1) == sent[:1]
    receiver.behave = lambda _: Reply()
    async with opened(path):
        assert await came(receiver, 4) == [sent[0], *sent]
    assert [each.headers["tocsin-attempt"] for each in receiver.received] == ["1", "2", "1", "1"]


# Processes


async def test_a_stop_finishes_what_is_being_sent(path: Path, receiver: Receiver) -> None:
    let_go = threading.Event()

    def slowly(received: Received) -> Reply:
        assert let_go.wait(HANG_SECONDS)
        return Reply()

    receiver.behave = slowly
    async with opened(path) as stream:
        webhook = await stream.webhooks.add(receiver.url, types=["audit"])
        sent = [await emit(stream) for _ in range(3)]
        await came(receiver, 1)
        ending = asyncio.create_task(stream.aclose())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(ending), 0.2)
        let_go.set()
        await ending
        assert seqs(receiver.received) == sent[:1]  # nothing more was begun
    async with opened(path) as stream:
        assert await came(receiver, 3) == sent  # none of them twice
        assert len(await stream.webhooks.deliveries(webhook.id)) >= 1


class App:
    """A process with a stream; it stays until it is killed."""

    def __init__(self, path: Path) -> None:
        folders = os.pathsep.join([str(ROOT / "layers"), str(ROOT / "tests")])
        self.process = subprocess.Popen(  # noqa: S603 (ours)
            [sys.executable, "-m", "support.telling", str(path)],
            env=os.environ | {"PYTHONPATH": folders},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout and self.process.stdin
        self._out, self._in = self.process.stdout, self.process.stdin
        assert self._out.readline() == "runs\n"

    def emit(self, count: int) -> list[int]:
        """Have so many events emitted; return their seqs."""
        print(count, file=self._in, flush=True)
        return [int(self._out.readline()) for _ in range(count)]

    def end(self) -> int:
        """Let it end by itself."""
        self._in.close()
        return self.process.wait(HANG_SECONDS)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._out.close()
        self._in.close()


@contextmanager
def app(path: Path) -> Iterator[App]:
    one = App(path)
    try:
        yield one
    finally:
        one.kill()


@pytest.mark.parametrize("order", ["strict", "relaxed", "none"])
async def test_killed_in_the_middle_of_it_nothing_is_lost(
    path: Path, receiver: Receiver, order: Any
) -> None:
    async with opened(path) as stream:
        await stream.webhooks.add(receiver.url, types=["audit"], order=order)
    emitted = list[int]()
    for life in range(3):
        with app(path) as one, closing(Holding(receiver, 7 + 13 * life)) as holding:
            emitted += one.emit(30)
            await asyncio.to_thread(holding.holds.wait, HANG_SECONDS)
            one.kill()  # while an answer is awaited
    with app(path) as one:
        await asyncio.to_thread(
            until, lambda: set(emitted) <= set(seqs(receiver.received)), "all arrived"
        )
        assert one.end() == 0
    arrived = seqs(receiver.received)
    firsts = list(dict.fromkeys(arrived))
    assert set(firsts) == set(emitted)
    if order != "none":
        assert firsts == emitted
    ids = {each.headers["webhook-id"] for each in receiver.received}
    assert len(ids) == len(emitted)  # what came twice has the same id
    async with opened(path) as stream:
        await stream.verify()


class Holding:
    """Has a receiver answer, but from some request on hold each until it is closed."""

    def __init__(self, receiver: Receiver, after: int) -> None:
        self.holds, self._left, self._after = threading.Event(), threading.Event(), after
        self._receiver, self._began = receiver, len(receiver.received)
        receiver.behave = self._behave

    def _behave(self, received: Received) -> Reply:
        if received.number - self._began >= self._after and not self._left.is_set():
            self.holds.set()
            self._left.wait(HANG_SECONDS)
            return Reply(0)
        return Reply()

    def close(self) -> None:
        self._receiver.behave = lambda _: Reply()
        self._left.set()


async def test_of_several_processes_one_delivers_and_another_takes_over(
    path: Path, receiver: Receiver
) -> None:
    async with opened(path) as stream:
        await stream.webhooks.add(receiver.url, types=["audit"], order="strict")
    with app(path) as one, app(path) as other:
        emitted = one.emit(1)
        await came(receiver, 1)
        for _ in range(10):
            emitted += one.emit(2) + other.emit(2)
        assert await came(receiver, len(emitted)) == emitted  # each once, in one order
        with closing(Holding(receiver, 0)) as holding:
            cut = other.emit(3)
            await asyncio.to_thread(holding.holds.wait, HANG_SECONDS)
            held = len(receiver.received)
            one.kill()
            other.kill()  # one of them delivered
        with app(path):
            assert (await came(receiver, held + 3))[held:] == cut
    assert sorted(set(seqs(receiver.received))) == emitted + cut


async def test_whoever_is_left_takes_over(path: Path, receiver: Receiver) -> None:
    async with opened(path) as stream:
        await stream.webhooks.add(receiver.url, types=["audit"])
    with app(path) as one:
        emitted = one.emit(1)
        await came(receiver, 1)  # so it is this one that delivers
        with app(path) as other:
            with closing(Holding(receiver, 0)) as holding:
                emitted += other.emit(2)
                await asyncio.to_thread(holding.holds.wait, HANG_SECONDS)
                one.kill()
            await asyncio.to_thread(
                until, lambda: set(emitted) <= set(seqs(receiver.received)), "the other delivers"
            )


async def test_who_shall_not_deliver_does_not(path: Path, receiver: Receiver) -> None:
    async with opened(path, deliver=False) as stream:
        webhook = await stream.webhooks.add(receiver.url, types=["audit"])
        sent = [await emit(stream)]
        async with opened(path) as other:
            sent.append(await emit(other))
            assert await came(receiver, 2) == sent
            await other.webhooks.pause(webhook.id)
        await stream.webhooks.resume(webhook.id)
        await emit(stream)
    assert seqs(receiver.received) == sent


async def test_a_lease_that_a_killed_process_left_is_not_waited_for(
    path: Path, receiver: Receiver
) -> None:
    clock = FakeClock()  # which stands still: no lease ever ends
    async with opened(SqliteLog(path, clock=clock), deliver=False) as stream:
        webhook = await stream.webhooks.add(receiver.url, types=["audit"])
        sent = await emit(stream)
    with closing(Database(path)) as database:
        endpoints = SqliteEndpoints(database, SqliteJournal(database))
        kept = endpoints.get("default", webhook.id)
        assert kept
        held = Progress(0, lease="l", lease_until_ms=clock.ms + LEASE_MS, change="held")
        assert endpoints.save("default", webhook.id, kept.progress.change, held)
    async with opened(SqliteLog(path, clock=clock)):
        assert await came(receiver, 1) == [sent]


@pytest.mark.parametrize("jump_ms", [400 * DAY_MS, -400 * DAY_MS])
async def test_a_clock_that_jumps_holds_up_nothing(
    path: Path, receiver: Receiver, jump_ms: int
) -> None:
    clock = FakeClock()
    async with opened(SqliteLog(path, clock=clock)) as stream:
        await stream.webhooks.add(receiver.url, types=["audit"], order="strict")
        sent = [await emit(stream)]
        await came(receiver, 1)
        for ms in (jump_ms, -jump_ms):
            clock.ms += ms
            sent.append(await emit(stream))
            assert await came(receiver, len(sent)) == sent


async def test_a_file_that_is_held_for_long_delays_and_loses_nothing(
    path: Path, receiver: Receiver
) -> None:
    async with opened(path) as stream:
        await stream.webhooks.add(receiver.url, types=["audit"])
        sent = [await emit(stream)]
        await came(receiver, 1)
        emitted = stream.emit({"type": "audit"})
        with closing(sqlite3.connect(path, autocommit=True)) as other:
            other.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(5.5)  # longer than SQLite itself waits
            other.execute("ROLLBACK")
        sealed = await emitted
        assert sealed
        wanted = {
            *sent,
            sealed.seq,
        }  # the first perhaps twice: what became of it could not be noted
        await asyncio.to_thread(
            until, lambda: set(seqs(receiver.received)) == wanted, "all arrived"
        )


class Forgetful(SqliteLog):
    """A log whose application drops what is older than a day."""

    @override
    def parts(self, authorizer: Authorizer) -> StreamParts:
        parts = super().parts(authorizer)
        return replace(parts, limits=replace(parts.limits, retention_days=1))


async def test_what_was_dropped_is_passed_over_and_counted(path: Path, receiver: Receiver) -> None:
    clock = FakeClock()
    async with opened(SqliteLog(path, clock=clock)) as stream:
        webhook = await stream.webhooks.add(receiver.url, types=["audit"])
        await stream.webhooks.pause(webhook.id)
        for _ in range(4):
            await emit(stream)
    clock.ms += 2 * DAY_MS
    with closing(sqlite3.connect(path, autocommit=True)) as file:
        file.execute("DELETE FROM tocsin_batch")
    async with opened(Forgetful(path, clock=clock)) as stream:
        await stream.webhooks.resume(webhook.id)
        last = await emit(stream)
        assert await came(receiver, 1) == [last]

        async def counted() -> bool:
            return bool((await stream.webhooks.get(webhook.id)).fields["given_up"] == 6)

        await becomes(counted, "what was dropped is counted")


async def test_an_endpoint_that_can_t_be_read_holds_up_no_other(
    path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(path) as stream:
        broken = await stream.webhooks.add(receiver.url, types=["audit"])
        with closing(sqlite3.connect(path, autocommit=True)) as file:
            file.execute("UPDATE tocsin_endpoint SET settings = ?", [b'[{"secrets": 7}]'])
        await stream.webhooks.add(receiver.url, types=["audit"])
        sent = await emit(stream)
        assert await came(receiver, 1) == [sent]
        assert len(await stream.webhooks.list()) == 1
        await asyncio.to_thread(until, lambda: broken.id in caplog.text, "it is told")
        assert (await stream.webhooks.unreadable()).keys() == {broken.id}
        with pytest.raises(UnreadableEndpoint, match="remove it"):
            await stream.webhooks.resume(broken.id)
        await stream.webhooks.remove(broken.id)
        assert await stream.webhooks.unreadable() == {}
        assert len(await stream.webhooks.list()) == 1


# The example


async def test_the_example_as_its_reader_runs_it(tmp_path: Path, receiver: Receiver) -> None:
    held = reserve(0)
    port = str(held.getsockname()[1])
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(ROOT / "examples")]
    command += ["embedded_webhooks:app", "--port", port, "--log-level", "warning"]
    process = subprocess.Popen(  # noqa: ASYNC220, S603
        command, cwd=tmp_path, env=os.environ | {"TRYING": "yes"}
    )
    try:
        url = f"http://{LOOPBACK}:{port}"
        async with httpx.AsyncClient(base_url=url, timeout=HANG_SECONDS) as client:

            async def answers() -> bool:
                assert process.poll() is None
                try:
                    await client.get("/")
                except httpx.TransportError:
                    return False
                return True

            await becomes(answers, "it runs")
            made = await client.post("/webhooks", json={"url": receiver.url})
            assert made.status_code == 201
            await client.post("/agents", json={"agentId": "a1"})
            (received,) = await asyncio.to_thread(receiver.wait, 1)
            said = Verifier(made.json()["secret"]).verify(received.body, dict(received.headers))
            assert said["data"]["data"] == {"agentId": "a1"}
        process.terminate()
        assert await asyncio.to_thread(process.wait, HANG_SECONDS) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
        held.close()
