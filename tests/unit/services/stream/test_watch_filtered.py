"""Filters in the engine: what is hidden costs nothing, and moves the cursor all the same."""

import asyncio
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.tenant import Tenant
from support.streams import decode, taken
from tocsin.domain import chain
from tocsin.domain.segment import SealedEvent, Segment
from tocsin.services.stream.ring import Ring, chunks
from tocsin.services.stream.subscriber import TELL_SECONDS, Subscriber
from tocsin.wire import channel, frames, govrix, sse
from tocsin.wire.dialects import KAVACH
from tocsin.wire.filters import Filter, Filtered, Render
from unit.services.stream.test_watch import Stage, stage

pytestmark = pytest.mark.anyio
MINE = Filtered(govrix.encode, Filter(agent_id="mine"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def sealed(agents: list[str], **fields: object) -> list[SealedEvent]:
    tenant = Tenant()
    return [tenant.add(agent_id=agent, **fields)[0] for agent in agents]


def ring(events: list[SealedEvent], max_events: int = 1_000) -> Ring:
    subject = Ring(0, chain.genesis("acme"), max_events, 100_000_000)
    for event in events:
        assert subject.append([event])
    return subject


@given(
    agents=st.lists(st.sampled_from(["mine", "other"]), min_size=1, max_size=30),
    size=st.sampled_from([10, 20_000]),
)
def test_the_ring_and_the_ledger_hide_the_same(agents: list[str], size: int) -> None:
    events = sealed(agents, metadata={"text": "x" * size})
    subject, cursor, taken = ring(events), 0, []
    while cursor < len(events):
        chunk = subject.take(MINE, cursor)
        assert chunk is not None
        assert chunk.last_seq > cursor
        taken.append(chunk)
        cursor = chunk.last_seq
    assert taken == list(chunks(events, MINE))
    assert b"".join(chunk.data for chunk in taken) == b"".join(map(MINE, events))
    assert [chunk.hidden for chunk in taken] == [
        agents[chunk.last_seq - 1] != "mine" for chunk in taken
    ]


def test_filters_of_one_dialect_share_its_messages() -> None:
    rendered = []

    def encode(event: SealedEvent) -> bytes:
        rendered.append(event.seq)
        return b"%d;" % event.seq

    subject = ring(sealed(["mine", "other", "mine"]))
    renders: list[tuple[Render, bytes]] = [
        (Filtered(encode, Filter(agent_id="mine")), b"1;3;"),
        (Filtered(encode, Filter(agent_id="other")), b"2;"),
        (Filtered(encode, Filter(types=frozenset({"tool_call"}))), b"1;2;3;"),
        (encode, b"1;2;3;"),
    ]
    for render, expected in renders:
        chunk = subject.take(render, 0)
        assert chunk is not None
        assert chunk.data == expected
    assert sorted(rendered) == [1, 2, 3]


def test_what_nobody_reads_any_more_is_forgotten() -> None:
    subject = ring(sealed(["mine"] * 3))
    for _ in range(2):
        readers = [
            subject.join(Filtered(govrix.encode, Filter(agent_id=f"a{n % 50}"))) for n in range(100)
        ]
        assert len(set(map(id, readers))) == 50
        subject.join(govrix.encode)
        for reader in readers:
            subject.take(reader, 0)
        assert len(subject._chunks) == 50
        for reader in readers:
            subject.leave(reader)
        assert not subject._chunks
        assert list(subject._messages) == [govrix.encode]
        subject.leave(govrix.encode)
        assert not subject._messages
        assert not subject._same


async def join(on: Stage, render: Render, after: str | None = None) -> Subscriber:
    admission = await on.watch.admit("Bearer acme", None, after)
    return await on.watch.subscribe(admission, render)


def publish(on: Stage, agent: str, count: int = 1) -> None:
    on.broker.publish("acme", channel.encode(on.tenant.add(count, agent_id=agent)))


async def read(subscriber: Subscriber, until: int) -> bytes:
    """Read on until the client knows that it is at this seq."""
    decoder, data = sse.Decoder(), b""
    while decoder.last_event_id != str(until):
        got = await taken(subscriber)
        assert got, "the stream has ended"
        data += got
        list(decoder.feed(got))
    return data


async def test_live_and_replay_hide_the_same() -> None:
    async with stage() as on:
        live = await join(on, MINE)
        for agent in ("mine", "other", "mine", "other"):
            publish(on, agent)
        replayed = await join(on, MINE, "0")
        publish(on, "mine")
        for subscriber in (live, replayed):
            assert [message.seq for message in decode(await read(subscriber, 5))] == [1, 3, 5]


async def test_the_cursor_advances_over_what_is_hidden_now_and_then() -> None:
    async with stage() as on:
        subscriber = await join(on, MINE)
        publish(on, "mine")
        for _ in range(200):
            publish(on, "other")
        data = await read(subscriber, 201)
        assert data.endswith(frames.cursor(201))
        assert data.count(b"id: ") < 10
        assert [message.seq for message in decode(data)] == [1]


async def test_the_cursor_advances_while_much_is_read_and_hidden() -> None:
    async with stage() as on:
        on.tenant.add(1_000, agent_id="other")
        for _ in range(4):
            on.tenant.add(1_000, agent_id="other", metadata={"text": "x" * 300})
        segments = on.tenant.ledger.segments

        def slow(org: str, from_seq: int, limit: int) -> Sequence[Segment]:
            time.sleep(TELL_SECONDS / 2)
            return segments(org, from_seq, limit)

        on.tenant.ledger.segments = slow  # type: ignore[method-assign]
        subscriber = await join(on, MINE, "0")
        decoder, data = sse.Decoder(), await taken(subscriber)
        assert decode(data) == []
        list(decoder.feed(data))
        assert 0 < int(decoder.last_event_id) < 5_000


async def test_who_was_told_the_cursor_is_not_told_it_again() -> None:
    async with stage(heartbeat_seconds=2 * TELL_SECONDS) as on:
        subscriber = await join(on, MINE)
        publish(on, "other")
        assert await taken(subscriber) == frames.cursor(1)
        assert await taken(subscriber) == frames.HEARTBEAT


async def test_dialects_keep_their_own_heartbeats() -> None:
    async with stage(heartbeat_seconds=0.02) as on:
        admission = await on.watch.admit("Bearer acme")
        subscriber = await on.watch.subscribe(admission, KAVACH.encode, KAVACH)
        assert await taken(subscriber) == b": heartbeat\n"
    async with stage(heartbeat_seconds=None) as on:
        admission = await on.watch.admit("Bearer acme")
        for dialect, seconds in ((KAVACH, 30), (None, 15)):
            subscriber = await on.watch.subscribe(
                admission, govrix.encode, *([dialect] if dialect else [])
            )
            assert subscriber._pace.heartbeat_seconds == seconds


async def test_a_client_that_takes_nothing_is_given_up() -> None:
    async with stage(stall_seconds=0.1) as on:
        stuck, reader = [await on.join() for _ in range(2)]
        stalled = asyncio.Event()
        stuck.on_stall = stalled.set
        on.seal(1)
        waiting = asyncio.create_task(taken(reader))
        await taken(stuck)  # and then it is never asked again
        assert await waiting
        waiting = asyncio.create_task(taken(reader))
        await stalled.wait()
        assert stuck.stalled
        assert await taken(stuck) == b""
        assert not reader.stalled
        waiting.cancel()


async def test_seats_are_given_back_whatever_happens() -> None:
    async with stage(max_streams=3) as on:
        for credential, after in ((None, None), ("Bearer ingest-acme", None), ("Bearer acme", "x")):
            with pytest.raises(Exception, match=r"key|neither"):
                await on.watch.admit(credential, None, after)
        assert on.watch.admitted == 0
        await on.join()
        assert on.watch.admitted == 1
        for admission, subscriber in on.left:
            on.watch.leave(admission, subscriber)
        assert on.watch.admitted == 0
