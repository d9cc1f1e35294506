"""The engine, over a ledger and a broker in memory."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.broker import FakeBroker
from fakes.parts import stream_parts
from fakes.tenant import FakeAccess, Tenant
from support.streams import decode, taken
from tocsin.domain.errors import Busy, Forbidden, Malformed, Unauthenticated
from tocsin.domain.segment import SealedEvent
from tocsin.services.access.presented import Credentials
from tocsin.services.stream.recheck import Recheck
from tocsin.services.stream.subscriber import Subscriber
from tocsin.services.stream.watch import APART_MS, Admission, Watch
from tocsin.wire import channel, frames, govrix, igris, sse

pytestmark = pytest.mark.anyio
NEVER = 3_600.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Stage:
    """A watch over a tenant whose broker a test holds in its hands."""

    tenant: Tenant
    broker: FakeBroker
    access: FakeAccess
    watch: Watch
    left: list[tuple[Admission, Subscriber]] = field(default_factory=list)

    async def join(self, after: str | None = None, who: str = "Bearer acme") -> Subscriber:
        admission = await self.watch.admit(who, None, after)
        subscriber = await self.watch.subscribe(admission, govrix.encode)
        self.left.append((admission, subscriber))
        return subscriber

    def seal(self, *counts: int) -> list[SealedEvent]:
        """Seal and publish."""
        events = self.tenant.add(*counts)
        self.broker.publish(self.tenant.org, channel.encode(events))
        return events


@asynccontextmanager
async def stage(**numbers: Any) -> AsyncIterator[Stage]:
    tenant, broker, access = Tenant(), FakeBroker(), FakeAccess()
    quiet: dict[str, Any] = {
        "feed": broker,
        "heartbeat_seconds": NEVER,
        "look_seconds": NEVER,
        "recheck_seconds": NEVER,
        "spread_ms": 0,
    }
    watch = Watch(stream_parts(tenant, access, **(quiet | numbers)))
    async with asyncio.timeout(20):
        try:
            yield Stage(tenant, broker, access, watch)
        finally:
            await watch.aclose()


async def seqs(subscriber: Subscriber, until: int) -> list[int]:
    """Read on until a seq has come."""
    data = b""
    while f"\nid: {until}\n".encode() not in data:
        got = await taken(subscriber)
        assert got, "the stream has ended"
        data += got
    return [message.seq for message in decode(data)]


async def test_who_comes_without_a_cursor_sees_what_happens_from_now_on() -> None:
    async with stage() as on:
        on.seal(3)
        subscriber = await on.join()
        assert on.watch.opening(subscriber) == frames.opening(3, 2_000)
        on.seal(2)
        on.seal(1)
        assert await seqs(subscriber, 6) == [4, 5, 6]


async def test_who_comes_with_a_cursor_gets_what_it_missed_and_goes_on_live() -> None:
    async with stage() as on:
        on.seal(5)
        subscriber = await on.join("2")
        assert on.watch.opening(subscriber) == frames.opening(2, 2_000)
        on.seal(2)
        assert await seqs(subscriber, 7) == [3, 4, 5, 6, 7]


async def test_zero_is_the_beginning() -> None:
    async with stage() as on:
        on.seal(3)
        assert await seqs(await on.join("0"), 3) == [1, 2, 3]


async def test_an_events_id_is_a_cursor_too() -> None:
    async with stage() as on:
        events = on.seal(3, 2)
        id = events[3].parse()["id"]
        admission = await on.watch.admit("Bearer acme", id, "1")  # Last-Event-ID wins
        assert admission.cursor == 4


@pytest.mark.parametrize(
    ("cursor", "says"),
    [
        ("x", "neither a seq"),
        ("-1", "neither a seq"),
        ("1.5", "neither a seq"),
        ("٣", "neither a seq"),
        ("", "neither a seq"),
        ("9" * 17, "neither a seq"),
    ],
)
async def test_a_cursor_that_means_nothing_is_refused(cursor: str, says: str) -> None:
    async with stage() as on:
        on.seal(3)
        with pytest.raises(Malformed, match=says):
            await on.watch.admit("Bearer acme", None, cursor)


async def test_a_cursor_is_compared_with_the_ledger_not_with_what_was_heard() -> None:
    async with stage() as on:
        await on.join()
        on.tenant.add(3)  # nobody is told
        subscriber = await on.join("2")
        on.broker.interrupt()
        assert await seqs(subscriber, 3) == [3]


async def test_only_who_may_read_is_admitted() -> None:
    async with stage() as on:
        with pytest.raises(Unauthenticated):
            await on.watch.admit(None)
        with pytest.raises(Forbidden):
            await on.watch.admit("Bearer ingest-acme")


async def test_orgs_do_not_see_each_other() -> None:
    async with stage() as on:
        ours, theirs = await on.join(), await on.join(who="Bearer other")
        other = Tenant("other", on.tenant.ledger, on.tenant.journal)
        on.seal(2)
        on.broker.publish("other", channel.encode(other.add(1)))
        assert await seqs(ours, 2) == [1, 2]
        assert await seqs(theirs, 1) == [1]


async def test_a_thousand_subscribers_share_the_bytes() -> None:
    async with stage() as on:
        everybody = [await on.join() for _ in range(1_000)]
        waiting = [asyncio.create_task(taken(each)) for each in everybody]
        await asyncio.sleep(0)
        on.seal(10)
        got = await asyncio.gather(*waiting)
        assert len(set(map(id, got))) == 1


async def test_a_thousand_that_come_back_share_one_read() -> None:
    async with stage() as on:
        on.seal(10)
        everybody = [await on.join("3") for _ in range(1_000)]
        reads = 0
        segments = on.tenant.ledger.segments

        def counted(org: str, from_seq: int, limit: int) -> Any:
            nonlocal reads
            reads += 1
            return segments(org, from_seq, limit)

        on.tenant.ledger.segments = counted  # type: ignore[method-assign]
        got = await asyncio.gather(*(taken(each) for each in everybody))
        assert len(set(map(id, got))) == 1
        assert reads == 1


async def test_a_slow_subscriber_falls_behind_and_catches_up_from_the_ledger() -> None:
    async with stage(ring_events=4) as on:
        slow, quick = await on.join(), await on.join()
        for _ in range(10):
            await seqs(quick, on.seal(3)[-1].seq)
        assert await seqs(slow, 30) == list(range(1, 31))


async def test_a_lost_last_message_is_found_by_looking() -> None:
    async with stage(look_seconds=0.05) as on:
        subscriber = await on.join()
        on.seal(1)
        assert await seqs(subscriber, 1) == [1]
        on.tenant.add(2)
        assert await seqs(subscriber, 3) == [2, 3]


async def test_without_a_broker_the_ledger_is_looked_at() -> None:
    async with stage(feed=None, poll_seconds=0.01) as on:
        subscriber = await on.join()
        for _ in range(3):
            last = on.tenant.add(2)[-1].seq
            assert await seqs(subscriber, last) == [last - 1, last]


async def test_a_broker_that_comes_back_is_used_again() -> None:
    async with stage() as on:
        subscriber = await on.join()
        on.broker.stop()
        on.tenant.add(2)
        on.broker.start()
        assert await seqs(subscriber, 2) == [1, 2]
        on.seal(1)
        assert await seqs(subscriber, 3) == [3]


async def test_a_feed_that_fails_is_replaced() -> None:
    class Failing(FakeBroker):
        async def messages(self, org: str) -> Any:
            yield None
            raise OSError("gone")

    async with stage(feed=Failing(), poll_seconds=0.01) as on:
        subscriber = await on.join()
        for _ in range(3):
            last = on.tenant.add(1)[-1].seq
            assert await seqs(subscriber, last) == [last]


async def test_a_range_without_events_is_read_from_the_ledger() -> None:
    async with stage() as on:
        subscriber = await on.join()
        on.tenant.add(3)
        on.broker.publish("acme", channel.encode_range(1, 3))
        assert await seqs(subscriber, 3) == [1, 2, 3]


async def test_a_busy_ledger_is_asked_again() -> None:
    async with stage(poll_seconds=0.01) as on:
        on.seal(3)
        subscriber = await on.join()
        on.tenant.add(1)
        head, refusals = on.tenant.ledger.head, iter([Busy("throttled")] * 3)

        def throttled(org: str) -> Any:
            if error := next(refusals, None):
                raise error
            return head(org)

        on.tenant.ledger.head = throttled  # type: ignore[method-assign]
        on.broker.interrupt()
        assert await seqs(subscriber, 4) == [4]


async def test_an_idle_stream_sends_heartbeats() -> None:
    async with stage(heartbeat_seconds=0.05) as on:
        subscriber = await on.join()
        assert await taken(subscriber) == frames.HEARTBEAT
        assert await taken(subscriber) == frames.HEARTBEAT
        on.seal(1)
        assert await seqs(subscriber, 1) == [1]


async def test_a_revoked_key_ends_its_streams_and_no_others() -> None:
    async with stage(recheck_seconds=0.05) as on:
        ours = [await on.join(who="Bearer acme/1") for _ in range(10)]
        other = await on.join(who="Bearer acme/2")
        on.access.revoked.add("Bearer acme/1")
        for subscriber in ours:
            (message,) = decode(await taken(subscriber))
            assert (message.event, message.fields["code"]) == ("error", "UNAUTHORIZED")
            assert await taken(subscriber) == b""
        on.seal(1)
        assert await seqs(other, 1) == [1]


async def test_keys_are_checked_once_for_all_who_share_them() -> None:
    async with stage() as on:
        recheck = Recheck(Credentials(on.access))
        for _ in range(100):
            recheck.add("Bearer acme", await on.join())
        asked = on.access.asked
        await recheck()
        assert on.access.asked == asked + 1


async def test_a_store_that_is_busy_ends_no_stream() -> None:
    async with stage(recheck_seconds=0.02) as on:
        subscriber = await on.join()
        checked = asyncio.Event()
        loop = asyncio.get_running_loop()

        def busy(*_: object) -> Any:
            loop.call_soon_threadsafe(checked.set)
            raise Busy("throttled")

        on.access.authorize = busy  # type: ignore[method-assign]
        await checked.wait()
        on.seal(1)
        assert await seqs(subscriber, 1) == [1]


async def test_an_integrity_error_is_not_served_and_ends_the_stream() -> None:
    async with stage() as on:
        on.seal(2)
        on.seal(2)
        key = list(on.tenant.journal.batches)[1]
        del on.tenant.journal.batches[key]
        subscriber = await on.join("0")
        assert await seqs(subscriber, 2) == [1, 2]
        (message,) = decode(await taken(subscriber))
        assert message.event == "error"
        assert message.fields["code"] == "INTEGRITY"
        assert message.fields["seq"] == 3
        assert await taken(subscriber) == b""


@pytest.mark.parametrize("which", ["beyond the ledger", "instead of the ledger's"])
async def test_what_was_published_and_never_sealed_ends_the_streams(which: str) -> None:
    async with stage() as on:
        subscriber = await on.join()
        liar = Tenant()
        on.broker.publish("acme", channel.encode(liar.add(1, tool_name="forged")))
        await seqs(subscriber, 1)
        if which != "beyond the ledger":
            on.tenant.add(1)
        on.broker.interrupt()
        (message,) = decode(await taken(subscriber))
        assert (message.fields["code"], message.fields["seq"]) == ("INTEGRITY", 1)
        fresh = await on.join()  # the log is opened anew, from the ledger
        on.seal(1)
        assert await seqs(fresh, on.tenant.ledger.head("acme").seq)


async def test_a_gap_is_said_and_the_stream_goes_on_behind_it() -> None:
    async with stage(retention_days=1) as on:
        on.seal(5)
        on.tenant.clock.ms += 3 * 86_400_000
        on.seal(2)
        on.tenant.journal.batches.pop(next(iter(on.tenant.journal.batches)))
        subscriber = await on.join("1")
        (message,) = decode(await taken(subscriber))
        assert (message.event, message.id) == ("gap", "5")
        assert message.fields["first_seq"] == 6
        assert await seqs(subscriber, 7) == [6, 7]


async def test_draining_ends_all_streams_and_admits_nobody() -> None:
    async with stage() as on:
        everybody = [await on.join() for _ in range(3)]
        waiting = [asyncio.create_task(taken(each)) for each in everybody]
        await asyncio.sleep(0)
        on.watch.drain()
        assert await asyncio.gather(*waiting) == [frames.retry(2_000)] * 3
        assert await asyncio.gather(*(taken(each) for each in everybody)) == [b""] * 3
        with pytest.raises(Busy):
            await on.watch.admit("Bearer acme")


@pytest.mark.parametrize("spread_ms", [10_000, 500])
async def test_draining_spreads_those_who_come_back(spread_ms: int) -> None:
    async with stage(spread_ms=spread_ms) as on:
        everybody = [await on.join() for _ in range(200)]
        on.watch.drain()
        waits_ms = []
        for subscriber in everybody:
            decoder = sse.Decoder()
            assert list(decoder.feed(await taken(subscriber))) == []
            assert decoder.retry_ms is not None
            waits_ms.append(decoder.retry_ms - 2_000)
        window_ms = min(spread_ms, 200 * APART_MS)
        fifths = Counter(wait_ms * 5 // (window_ms + 1) for wait_ms in waits_ms)
        assert sorted(fifths) == [0, 1, 2, 3, 4]
        assert min(fifths.values()) > 10  # of 40 on average


async def test_a_cut_without_notice_is_spread_too() -> None:
    async with stage(spread_ms=10_000) as on:
        waits_ms = set()
        for _ in range(100):
            decoder = sse.Decoder()
            assert list(decoder.feed(on.watch.opening(await on.join()))) == []
            waits_ms.add(decoder.retry_ms)
        assert len(waits_ms) > 50


@pytest.mark.parametrize("store", ["access", "ledger"])
async def test_draining_refuses_who_still_waits_for_a_store(store: str) -> None:
    async with stage() as on:
        asked, release = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def hang(*_: object) -> Any:
            loop.call_soon_threadsafe(asked.set)
            release.wait(20)
            raise Busy("the store does not answer")

        if store == "access":
            on.access.authorize = hang  # type: ignore[method-assign]
        else:
            on.tenant.ledger.head = hang  # type: ignore[assignment, method-assign]
        joining = asyncio.create_task(on.join())
        await asked.wait()
        on.watch.drain()
        with pytest.raises(Busy, match="shutting down"):
            await joining
        release.set()


@pytest.mark.parametrize("how", ["leave", "drain"])
async def test_who_waits_for_a_ledger_that_does_not_answer_can_go(how: str) -> None:
    async with stage() as on:
        on.seal(3)
        subscriber = await on.join("0")

        asked = asyncio.Event()
        loop = asyncio.get_running_loop()

        def busy(*_: object) -> Any:
            loop.call_soon_threadsafe(asked.set)
            raise Busy("the ledger is out of reach")

        on.tenant.ledger.segments = busy  # type: ignore[assignment, method-assign]
        waiting = asyncio.create_task(taken(subscriber))
        await asked.wait()
        if how == "leave":
            subscriber.end()
        else:
            on.watch.drain()
        async with asyncio.timeout(5):
            assert await waiting == (b"" if how == "leave" else frames.retry(2_000))


async def test_logs_are_closed_a_while_after_the_last_has_left() -> None:
    async with stage(grace_seconds=0.05, heartbeat_seconds=0.1) as on:
        await on.join()
        await on.join()
        await on.broker.watched.wait()
        assert on.broker.subscriptions == 1  # for both
        for admission, subscriber in on.left:
            on.watch.leave(admission, subscriber)
        assert on.watch.subscribers == 0
        await on.broker.idle.wait()
        on.seal(2)
        again = await on.join()
        on.seal(1)
        assert await seqs(again, 3) == [3]


async def test_a_stream_ends_after_its_time_and_the_next_goes_on_where_it_ended() -> None:
    async with stage(max_seconds=0.05) as on:
        cursor, seen = 0, list[int]()
        for _ in range(4):
            subscriber = await on.join(str(cursor))
            on.seal(2)
            data = b""
            while chunk := await taken(subscriber):
                data += chunk
            cursor = subscriber.cursor
            seen += [message.seq for message in decode(data)]
        assert seen == list(range(1, 9))


async def test_a_stream_ends_before_its_bytes_and_the_next_goes_on_where_it_ended() -> None:
    async with stage(max_bytes=200_000, ring_events=100) as on:
        sealed = on.tenant.add(300, metadata={"text": "x" * 3_000})
        await on.join("0")
        cursor, streams, everything = 0, 0, b""
        while cursor < 300:
            subscriber = await on.join(str(cursor))
            sent = [on.watch.opening(subscriber)]
            while chunk := await taken(subscriber):
                sent.append(chunk)
                if subscriber.cursor == 300:
                    break
            assert len(sent) > 1
            assert len(b"".join(sent)) <= 200_000
            cursor, streams = subscriber.cursor, streams + 1
            everything += b"".join(sent[1:])
        assert streams > 4
        assert everything == b"".join(map(govrix.encode, sealed))


async def test_a_message_that_is_larger_than_a_stream_may_be_is_sent_nevertheless() -> None:
    async with stage(max_bytes=1_000) as on:
        on.seal(1)
        on.tenant.add(2, metadata={"text": "x" * 100_000})
        for cursor in range(3):
            subscriber = await on.join(str(cursor))
            (message,) = decode(await taken(subscriber))
            assert message.seq == cursor + 1
            if cursor < 2:
                assert await taken(subscriber) == b""


async def test_heartbeats_count_towards_a_stream_s_bytes_too() -> None:
    async with stage(max_bytes=100, heartbeat_seconds=0.02) as on:
        subscriber = await on.join()
        sent = on.watch.opening(subscriber)
        while chunk := await taken(subscriber):
            assert chunk == frames.HEARTBEAT
            sent += chunk
        assert 100 - len(frames.HEARTBEAT) < len(sent) <= 100


async def test_dialects_are_rendered_side_by_side() -> None:
    async with stage() as on:
        admission = await on.watch.admit("Bearer acme")
        first = await on.watch.subscribe(admission, igris.encode)
        second = await on.watch.subscribe(admission, govrix.encode)
        (event,) = on.seal(1)
        assert await taken(first) == igris.encode(event)
        assert await taken(second) == govrix.encode(event)


async def test_health_names_what_does_not_answer() -> None:
    async with stage() as on:
        on.broker.stop()
        health = await on.watch.health()
        assert (health.ledger, health.broker) == (True, False)
    async with stage(feed=None) as on:

        def busy(org: str) -> Any:
            raise Busy("throttled")

        on.tenant.ledger.head = busy  # type: ignore[method-assign]
        health = await on.watch.health()
        assert (health.ledger, health.broker) == (False, None)


class Fate:
    """What pub/sub does to one message."""

    ARRIVES, LOST, DOUBLED, LATE, CORRUPT, RANGE, INTERRUPTED = range(7)


fates = st.sampled_from(range(7))
steps = st.lists(
    st.tuples(st.integers(1, 6), fates, st.integers(0, 3), st.integers(0, 9_999)),
    min_size=1,
    max_size=25,
)
readers = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 5), st.booleans()), min_size=1, max_size=5
)


@given(steps=steps, readers=readers, ring_events=st.integers(1, 12))
def test_whatever_pubsub_does_everybody_gets_every_seq_once_in_order(
    steps: list[tuple[int, int, int, int]],
    readers: list[tuple[int, int, bool]],
    ring_events: int,
) -> None:
    total = sum(count for count, *_ in steps)

    async def read(on: Stage, step: int, pause: int, replays: bool) -> None:
        while step > 0 and on.tenant.ledger.head("acme").seq < total:
            await asyncio.sleep(0)
            step -= 1
        subscriber = await on.join("0" if replays else None)
        start, data = subscriber.cursor, b""
        while subscriber.cursor < total:
            data += await taken(subscriber)
            for _ in range(pause):
                await asyncio.sleep(0)
        assert [message.seq for message in decode(data)] == list(range(start + 1, total + 1))
        assert data == b"".join(govrix.encode(event) for event in sealed[start:])

    async def write(on: Stage) -> None:
        late: list[bytes] = []
        for count, fate, pause, noise in steps:
            events = on.tenant.add(count)
            sealed.extend(events)
            message = channel.encode(events)
            match fate:
                case Fate.ARRIVES:
                    now = [message, *late]
                    late.clear()
                case Fate.DOUBLED:
                    now = [message, message]
                case Fate.LATE:
                    now = []
                    late.append(message)
                case Fate.CORRUPT:
                    body = message.index(b"\n") + 1
                    place = body + noise % (len(message) - body)
                    now = [message[:place] + b"#" + message[place + 1 :]]
                case Fate.RANGE:
                    now = [channel.encode_range(events[0].seq, events[-1].seq)]
                case _:
                    now = []
            for each in now:
                on.broker.publish("acme", each)
            if fate == Fate.INTERRUPTED:
                on.broker.interrupt()
            for _ in range(pause):
                await asyncio.sleep(0)

    async def scene() -> None:
        async with stage(ring_events=ring_events, look_seconds=0.02, poll_seconds=0.01) as on:
            reading = [asyncio.create_task(read(on, *reader)) for reader in readers]
            await write(on)
            await asyncio.gather(*reading)

    sealed: list[SealedEvent] = []
    asyncio.run(scene())
