"""The Python client against the whole product, whose parts are killed meanwhile."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import islice

import pytest

from support.product import Product
from support.waiting import until
from tocsin.client import AsyncClient, Backoff, Client

pytestmark = [pytest.mark.xdist_group("product")]

KILLED = ("ingest", "gateway", "fanout", "stream")
PER_PART = 300
SOON = Backoff(first_seconds=0.1, max_seconds=1.0)


def disturb(
    product: Product,
    emit: Callable[[dict[str, object]], None],
    session: str,
    killed: Sequence[str] = KILLED,
) -> int:
    """Emit events and kill a part now and then; return how many they were."""
    for number in range(PER_PART * len(killed)):
        emit({"type": "tool_call", "toolName": f"t{number}", "sessionId": session})
        if number % PER_PART == PER_PART // 2:
            product.kill(killed[number // PER_PART])
        if number % PER_PART == PER_PART - 1:
            product.until_ready()
    return PER_PART * len(killed)


def stored(client: Client, session: str, count: int) -> Counter[str | None]:
    """Return the tools of a session's events, when there are as many, and the ledger stands."""
    last_seq = client.replay(limit=1)[0].seq
    events: list[str | None] = []
    with closing(client.stream(after=0)) as stream:
        for event in stream:
            if event.session_id == session and event.type != "session_update":
                events.append(event.tool_name)
            if event.seq >= last_seq and len(events) >= count:
                break
    return Counter(events)


def test_nothing_emitted_is_lost_or_doubled_whatever_is_killed(product: Product) -> None:
    with Client(product.url, product.api_key, backoff=SOON) as client:
        count = disturb(product, client.emit, "ses_emitted")
        assert client.flush(120)
        assert (client.dropped, client.refused) == (0, 0)
        client.send([{"type": "custom", "toolName": "t", "sessionId": "ses_last"}])
        until(lambda: client.replay(limit=1)[0].session_id == "ses_last", "all is sealed")
        found = stored(client, "ses_emitted", count)
    assert found == {f"t{number}": 1 for number in range(count)}


def test_nothing_emitted_from_asyncio_is_lost_or_doubled(product: Product) -> None:
    async def run() -> int:
        async with AsyncClient(product.url, product.api_key, backoff=SOON) as client:
            loop = asyncio.get_running_loop()
            client.emit({"type": "tool_call", "toolName": "first", "sessionId": "ses_first"})

            def emit(event: dict[str, object]) -> None:
                loop.call_soon_threadsafe(client.emit, event)

            count = await asyncio.to_thread(disturb, product, emit, "ses_async", ("gateway",))
            assert await client.flush(120)
            assert (client.dropped, client.refused) == (0, 0)
            last = {"type": "custom", "toolName": "t", "sessionId": "ses_last_async"}
            await client.send([last])
            return count

    count = asyncio.run(run())
    with Client(product.url, product.api_key, backoff=SOON) as client:
        until(lambda: client.replay(limit=1)[0].session_id == "ses_last_async", "all is sealed")
        found = stored(client, "ses_async", count)
    assert found == {f"t{number}": 1 for number in range(count)}


def test_the_list_on_the_whole_product(product: Product) -> None:
    """What is replayed is what was streamed, and the projections lead to it."""
    with Client(product.url, product.api_key, backoff=SOON) as client:
        client.send([{"type": "custom", "toolName": "t", "sessionId": "ses_list"}])
        until(lambda: len(client.replay(session_id="ses_list")) == 2, "the session has begun")
        client.send(
            {"type": "tool_call", "toolName": f"t{n}", "sessionId": "ses_list"} for n in range(3)
        )
        until(lambda: len(client.replay(session_id="ses_list")) == 5, "they are sealed")
        newest = client.replay(limit=3)
        assert [event.tool_name for event in newest] == ["t2", "t1", "t0"]
        last = newest[0].seq
        with closing(client.stream(after=last - 3)) as stream:
            streamed = list(islice(stream, 3))
        assert [event.lineage_hash for event in reversed(streamed)] == [
            event.lineage_hash for event in newest
        ]
        assert client.replay(since=last - 1) == newest[:1]
        assert client.replay(session_id="ses_list", types="tool_call") == newest
        with closing(client.stream(0, "tool_call", session_id="ses_list")) as stream:
            assert [event.seq for event in islice(stream, 3)] == [last - 2, last - 1, last]
        http = client._http
        listed = http.get("/api/v1/events/sessions/ses_list").json()
        assert [event.get("tool_name") for event in listed] == ["t", None, "t0", "t1", "t2"]
        one = http.get(f"/api/v1/events/{newest[1].id}").json()
        assert (one["seq"], one["lineage_hash"]) == (last - 1, newest[1].lineage_hash)
