"""What the engine tells its operators, in the lines that CloudWatch reads."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from fakes.broker import FakeBroker
from fakes.parts import stream_parts
from fakes.tenant import FakeAccess, Tenant
from support.streams import taken
from tocsin.adapters.embedded_metrics import EmbeddedMetrics
from tocsin.services.stream.meter import MAX_LAGS
from tocsin.services.stream.subscriber import Subscriber
from tocsin.services.stream.watch import Admission, Watch
from tocsin.wire import channel, govrix

pytestmark = pytest.mark.anyio
PERIOD_MS = 100


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Stage:
    """A watch whose time and lines a test holds in its hands."""

    tenant: Tenant
    broker: FakeBroker
    watch: Watch
    lines: asyncio.Queue[str]
    joined: list[tuple[Admission, Subscriber]] = field(default_factory=list)

    async def join(self, who: str = "Bearer acme") -> Subscriber:
        admission = await self.watch.admit(who)
        subscriber = await self.watch.subscribe(admission, govrix.encode)
        self.joined.append((admission, subscriber))
        return subscriber

    async def leave(self) -> None:
        for admission, subscriber in self.joined:
            self.watch.leave(admission, subscriber)
        self.joined.clear()

    async def seal(self, late_ms: int, reader: Subscriber) -> int:
        """Publish an event so long after its receipt; return the bytes that a reader gets."""
        events = self.tenant.add()
        self.tenant.clock.ms += late_ms
        self.broker.publish("acme", channel.encode(events))
        data = b""
        while f"\nid: {events[-1].seq}\n".encode() not in data:
            data += await taken(reader)
        return len(data)

    async def line(self) -> dict[str, Any]:
        """Let a period pass and return what was said of it."""
        self.tenant.clock.ms += PERIOD_MS
        said: dict[str, Any] = json.loads(await self.lines.get())
        return said


@asynccontextmanager
async def stage(**numbers: Any) -> AsyncIterator[Stage]:
    tenant, broker, lines = Tenant(), FakeBroker(), asyncio.Queue[str]()
    parts = stream_parts(
        tenant,
        FakeAccess(),
        feed=broker,
        metrics=EmbeddedMetrics("tocsin-test", "stream", lines.put_nowait),
        metrics_seconds=PERIOD_MS / 1000,
        **numbers,
    )
    watch = Watch(parts)
    watch.start()
    async with asyncio.timeout(20):
        try:
            yield Stage(tenant, broker, watch, lines)
        finally:
            await watch.aclose()


async def test_a_period_s_line_says_how_many_watch_and_how_late_they_see() -> None:
    async with stage() as on:
        first, _ = await on.join(), await on.join()
        await on.broker.watched.wait()
        size_bytes = await on.seal(40, first) + await on.seal(7, first)
        said = await on.line()
        assert (said["Connections"], said["StreamLagMs"]) == (2, [40, 7])
        assert said["SentBytes"] == size_bytes
        assert said["_aws"]["Timestamp"] == on.tenant.clock.ms // PERIOD_MS * PERIOD_MS
        await on.leave()
        said = await on.line()
        assert (said["Connections"], said["SentBytes"]) == (0, 0)
        assert "StreamLagMs" not in said  # rather than a lag of nothing


async def test_of_a_run_the_first_event_that_is_new_has_waited_longest() -> None:
    async with stage() as on:
        reader = await on.join()
        await on.broker.watched.wait()
        runs = []
        for later_ms in (20, 30, 5):  # received at 0, 20 and 50 ms; published at 55
            runs.append(on.tenant.add())
            on.tenant.clock.ms += later_ms
        seen, first, second = runs
        on.broker.publish("acme", channel.encode(seen))
        await taken(reader)
        on.broker.publish("acme", channel.encode([*seen, *first, *second]))
        await taken(reader)
        assert (await on.line())["StreamLagMs"] == [55, 35]


async def test_nobody_is_named() -> None:
    async with stage() as on:
        await on.seal(1, await on.join())
        said = await on.line()
        (metrics,) = said["_aws"]["CloudWatchMetrics"]
        assert metrics["Dimensions"] == [["service"]]
        assert "acme" not in json.dumps(said)


async def test_a_line_is_no_longer_however_much_happens() -> None:
    async with stage() as on:
        reader = await on.join()
        await on.broker.watched.wait()
        for late_ms in range(3 * MAX_LAGS):
            on.tenant.clock.ms -= late_ms  # so that no period ends
            await on.seal(late_ms, reader)
        lags = (await on.line())["StreamLagMs"]
        assert len(lags) == MAX_LAGS
        assert min(lags) < MAX_LAGS < 2 * MAX_LAGS < max(lags)  # a sample of all, not of an end
        assert on.lines.empty()


async def test_a_client_that_takes_nothing_is_counted() -> None:
    async with stage(stall_seconds=0.02) as on:
        reader = await on.join()
        stalled = asyncio.Event()
        reader.on_stall = stalled.set
        await on.broker.watched.wait()
        await on.seal(1, reader)
        await stalled.wait()
        await on.leave()
        assert (await on.line())["StalledClients"] == 1
        assert "StalledClients" not in await on.line()


async def test_the_last_line_says_what_is_left() -> None:
    async with stage() as on:
        await on.seal(3, await on.join())
        await on.leave()
    assert json.loads(on.lines.get_nowait())["StreamLagMs"] == [3]
    assert on.lines.empty()


async def test_periods_that_nobody_looked_at_are_one_line() -> None:
    async with stage() as on:
        await on.join()
        on.tenant.clock.ms += 10 * PERIOD_MS  # as in a function that was frozen
        assert (await on.line())["Connections"] == 1
        assert on.lines.empty()


async def test_metrics_that_can_not_be_written_end_no_stream() -> None:
    async with stage() as on:
        broken = asyncio.Event()

        def fail(line: str) -> None:
            broken.set()
            raise BrokenPipeError

        metrics = on.watch._parts.metrics
        assert isinstance(metrics, EmbeddedMetrics)
        metrics._write = fail
        reader = await on.join()
        await on.broker.watched.wait()
        on.tenant.clock.ms += PERIOD_MS
        await broken.wait()
        assert await on.seal(1, reader)
