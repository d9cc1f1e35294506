"""What is erased is in no stream any more: neither live, nor in what a process keeps of before."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fakes.broker import FakeBroker
from fakes.parts import stream_parts
from fakes.stores import FakeOrgs, FakeSubjects
from fakes.tenant import FakeAccess, Tenant
from support.streams import decode, taken
from tocsin.domain.batch import Batch
from tocsin.domain.ids import new_batch_id
from tocsin.domain.keys import Scope, mint
from tocsin.domain.privacy import Privacy
from tocsin.domain.segment import seal
from tocsin.services.access.remembered import REMEMBERED_MS
from tocsin.services.intake.protecting import Protecting
from tocsin.services.intake.stamp import Draft
from tocsin.services.privacy.erasing import Erasing
from tocsin.services.reading.opening import OpenedJournal
from tocsin.services.stream import log as logs
from tocsin.services.stream.subscriber import Subscriber
from tocsin.services.stream.watch import Watch
from tocsin.wire import channel, govrix

pytestmark = pytest.mark.anyio
NEVER = 3_600.0
SAID = {"type": "tool_call", "tool_name": "t", "user_id": "u", "data": {"q": "my illness"}}
ADMIN = mint("acme", frozenset({Scope.ADMIN}), "ada", 1)[1]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Stage:
    """A watch over a tenant whose events are stored under their persons' keys."""

    def __init__(self) -> None:
        self.tenant, self.broker = Tenant(), FakeBroker()
        self.subjects = FakeSubjects(self.tenant.journal)
        self.protecting = Protecting(lambda org: Privacy(erasable=True), self.subjects)
        self.erasing = Erasing(self.subjects, FakeOrgs(), self.tenant.clock)
        self.journal = OpenedJournal(self.tenant.journal, self.subjects, self.tenant.clock)
        quiet = dict.fromkeys(("heartbeat_seconds", "look_seconds", "recheck_seconds"), NEVER)
        parts = stream_parts(self.tenant, FakeAccess(), feed=self.broker, spread_ms=0, **quiet)
        object.__setattr__(parts, "journal", self.journal)
        self.watch = Watch(parts)

    def send(self, *events: dict[str, Any]) -> None:
        self.tenant.clock.ms += 1
        protect = self.protecting("acme", events)
        id = new_batch_id(self.tenant.clock.ms, bytes(10))
        batch, _ = Draft(events, ADMIN, plain=False, protect=protect).stamped(id)
        self.tenant.journal.batches["acme", id] = batch
        self.seal(batch)

    def erase(self) -> None:
        self.tenant.clock.ms += 1
        found = self.tenant.journal.batches["acme", self.erasing(ADMIN, "u").change]
        assert isinstance(found, Batch)
        self.seal(found)

    def seal(self, batch: Batch) -> None:
        head = self.tenant.ledger.head("acme")
        segment, events = seal("acme", head, [batch], self.tenant.clock.ms)
        self.tenant.ledger.commit(segment, head)
        self.broker.publish("acme", channel.encode(events))

    async def join(self, after: str | None = None) -> Subscriber:
        admission = await self.watch.admit("Bearer acme", None, after)
        return await self.watch.subscribe(admission, govrix.encode)


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    on = Stage()
    async with asyncio.timeout(20):
        try:
            yield on
        finally:
            await on.watch.aclose()


async def read(subscriber: Subscriber, until: int) -> list[dict[str, Any]]:
    """Return what comes up to a seq."""
    data = b""
    while f"\nid: {until}\n".encode() not in data:
        got = await taken(subscriber)
        assert got, "the stream has ended"
        data += got
    return [message.fields for message in decode(data)]


async def test_who_watches_sees_what_came() -> None:
    async with stage() as on:
        subscriber = await on.join()
        on.send(SAID)
        assert "my illness" in str(await read(subscriber, 1))
        on.send({"type": "audit"}, SAID)
        assert "my illness" in str((await read(subscriber, 3))[-1])


async def test_nothing_that_was_told_on_the_channel_says_it() -> None:
    async with stage() as on:
        await on.join()
        told = on.broker.messages("acme")
        assert await anext(told) is None
        on.send(SAID, {"type": "audit"})
        message = await anext(told)
        assert message is not None
        assert not channel.decode(message).events
        await told.aclose()


async def test_what_a_process_kept_is_dropped_when_it_is_erased() -> None:
    async with stage() as on:
        first = await on.join()
        on.send(SAID)
        await read(first, 1)
        assert "my illness" in str(await read(await on.join("0"), 1))
        on.erase()
        await read(first, 2)
        on.tenant.clock.ms += REMEMBERED_MS
        again = await read(await on.join("0"), 2)
        assert "my illness" not in str(again)
        assert again[0]["erased"] is True


async def test_who_was_behind_gets_it_erased_and_nothing_is_lost() -> None:
    async with stage() as on:
        first = await on.join()
        behind = await on.join("0")
        on.send(SAID)
        on.tenant.clock.ms += REMEMBERED_MS
        on.erase()
        on.send({"type": "audit"})
        assert len(await read(first, 3)) == 3
        got = await read(behind, 3)
        assert [each["seq"] for each in got] == [1, 2, 3]


async def test_what_was_read_with_a_remembered_key_is_dropped_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An event can be stored under a key in the moment that this is destroyed."""
    monkeypatch.setattr(logs, "REMEMBERED_MS", 25)
    async with stage() as on:
        first = await on.join()
        on.send(SAID)
        await read(first, 1)  # the key is remembered
        protect = on.protecting("acme", [SAID])
        on.erase()
        await read(first, 2)
        on.protecting = lambda org, events: protect  # type: ignore[assignment]
        on.send(SAID)
        await read(first, 3)
        on.tenant.clock.ms += REMEMBERED_MS
        dropped = asyncio.get_running_loop().time() + 2 * 0.025
        log = on.watch._logs.find("acme")
        assert log is not None
        while log.ring.holds(2):
            assert asyncio.get_running_loop().time() < dropped + 10
            await asyncio.sleep(0.01)
        assert "my illness" not in str(await read(await on.join("2"), 3))


async def test_a_sender_s_event_that_looks_like_an_erasure_drops_nothing() -> None:
    async with stage() as on:
        first = await on.join()
        on.send({"type": "audit", "data": {"type": "tocsin.user_erased"}})
        await read(first, 1)
        log = on.watch._logs.find("acme")
        assert log is not None
        assert log.ring.holds(0)


async def test_what_was_opened_is_not_kept_for_those_who_come_later() -> None:
    async with stage() as on:
        on.send(SAID)
        assert "my illness" in str(await read(await on.join("0"), 1))
        on.send({"type": "audit"})
        assert not on.watch._logs.backlog._cache
