"""Streaming: every event once and in order, whatever becomes of the connections."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, closing
from itertools import islice
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import Any

import httpx
import pytest

from support.fake_tocsin import API_KEY, Answer, FakeTocsin, fake_tocsin
from tocsin.client import ApiError, AsyncClient, Backoff, Client, Event, Gap, StreamError

NO_WAIT = Backoff(first_seconds=0, max_seconds=0)


@pytest.fixture
def tocsin() -> Iterator[FakeTocsin]:
    with fake_tocsin() as server:
        yield server


@pytest.fixture(params=["sync", "async"])
def read(request: pytest.FixtureRequest, tocsin: FakeTocsin) -> Any:
    """Read so many events with either client."""

    def sync_read(count: int, after: int | None = 0, **options: Any) -> list[Event]:
        with (
            Client(tocsin.url, API_KEY, backoff=NO_WAIT) as client,
            closing(client.stream(after, **options)) as events,
        ):
            return list(islice(events, count))

    def async_read(count: int, after: int | None = 0, **options: Any) -> list[Event]:
        async def run() -> list[Event]:
            found: list[Event] = []
            async with (
                AsyncClient(tocsin.url, API_KEY, backoff=NO_WAIT) as client,
                aclosing(client.stream(after, **options)) as events,
            ):
                async for event in events:
                    found.append(event)
                    if len(found) == count:
                        break
            return found

        return asyncio.run(run())

    return sync_read if request.param == "sync" else async_read


def fill(tocsin: FakeTocsin, count: int) -> None:
    tocsin.store(*({"type": "tool_call", "toolName": f"t{n}"} for n in range(1, count + 1)))


def test_events_are_typed(read: Any, tocsin: FakeTocsin) -> None:
    tocsin.store(
        {"type": "tool_call", "toolName": "t", "sessionId": "s", "agentId": "a", "action": "allow"}
        | {"metadata": {"n": 1}, "cost_usd": 0.5}
    )
    (event,) = read(1)
    assert (event.seq, event.type, event.tool_name, event.session_id, event.agent_id) == (
        (1, "tool_call", "t", "s", "a")
    )
    assert (event.action, event.timestamp) == ("allow", "2026-03-19T10:00:00.000Z")
    assert event.lineage_hash == f"sha256:{1:064x}"
    assert event.metadata == {"n": 1}
    assert event.fields["cost_usd"] == 0.5


def test_it_begins_after_the_given_event(read: Any, tocsin: FakeTocsin) -> None:
    fill(tocsin, 5)
    assert [event.seq for event in read(2, after=3)] == [4, 5]


def test_drops_are_resumed_after_the_last_event(read: Any, tocsin: FakeTocsin) -> None:
    fill(tocsin, 10)
    tocsin.cuts += [3, 0, 1, 2]
    drops: list[BaseException] = []
    assert [event.seq for event in read(10, on_drop=drops.append)] == list(range(1, 11))
    assert tocsin.streams == ["0", "3", "3", "4", "6"]
    assert len(drops) == 4
    assert all(isinstance(drop, httpx.TransportError) for drop in drops)


def test_a_stream_cut_before_its_first_event_resumes_where_it_began(
    read: Any, tocsin: FakeTocsin
) -> None:
    fill(tocsin, 3)
    tocsin.cuts += [0]
    told: list[BaseException] = []

    def on_drop(error: BaseException) -> None:
        told.append(error)
        tocsin.store({"type": "tool_call", "toolName": "meanwhile"})

    assert [event.tool_name for event in read(1, after=None, on_drop=on_drop)] == ["meanwhile"]
    assert tocsin.streams == [None, "3"]


FILTERS = {
    "types": ["tool_call", "custom"],
    "agent_id": "a",
    "session_id": "s",
    "server_id": "v",
    "action": "deny",
}
MEANT = {"type": "custom", "agentId": "a", "sessionId": "s", "serverId": "v", "action": "deny"}


def test_the_server_filters(read: Any, tocsin: FakeTocsin) -> None:
    tocsin.store(*(MEANT | {field: "other"} for field in MEANT))
    tocsin.store(MEANT, MEANT | {"type": "tool_call"})
    assert [event.seq for event in read(2, **FILTERS)] == [6, 7]
    assert tocsin.queries == [FILTERS | {"types": "tool_call,custom"}]


def test_without_filters_nothing_is_asked_for(read: Any, tocsin: FakeTocsin) -> None:
    fill(tocsin, 1)
    read(1)
    assert tocsin.queries == [{}]


def test_a_drop_is_resumed_after_what_was_hidden_and_with_the_same_filters(
    read: Any, tocsin: FakeTocsin
) -> None:
    other = MEANT | {"action": "allow"}
    tocsin.store(MEANT, *[other] * 4, MEANT)
    tocsin.cuts += [3, 1]
    assert [event.seq for event in read(2, types="custom", action="deny")] == [1, 6]
    assert tocsin.streams == ["0", "3", "4"]
    assert tocsin.queries == [{"types": "custom", "action": "deny"}] * 3


def test_a_busy_or_broken_server_is_tried_again(read: Any, tocsin: FakeTocsin) -> None:
    fill(tocsin, 1)
    tocsin.faults += [Answer(503), Answer(429, {"Retry-After": "0"}), Answer(502)]
    assert [event.seq for event in read(1)] == [1]


def test_a_stream_that_was_open_tries_without_end(tocsin: FakeTocsin) -> None:
    fill(tocsin, 2)
    tocsin.cuts += [1]
    backoff = Backoff(attempts=2, first_seconds=0, max_seconds=0)
    with (
        Client(tocsin.url, API_KEY, backoff=backoff) as client,
        closing(client.stream(0)) as events,
    ):
        assert next(events).seq == 1
        tocsin.faults += [Answer(502)] * 20
        assert next(events).seq == 2
    assert len(tocsin.streams) == 22


def test_the_first_connection_gives_up(tocsin: FakeTocsin) -> None:
    tocsin.stop()
    with (
        Client(tocsin.url, API_KEY, backoff=NO_WAIT) as client,
        pytest.raises(httpx.ConnectError),
    ):
        next(client.stream())


def test_a_refusal_is_raised(read: Any, tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(403, body={"error": "needs the scope read"})]
    with pytest.raises(ApiError, match=r"403 .*needs the scope read"):
        read(1)


def test_a_key_that_is_revoked_meanwhile_ends_the_stream(read: Any, tocsin: FakeTocsin) -> None:
    fill(tocsin, 1)
    tocsin.cuts += [1]

    def on_drop(error: BaseException) -> None:
        tocsin.faults += [Answer(401, body={"error": "revoked"})]

    with pytest.raises(ApiError, match="revoked"):
        read(2, on_drop=on_drop)


def test_something_else_at_the_url_is_told(read: Any, tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(200, body={})]
    with pytest.raises(StreamError, match="application/json, not a stream"):
        read(1)


def test_a_gap_is_never_silent(read: Any, tocsin: FakeTocsin) -> None:
    fill(tocsin, 9)
    tocsin.first_kept = 5
    with pytest.raises(Gap) as raised:
        read(1, after=2)
    assert (raised.value.after, raised.value.first_seq) == (2, 5)
    assert [event.seq for event in read(5, after=4)] == [5, 6, 7, 8, 9]


def body(*chunks: bytes) -> httpx.MockTransport:
    headers = {"Content-Type": "text/event-stream"}
    return httpx.MockTransport(lambda request: httpx.Response(200, headers=headers, content=chunks))


@pytest.mark.parametrize(
    "message",
    [
        b"event: agent_event\ndata: not json\n\n",
        b"event: agent_event\ndata: []\n\n",
        b"event: agent_event\ndata: {}\n\n",
        b"event: error\ndata: {}\n\n",
        b"event: gap\ndata: 3\n\n",
    ],
)
def test_what_is_no_event_is_told(message: bytes) -> None:
    with (
        Client("http://tocsin", API_KEY, transport=body(message)) as client,
        pytest.raises(StreamError, match="no event"),
    ):
        next(client.stream())


def test_an_error_message_ends_the_stream_with_its_reason() -> None:
    message = b'event: error\ndata: {"code": "UNAUTHORIZED", "message": "Invalid token"}\n\n'
    with (
        Client("http://tocsin", API_KEY, transport=body(message)) as client,
        pytest.raises(StreamError, match="UNAUTHORIZED: Invalid token"),
    ):
        next(client.stream())


def test_a_message_without_end_is_not_collected() -> None:
    endless = (b"data: " + b"x" * 100_000 for _ in range(1_000))
    with (
        Client("http://tocsin", API_KEY, transport=body(*endless)) as client,
        pytest.raises(StreamError, match="larger than"),
    ):
        next(client.stream())


def test_messages_of_other_kinds_are_passed_over(read: Any, tocsin: FakeTocsin) -> None:
    event = b'{"seq":1,"id":"e","type":"custom","timestamp":"t","session_id":"s"}'
    chunks = (b"data: {}\n\nevent: news\ndata: {}\n\n", b"event: agent_event\ndata: " + event)
    with Client("http://tocsin", API_KEY, transport=body(*chunks, b"\n\n")) as client:
        assert next(client.stream()).seq == 1


# As the HTML standard wants it of a reader


def test_caches_are_passed_by_and_media_types_have_no_case() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        headers = {"Content-Type": "Text/Event-Stream;charset=UTF-8"}
        return httpx.Response(200, headers=headers, content=event(1))

    with Client("http://tocsin", API_KEY, transport=httpx.MockTransport(answer)) as client:
        assert next(client.stream()).seq == 1
    assert seen[0].headers["Cache-Control"] == "no-cache"


def event(seq: int, last_id: str = "") -> bytes:
    fields = f'{{"seq":{seq},"id":"e","type":"custom","timestamp":"t","session_id":"s"}}'
    return f"id: {last_id or seq}\nevent: agent_event\ndata: {fields}\n\n".encode()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_stream_that_moved_within_the_origin_is_found(
    read: Any, tocsin: FakeTocsin, status: int
) -> None:
    fill(tocsin, 1)
    tocsin.faults += [Answer(status, {"Location": f"{tocsin.url}/api/v2/stream?agent_id=a"})]
    tocsin.store({"type": "custom", "toolName": "t", "agentId": "a"})
    assert [event.seq for event in read(1)] == [2]


def test_a_stream_is_not_looked_for_elsewhere(read: Any, tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(307, {"Location": "http://127.0.0.1:1/"})]
    with pytest.raises(ApiError, match=r"307 .*moved to http://127.0.0.1:1/"):
        read(1)


def test_no_content_ends_a_stream_for_good(read: Any, tocsin: FakeTocsin) -> None:
    fill(tocsin, 1)
    tocsin.cuts += [1]

    def on_drop(error: BaseException) -> None:
        tocsin.faults += [Answer(204)]

    assert [event.seq for event in read(5, on_drop=on_drop)] == [1]
    assert len(tocsin.streams) == 2


@pytest.mark.parametrize("status", [201, 202, 203, 206])
def test_another_success_is_no_stream(status: int) -> None:
    headers = {"Content-Type": "text/event-stream"}
    transport = httpx.MockTransport(
        lambda request: httpx.Response(status, headers=headers, content=event(1))
    )
    with (
        Client("http://tocsin", API_KEY, transport=transport) as client,
        pytest.raises(StreamError, match=str(status)),
    ):
        next(client.stream())


def test_an_id_in_any_script_is_sent_back_in_utf_8() -> None:
    seen: list[bytes | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(dict(request.headers.raw).get(b"Last-Event-ID"))
        headers = {"Content-Type": "text/event-stream"}
        return httpx.Response(200, headers=headers, content=event(len(seen), "ü-日"))

    transport = httpx.MockTransport(answer)
    with Client("http://tocsin", API_KEY, transport=transport, backoff=NO_WAIT) as client:
        assert [event.seq for event in islice(client.stream(), 2)] == [1, 2]
    assert seen == [None, "ü-日".encode()]


# Closing


@pytest.mark.parametrize("state", ["open", "waiting to connect again"])
def test_closing_ends_the_stream_that_another_thread_reads(tocsin: FakeTocsin, state: str) -> None:
    fill(tocsin, 1)
    client = Client(tocsin.url, API_KEY, backoff=Backoff(first_seconds=60, max_seconds=600))
    found: SimpleQueue[int | BaseException | None] = SimpleQueue()
    dropped = Flag()

    def read_all() -> None:
        try:
            for event in client.stream(0, on_drop=lambda error: dropped.set()):
                found.put(event.seq)
        except BaseException as error:
            found.put(error)
        found.put(None)

    reader = Thread(target=read_all)
    reader.start()
    assert found.get(timeout=10) == 1
    if state != "open":
        tocsin.stop()
        assert dropped.wait(10)
    client.close()
    reader.join(5)
    assert not reader.is_alive()
    assert found.get(timeout=1) is None
    with pytest.raises(RuntimeError, match="closed"):
        next(client.stream())


def test_closing_ends_the_stream_that_another_task_reads(tocsin: FakeTocsin) -> None:
    fill(tocsin, 1)

    async def run() -> list[int]:
        client = AsyncClient(tocsin.url, API_KEY, backoff=NO_WAIT)
        found: list[int] = []
        first = asyncio.Event()

        async def read_all() -> None:
            async for event in client.stream(0):
                found.append(event.seq)
                first.set()

        reader = asyncio.create_task(read_all())
        await asyncio.wait_for(first.wait(), 10)
        await client.aclose()
        await asyncio.wait_for(reader, 5)
        return found

    assert asyncio.run(run()) == [1]
