"""The four dialects over HTTP, as their documents' clients use them, and what they share."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from fakes.tenant import FakeAccess, Tenant
from integration.test_stream import GOVRIX, IGRIS, KEY, Stage, Watcher, stage, watching
from support.streams import Received, decode
from tocsin.domain.keys import ApiKey, Scope
from tocsin.wire import channel, frames

pytestmark = pytest.mark.anyio
RAMPART, KAVACH = "/v1/events/stream", "/api/kavach/events/stream"
ROUTES = [IGRIS, RAMPART, GOVRIX, KAVACH]
UNAUTHORIZED = {"code": "UNAUTHORIZED", "message": "Invalid token"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def on() -> AsyncIterator[Stage]:
    async with stage() as staged:
        yield staged


async def received(on: Stage, path: str, until: int, **headers: str) -> list[Received]:
    """Return what a client gets until it knows that it is at a seq."""
    async with watching(on, path, **headers) as watcher:
        while watcher.decoder.last_event_id != str(until):
            assert await watcher.read(), "the stream has ended"
        return decode(watcher.data)


def seq_of(message: Received) -> int:
    return int(message.fields.get("event", message.fields)["seq"])


# What the documents' clients rely on; they themselves are in e2e


async def test_rampart_begins_with_connected_and_the_cursor(on: Stage) -> None:
    on.seal(3)
    connected, *others = await received(on, f"{RAMPART}?after=1", 3)
    assert (connected.event, connected.id) == ("message", "1")
    assert connected.fields == {"type": "connected"}
    assert [seq_of(message) for message in others] == [2, 3]


async def test_ramparts_query_parameter_as_printed(on: Stage) -> None:
    async with on.client.stream("GET", f"{RAMPART}?token=acme") as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["x-accel-buffering"] == "no"


async def test_kavachos_browser_client_as_printed(on: Stage) -> None:
    on.seal(1, type="agent.created", data={"agentId": "a"}, agent_id="a")
    on.seal(1, type="anomaly", anomaly_type="rate_spike")
    created, anomaly = await received(on, f"{KAVACH}?token=acme&after=0", 2)
    assert (created.event, created.fields["agentId"]) == ("agent.created", "a")
    assert (anomaly.event, anomaly.fields["data"]["anomalyType"]) == (
        "anomaly.detected",
        "rate_spike",
    )


async def test_kavachos_types_as_printed(on: Stage) -> None:
    for type in ("anomaly", "tool_call", "budget.exceeded"):
        on.seal(1, type=type)
    messages = await received(on, f"{KAVACH}?types=anomaly.detected,budget.exceeded&after=0", 3)
    assert [message.event for message in messages] == ["anomaly.detected", "budget.exceeded"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer gone"}])
async def test_kavachos_bad_token_is_a_stream_with_an_error(headers: dict[str, str]) -> None:
    async with stage() as on:
        on.access.revoked.add("Bearer gone")
        response = await on.client.get(KAVACH, headers=headers)
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream"
        (message,) = decode(response.content)
        assert (message.event, message.fields) == ("error", UNAUTHORIZED)


@pytest.mark.parametrize("path", [IGRIS, RAMPART, GOVRIX])
async def test_a_bad_token_is_401_elsewhere(on: Stage, path: str) -> None:
    on.access.revoked.add("Bearer gone")
    assert (await on.client.get(path)).status_code == 401
    assert (await on.client.get(f"{path}?token=gone")).status_code == 401


@pytest.mark.parametrize("path", ROUTES)
async def test_a_key_without_the_scope_is_403_everywhere(on: Stage, path: str) -> None:
    response = await on.client.get(path, headers={"Authorization": "Bearer ingest-acme"})
    assert response.status_code == 403


async def test_kavachos_heartbeat() -> None:
    async with stage(heartbeat_seconds=0.05) as on, watching(on, KAVACH) as watcher:
        while watcher.data.count(b": heartbeat\n") < 3:
            await watcher.read()
        assert b": heartbeat\n: heartbeat\n" in watcher.data


@pytest.mark.parametrize("path", ROUTES)
async def test_head_is_answered_on_every_route(on: Stage, path: str) -> None:
    response = await on.client.head(path, headers=KEY)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream"
    assert response.content == b""


# The bare route


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("", "*/*", "text/event-stream"),
        ("?limit=20&agent_id=a", "*/*", "application/json"),
        ("?model=m&agent_id=a", "text/event-stream", "text/event-stream"),
        ("?agent_id=a", "application/json", "application/json"),
        ("?types=anomaly", "*/*", "text/event-stream"),
    ],
)
async def test_both_documents_commands_work(on: Stage, query: str, accept: str, kind: str) -> None:
    response = await on.client.head(IGRIS + query, headers=KEY | {"Accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (200, kind)


async def test_the_bare_route_can_be_the_list() -> None:
    async with stage(bare_events_route="list") as on:
        for accept, kind in [("*/*", "application/json"), *[("text/event-stream",) * 2]]:
            response = await on.client.head(IGRIS, headers=KEY | {"Accept": accept})
            assert response.headers["content-type"] == kind
        response = await on.client.head(GOVRIX, headers=KEY)
        assert response.headers["content-type"] == "text/event-stream"


# Filters


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("agent_id=a1%C3%A9", {"agent_id": "a1é"}),
        ("session_id=s/1", {"session_id": "s/1"}),
        ("server_id=db", {"server_id": "db"}),
        ("action=deny", {"action": "deny"}),
    ],
)
async def test_every_route_filters_live_and_replay(
    on: Stage, path: str, query: str, fields: dict[str, str]
) -> None:
    on.seal(1, **fields)
    on.seal(1)
    async with watching(on, f"{path}?after=0&{query}", Accept="text/event-stream") as watcher:
        on.seal(1, **fields)
        on.seal(1)
        on.seal(1, **fields)
        while watcher.decoder.last_event_id != "5":
            await watcher.read()
        messages = [each for each in decode(watcher.data) if each.fields["type"] != "connected"]
        assert [seq_of(message) for message in messages] == [1, 3, 5]


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "query",
    [
        *("types=nope", "types=", "action=x", "agent_id=", "server_id=a&server_id=b"),
        *("limit=5", "order=asc", "last_event_id=3", "colour=red", "type=a.b&type=a.c"),
    ],
)
async def test_a_stream_that_is_not_understood_is_400(on: Stage, path: str, query: str) -> None:
    headers = KEY | {"Accept": "text/event-stream"}
    response = await on.client.get(f"{path}?{query}", headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]


@pytest.mark.parametrize("path", ROUTES)
async def test_what_clients_add_by_themselves_is_taken(on: Stage, path: str) -> None:
    on.seal(3)
    query = "after=0&_=1772716800000&lastEventId=2"  # as on every reconnection, after their own
    (message,) = [
        each
        for each in await received(on, f"{path}?{query}", 3, Accept="text/event-stream")
        if each.fields["type"] != "connected"
    ]
    assert seq_of(message) == 3
    headers = {"Accept": "text/event-stream", "Last_Event_ID": "1"}
    messages = await received(on, f"{path}?{query}", 3, **headers)
    assert [seq_of(each) for each in messages if each.fields["type"] != "connected"] == [2, 3]


async def test_the_cursor_advances_over_what_is_hidden(on: Stage) -> None:
    on.seal(5)
    async with watching(on, f"{GOVRIX}?types=anomaly") as watcher:
        on.seal(3)
        while watcher.decoder.last_event_id != "8":
            await watcher.read()
        assert decode(watcher.data) == []
        assert watcher.data.endswith(frames.cursor(8))


@pytest.mark.parametrize("path", [GOVRIX, KAVACH])
async def test_what_is_allowed_binds_live_and_replay(path: str) -> None:
    async with stage(allowed_types=frozenset({"anomaly", "custom"})) as on:
        for type in ("anomaly", "tool_call", "custom"):
            on.seal(1, type=type)
        assert [seq_of(each) for each in await received(on, f"{path}?after=0", 3)] == [1, 3]


class SomeTypes(FakeAccess):
    """A key that may only see anomalies."""

    def authorize(self, authorization: str | None, scope: Scope | None, /) -> ApiKey:
        return replace(super().authorize(authorization, scope), types=frozenset({"anomaly"}))


async def test_a_keys_types_bind_it() -> None:
    async with stage(access=SomeTypes()) as on:
        for type in ("tool_call", "anomaly", "tool_call", "anomaly"):
            on.seal(1, type=type)
        assert [seq_of(each) for each in await received(on, f"{GOVRIX}?after=0", 4)] == [2, 4]
        response = await on.client.get(f"{GOVRIX}?types=tool_call", headers=KEY)
        assert response.status_code == 403


# Cursors


def at(ms: int) -> str:
    return quote(datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds"))


@pytest.mark.parametrize("path", ROUTES)
async def test_since_is_the_time_of_receipt_to_the_millisecond(on: Stage, path: str) -> None:
    start = on.tenant.clock.ms
    for after_ms in (0, 1, 2, 200_000):
        on.tenant.clock.ms = start + after_ms
        on.seal(1)
    for after_ms, expected in [(0, [1, 2, 3, 4]), (1, [2, 3, 4]), (2, [3, 4]), (3, [4])]:
        messages = await received(on, f"{path}?since={at(start + after_ms)}", 4)
        seqs = [seq_of(each) for each in messages if each.fields["type"] != "connected"]
        assert seqs == expected


async def test_since_takes_a_seq_too(on: Stage) -> None:
    on.seal(3)
    assert [each.seq for each in await received(on, f"{KAVACH}?since=1", 3)] == [2, 3]


async def test_last_event_id_wins_over_since(on: Stage) -> None:
    on.seal(3)
    messages = await received(on, f"{KAVACH}?since=2020-01-01", 3, Last_Event_ID="2")
    assert [each.seq for each in messages] == [3]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("since=soon", "neither a time"),
        ("since=2026-01-15T10:00:00+01:00", "%2B"),
        ("since=2999-01-01", "future"),
        ("since=9", "ends at 3"),
        ("since=1&after=1", "one of them"),
    ],
)
async def test_a_since_that_means_nothing_is_refused(on: Stage, query: str, says: str) -> None:
    on.seal(3)
    response = await on.client.get(f"{GOVRIX}?{query}", headers=KEY)
    assert response.status_code == 400
    assert says in response.json()["error"]


# Credentials in the query


@pytest.mark.parametrize("path", ROUTES)
async def test_a_token_in_the_query_can_be_switched_off(path: str) -> None:
    async with stage() as on, on.client.stream("GET", f"{path}?token=acme") as response:
        assert response.status_code == 200
    async with stage(token_in_query=False) as on:
        response = await on.client.get(f"{path}?token=acme")
        if path == KAVACH:
            (message,) = decode(response.content)
            assert message.fields == UNAUTHORIZED
        else:
            assert response.status_code == 401


async def test_the_header_wins_over_the_query(on: Stage) -> None:
    headers = {"Authorization": "Bearer ingest-acme"}
    assert (await on.client.get(f"{GOVRIX}?token=acme", headers=headers)).status_code == 403


async def test_a_token_reaches_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with stage(access_log=True) as on:
        for path in ROUTES:
            await on.client.head(f"{path}?token=acme%20&types=audit")
            await on.client.get(f"{path}?types=nope&token=acme")
        access = [record.getMessage() for record in caplog.records if "uvicorn" in record.name]
    assert len([line for line in access if "HTTP/1.1" in line]) == 8
    assert "types=nope" in "".join(access)
    assert "token" not in "".join(access)


async def test_a_revoked_key_ends_the_stream_it_opened_in_the_query() -> None:
    async with stage(recheck_seconds=0.05) as on:
        async with on.client.stream("GET", f"{RAMPART}?token=acme") as response:
            on.access.revoked.add("Bearer acme")
            *_, error = decode(await response.aread())
        assert (error.fields["type"], error.fields["code"]) == ("error", "UNAUTHORIZED")


async def test_an_org_sees_nothing_of_another_by_any_route_or_filter(on: Stage) -> None:
    theirs = Tenant("other", on.tenant.ledger, on.tenant.journal, on.tenant.clock)
    on.broker.publish("other", channel.encode(theirs.add(3, agent_id="a")))
    (ours,) = on.seal(1, agent_id="a")
    for path in ROUTES:
        for start in ("after=0", "since=2020-01-01"):
            query = f"{path}?{start}&agent_id=a"
            messages = await received(on, query, 1, Accept="text/event-stream")
            events = [each.fields.get("event", each.fields) for each in messages]
            assert [each["id"] for each in events if "id" in each] == [ours.parse()["id"]]


# Limits


class SlowAccess(FakeAccess):
    """Takes its time, so that a burst is under way at once."""

    def __init__(self) -> None:
        super().__init__()
        self.together = 0

    def authorize(self, authorization: str | None, scope: Scope | None, /) -> ApiKey:
        self.together += 1
        if self.together > 5:
            raise AssertionError("more than the limit are being authenticated")
        key = super().authorize(authorization, scope)
        return replace(key, id=key.digest.hex()[:8])


async def opened(
    on: Stage, count: int, path: str = GOVRIX, key: str = "acme"
) -> list[httpx.Response]:
    """Open streams at once, and return the answers, bodies unread."""
    request = on.client.build_request("GET", path, headers={"Authorization": f"Bearer {key}"})
    return list(await asyncio.gather(*(on.client.send(request, stream=True) for _ in range(count))))


def statuses(responses: list[httpx.Response]) -> list[int]:
    return sorted(response.status_code for response in responses)


async def test_a_burst_can_not_pass_the_limit_of_the_process() -> None:
    async with stage(max_streams=5, access=SlowAccess()) as on:
        responses = await opened(on, 20)
        assert statuses(responses) == [200] * 5 + [503] * 15
        refused = next(each for each in responses if each.status_code == 503)
        assert int(refused.headers["retry-after"]) > 0
        await refused.aread()
        assert "takes no more" in refused.json()["error"]
        for response in responses:
            await response.aclose()


async def test_kavachos_says_it_in_its_own_words() -> None:
    async with stage(max_streams=1) as on, watching(on, KAVACH):
        response = await on.client.get(KAVACH, headers=KEY)
        assert response.status_code == 503
        assert response.text == "Too many connections"
        assert int(response.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("limit", "says"), [("max_streams_per_org", "this org"), ("max_streams_per_key", "this key")]
)
async def test_an_org_or_key_has_its_limit(limit: str, says: str) -> None:
    numbers: dict[str, Any] = {limit: 3}
    async with stage(**numbers) as on:
        responses = await opened(on, 10)
        assert statuses(responses) == [200] * 3 + [429] * 7
        refused = next(each for each in responses if each.status_code == 429)
        await refused.aread()
        assert says in refused.json()["error"]
        async with watching(on, GOVRIX, Authorization="Bearer other"):
            pass
        for response in responses:
            await response.aclose()


async def test_seats_are_free_again_when_their_clients_are_gone() -> None:
    async with stage(max_streams=5) as on:
        for _ in range(5):
            for path in ROUTES:
                assert (await on.client.head(path, headers=KEY)).status_code == 200
                await on.client.get(f"{path}?types=nope", headers=KEY)
                await on.client.get(path)
        streams = [watching(on) for _ in range(5)]
        for stream in streams:
            await stream.__aenter__()
        assert (await on.client.get(GOVRIX, headers=KEY)).status_code == 503
        for stream in streams:
            await stream.__aexit__(None, None, None)
        while (await on.client.head(GOVRIX, headers=KEY)).status_code == 503:
            pass


async def test_a_client_that_accepts_nothing_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        stage(stall_seconds=0.3, access_log=True) as on,
        connected(on, receive_bytes=4_096) as stuck,
    ):
        assert await asyncio.get_running_loop().sock_recv(stuck, 100)
        async with watching(on) as reader:
            await seal_more_than_the_kernel_keeps(on, reader)
            with pytest.raises(ConnectionResetError):
                while True:
                    await wait_for_reset(stuck)
            on.seal(1)
            assert await reader.read()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_client_that_takes_little_at_a_time_is_kept() -> None:
    async with stage(stall_seconds=2) as on, connected(on, receive_bytes=32_768) as slow:
        loop = asyncio.get_running_loop()

        async def take(seconds: float) -> None:
            until = loop.time() + seconds
            while loop.time() < until:
                assert await loop.sock_recv(slow, 8_192), "the stream has ended"
                await asyncio.sleep(0.03)

        await take(0)
        taking = asyncio.create_task(take(7))
        async with watching(on) as reader:
            await seal_more_than_the_kernel_keeps(on, reader)
        await taking  # raises when the connection is reset


@asynccontextmanager
async def connected(on: Stage, *, receive_bytes: int) -> AsyncIterator[socket.socket]:
    """Ask for a stream on a connection that takes so little by itself."""
    url, loop = on.client.base_url, asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.setblocking(False)
        await loop.sock_connect(connection, (url.host, url.port))
        request = f"GET {GOVRIX} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer acme\r\n\r\n"
        await loop.sock_sendall(connection, request.encode())
        yield connection


async def seal_more_than_the_kernel_keeps(on: Stage, reader: Watcher) -> None:
    """Seal so much that it can't all be waiting for a client; the reader takes all of it."""
    for _ in range(60):
        last = on.seal(20, metadata={"text": "x" * 8_000})[-1].seq
        while reader.decoder.last_event_id != str(last):
            await reader.read()
        reader.data = b""


async def wait_for_reset(connection: socket.socket) -> None:
    """Raise what the connection ended with, without taking anything from it."""
    if error := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(error, "the connection has ended")
    await asyncio.sleep(0.01)
