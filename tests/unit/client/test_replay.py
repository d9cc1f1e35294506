"""Replaying: the newest events first, as the list gives them."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from support.fake_tocsin import API_KEY, Answer, FakeTocsin, fake_tocsin
from tocsin.client import ApiError, AsyncClient, Backoff, Client, Event, Filters
from tocsin.wire.filters import PARAMETERS

FILTERS = frozenset(Filters.__annotations__)

NO_WAIT = Backoff(first_seconds=0, max_seconds=0)


@pytest.fixture
def tocsin() -> Iterator[FakeTocsin]:
    with fake_tocsin() as server:
        yield server


@pytest.fixture(params=["sync", "async"])
def replay(request: pytest.FixtureRequest, tocsin: FakeTocsin) -> Any:
    """``replay`` of both clients."""

    def sync_replay(**options: Any) -> list[Event]:
        with Client(tocsin.url, API_KEY, backoff=NO_WAIT) as client:
            return client.replay(**options)

    def async_replay(**options: Any) -> list[Event]:
        async def run() -> list[Event]:
            async with AsyncClient(tocsin.url, API_KEY, backoff=NO_WAIT) as client:
                return await client.replay(**options)

        return asyncio.run(run())

    return sync_replay if request.param == "sync" else async_replay


def test_the_newest_come_first_and_1000_at_most(replay: Any, tocsin: FakeTocsin) -> None:
    tocsin.store(*({"type": "tool_call", "toolName": f"t{n}"} for n in range(1, 6)))
    assert [event.seq for event in replay()] == [5, 4, 3, 2, 1]
    assert [event.tool_name for event in replay(limit=2)] == ["t5", "t4"]
    assert [query["limit"] for query in tocsin.lists] == ["1000", "2"]


def test_events_are_those_of_the_stream(replay: Any, tocsin: FakeTocsin) -> None:
    tocsin.store({"type": "tool_call", "toolName": "t", "metadata": {"n": 1}})
    with Client(tocsin.url, API_KEY) as client, closing(client.stream(0)) as events:
        (streamed,) = islice(events, 1)
    (replayed,) = replay()
    for field in Event.__slots__:
        if field != "fields":
            assert getattr(replayed, field) == getattr(streamed, field)
    assert {"pii_types": []} | dict(streamed.fields) == replayed.fields | {"tool_name": "t"}


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({"since": 3}, {"since": "3"}),
        ({"since": "evt_1"}, {"since": "evt_1"}),
        ({"since": datetime(2026, 1, 15, 10, tzinfo=UTC)}, {"since": "2026-01-15T10:00:00+00:00"}),
        ({"types": ["anomaly", "vendor.x"]}, {"types": "anomaly,vendor.x"}),
        ({"types": "anomaly"}, {"types": "anomaly"}),
        (
            {"agent_id": "a", "session_id": "s", "server_id": "v", "action": "deny"},
            {"agent_id": "a", "session_id": "s", "server_id": "v", "action": "deny"},
        ),
        (dict.fromkeys(FILTERS, "x"), dict.fromkeys(FILTERS, "x")),
        (dict.fromkeys(FILTERS), {}),
    ],
)
def test_what_is_asked_for(
    replay: Any, tocsin: FakeTocsin, options: dict[str, Any], query: dict[str, str]
) -> None:
    tocsin.faults += [Answer(200, body=[])]
    assert replay(**options) == []
    assert tocsin.lists == [{"limit": "1000"} | query]


def test_every_filter_of_streams_and_lists_is_the_clients() -> None:
    assert {*FILTERS, "types", "type"} == PARAMETERS


def test_a_filter_that_there_is_not_is_refused_before_anything_is_asked(
    replay: Any, tocsin: FakeTocsin
) -> None:
    with pytest.raises(TypeError, match="there is no filter 'modle'"):
        replay(modle="gpt-4o")
    assert tocsin.lists == []


def test_a_busy_server_is_asked_again(replay: Any, tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(503), Answer(502)]
    assert replay() == []


def test_a_refusal_is_raised(replay: Any, tocsin: FakeTocsin) -> None:
    tocsin.faults += [Answer(400, body={"error": "types: 'x' is not an event type"})]
    with pytest.raises(ApiError, match=r"400 .*is not an event type"):
        replay(types="x")
    assert len(tocsin.lists) == 1


@pytest.mark.parametrize("body", ["Welcome", {"events": []}, [1], [{}], {}], ids=str)
def test_what_is_no_list_is_told(replay: Any, tocsin: FakeTocsin, body: Any) -> None:
    tocsin.faults += [Answer(200, body=body)]
    with pytest.raises(httpx.RemoteProtocolError, match="no list of events"):
        replay()


def page(*seqs: int, **link: str) -> Answer:
    fields = {
        "type": "tool_call",
        "id": "x",
        "session_id": "s",
        "timestamp": "2026-03-20T10:00:00Z",
    }
    headers = {}
    if link:
        headers["Link"] = f'</api/v1/events?{urlencode(link)}>; rel="next"'
    return Answer(200, headers, [fields | {"seq": seq} for seq in seqs])


def test_a_page_that_is_cut_short_is_gone_on_with(replay: Any, tocsin: FakeTocsin) -> None:
    said = {"limit": "1000", "agent_id": "a b"}
    tocsin.faults += [
        page(9, 8, before="7", **said),
        page(before="3", **said),
        page(2, before="1", **said),
        page(1),
    ]
    assert [event.seq for event in replay(agent_id="a b")] == [9, 8, 2, 1]
    assert tocsin.lists == [
        {"agent_id": "a b", "limit": "1000"},
        {"agent_id": "a b", "before": "7", "limit": "998"},
        {"agent_id": "a b", "before": "3", "limit": "998"},
        {"agent_id": "a b", "before": "1", "limit": "997"},
    ]


def test_no_more_is_asked_for_than_is_wanted(replay: Any, tocsin: FakeTocsin) -> None:
    tocsin.faults += [page(9, 8, before="8", limit="2")]
    assert [event.seq for event in replay(limit=2)] == [9, 8]
    tocsin.store(*({"type": "tool_call"} for _ in range(3)))
    assert len(replay(limit=5_000)) == 3
    assert [each["limit"] for each in tocsin.lists] == ["2", "1000"]


def test_a_list_that_does_not_go_on_ends(replay: Any, tocsin: FakeTocsin) -> None:
    tocsin.faults += [page(9, before="9"), page(9, before="9")]
    with pytest.raises(httpx.RemoteProtocolError):
        replay()


def test_times_of_events(replay: Any, tocsin: FakeTocsin) -> None:
    replay(from_time=datetime(2026, 3, 1, tzinfo=UTC), to_time="2026-04-01")
    assert tocsin.lists == [
        {"from": "2026-03-01T00:00:00+00:00", "to": "2026-04-01", "limit": "1000"}
    ]
