"""The stream service over HTTP: uvicorn and httpx for real, the stores in memory."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, closing
from dataclasses import dataclass, fields
from typing import Any

import httpx
import pytest
from httpx_sse import aconnect_sse

from fakes.broker import FakeBroker
from fakes.parts import stream_parts
from fakes.tenant import FakeAccess, Tenant
from functions.stream.app import build
from support.server import serving
from support.streams import decode
from support.valkey import Valkey
from support.waiting import HANG_SECONDS
from tocsin.adapters.embedded_metrics import EmbeddedMetrics
from tocsin.adapters.valkey.broker import ValkeyBroker
from tocsin.adapters.valkey.feed import ValkeyFeed
from tocsin.client import AsyncClient, Backoff
from tocsin.domain.errors import Busy
from tocsin.domain.segment import SealedEvent
from tocsin.services.stream import subscriber
from tocsin.web.options import HttpOptions
from tocsin.wire import channel, sse

pytestmark = pytest.mark.anyio
IGRIS, GOVRIX = "/api/v1/events", "/api/v1/events/stream"
KEY = {"Authorization": "Bearer acme"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Stage:
    tenant: Tenant
    broker: FakeBroker
    access: FakeAccess
    client: httpx.AsyncClient

    def seal(self, *counts: int, **fields: object) -> list[SealedEvent]:
        events = self.tenant.add(*counts, **fields)
        self.broker.publish("acme", channel.encode(events))
        return events


_HTTP = {each.name for each in fields(HttpOptions)}


@asynccontextmanager
async def stage(
    *, access: FakeAccess | None = None, access_log: bool = False, **numbers: Any
) -> AsyncIterator[Stage]:
    tenant, broker, access = Tenant(), FakeBroker(), access or FakeAccess()
    parts: dict[str, Any] = {"feed": broker, "heartbeat_seconds": 3_600.0} | numbers
    http = HttpOptions(**{name: parts.pop(name) for name in _HTTP & parts.keys()})
    app = build(stream_parts(tenant, access, **parts), http)
    limits = httpx.Limits(max_connections=None)
    async with (
        asyncio.timeout(HANG_SECONDS),
        serving(app, access_log=access_log) as url,
        httpx.AsyncClient(base_url=url, limits=limits, timeout=HANG_SECONDS) as client,
    ):
        yield Stage(tenant, broker, access, client)


@pytest.fixture
async def on() -> AsyncIterator[Stage]:
    async with stage() as staged:
        yield staged


class Watcher:
    """A client that reads one response as a browser does."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.data = b""
        self.decoder = sse.Decoder()
        self._chunks = response.aiter_raw()

    async def read(self) -> bytes:
        chunk = await anext(self._chunks, b"")
        self.data += chunk
        for _ in self.decoder.feed(chunk):
            pass
        return chunk

    async def until(self, seq: int) -> list[int]:
        """Read on until this is the last event id; return all seqs so far."""
        while self.decoder.last_event_id != str(seq):
            assert await self.read(), "the stream has ended"
        return [message.seq for message in decode(self.data)]

    async def to_the_end(self) -> bytes:
        while await self.read():
            pass
        return self.data


@asynccontextmanager
async def watching(on: Stage, path: str = GOVRIX, **headers: str) -> AsyncIterator[Watcher]:
    headers = KEY | {name.replace("_", "-"): value for name, value in headers.items()}
    async with on.client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield Watcher(response)


async def test_the_headers_let_every_byte_through_at_once(on: Stage) -> None:
    async with watching(on) as watcher:
        assert watcher.response.headers["content-type"] == "text/event-stream"
        assert watcher.response.headers["cache-control"] == "no-cache"
        assert watcher.response.headers["x-accel-buffering"] == "no"


async def test_a_stream_opens_at_once_with_its_cursor(on: Stage) -> None:
    on.seal(3)
    async with watching(on) as watcher:
        await watcher.until(3)
        assert decode(watcher.data) == []
        assert 2_000 <= (watcher.decoder.retry_ms or 0) <= 2_010  # one stream, hardly spread


async def test_replay_and_live_meet_without_a_seam(on: Stage) -> None:
    on.seal(5)
    on.seal(5)
    async with watching(on, GOVRIX + "?after=2") as watcher:
        on.seal(3)
        assert await watcher.until(13) == list(range(3, 14))
        on.seal(1)
        assert await watcher.until(14) == list(range(3, 15))


async def test_last_event_id_wins_over_after(on: Stage) -> None:
    on.seal(5)
    async with watching(on, GOVRIX + "?after=1", Last_Event_ID="4") as watcher:
        assert await watcher.until(5) == [5]


async def test_an_event_id_is_a_cursor_too(on: Stage) -> None:
    events = on.seal(5)
    async with watching(on, Last_Event_ID=events[1].parse()["id"]) as watcher:
        assert await watcher.until(5) == [3, 4, 5]


async def test_a_client_that_is_cut_again_and_again_gets_everything_once(on: Stage) -> None:
    seen: list[int] = []
    cursor = {"Last_Event_ID": "0"}
    for _ in range(10):
        on.seal(4)
        async with watching(on, **cursor) as watcher:
            wanted = int(cursor["Last_Event_ID"]) + 3
            while int(watcher.decoder.last_event_id or 0) < wanted:
                await watcher.read()
            cursor = {"Last_Event_ID": watcher.decoder.last_event_id}
            seen += [message.seq for message in decode(watcher.data)]
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= 30


async def test_a_client_that_is_cut_before_its_first_event_resumes_there(on: Stage) -> None:
    on.seal(3)
    async with watching(on) as watcher:
        await watcher.until(3)
    on.seal(2)
    async with watching(on, Last_Event_ID=watcher.decoder.last_event_id) as watcher:
        assert await watcher.until(5) == [4, 5]


async def test_igris_as_documented(on: Stage) -> None:
    async with aconnect_sse(on.client, "GET", IGRIS, headers=dict(KEY)) as source:
        messages = source.aiter_sse()
        on.seal(1, tool_name="read_users", server_id="db-production")
        message = await anext(messages)
        assert message.event == "tool_call"
        assert message.json()["toolName"] == "read_users"


async def test_govrix_as_documented(on: Stage) -> None:
    async with aconnect_sse(on.client, "GET", GOVRIX, headers=dict(KEY)) as source:
        messages = source.aiter_sse()
        on.seal(1, model="gpt-4o")
        message = await anext(messages)
        assert message.event == "agent_event"
        assert message.json()["lineage_hash"].startswith("sha256:")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/event-stream", "text/event-stream"),
        ("*/*", "text/event-stream"),
        ("text/*;q=0.5", "text/event-stream"),
        ("", "text/event-stream"),
        ("application/json, text/event-stream", "text/event-stream"),
        ("application/json", "application/json"),
        ("text/html", "application/json"),
    ],
)
async def test_who_accepts_a_stream_gets_one(on: Stage, accept: str, kind: str) -> None:
    async with on.client.stream("GET", IGRIS, headers=KEY | {"Accept": accept}) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].partition(";")[0] == kind


async def test_govrix_streams_to_everybody(on: Stage) -> None:
    async with watching(on, Accept="application/json"):
        pass


async def test_head_is_answered_without_a_stream(on: Stage) -> None:
    for path in (IGRIS, GOVRIX):
        response = await on.client.head(path, headers=KEY)
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream"
        assert (await on.client.head(path)).status_code == 401


@pytest.mark.parametrize(
    ("headers", "query", "status", "says"),
    [
        ({}, "", 401, "key"),
        ({"Authorization": "Bearer ingest-acme"}, "", 403, "scope"),
        (KEY, "?after=x", 400, "neither a seq"),
        (KEY, "?since=4", 400, "ends at 3"),
        (KEY, "?types=" + "a.b," * 3_000, 414, "longer than 8,192 bytes"),
    ],
)
async def test_what_is_refused_is_told_why(
    on: Stage, headers: dict[str, str], query: str, status: int, says: str
) -> None:
    on.seal(3)
    response = await on.client.get(GOVRIX + query, headers=headers)
    assert response.status_code == status
    assert says in response.json()["error"]
    assert ("www-authenticate" in response.headers) == (status == 401)


async def test_a_cursor_ahead_of_the_ledger_is_a_gap_and_the_stream_goes_on(on: Stage) -> None:
    on.seal(3)
    for headers, query in (({"Last_Event_ID": "9"}, ""), ({}, "?after=9")):
        async with watching(on, GOVRIX + query, **headers) as watcher:
            while not watcher.data.endswith(b"}\n\n"):
                await watcher.read()
            assert watcher.decoder.last_event_id == "3"
            (gap,) = decode(watcher.data)
            assert (gap.event, gap.fields["first_seq"]) == ("gap", 4)


async def test_a_busy_store_is_503_with_a_time_to_wait(on: Stage) -> None:
    def busy(*_: object) -> Any:
        raise Busy("throttled", 2)

    on.access.authorize = busy  # type: ignore[method-assign]
    response = await on.client.get(GOVRIX, headers=KEY)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "2"


async def test_refusals_are_counted_by_their_reason() -> None:
    lines = asyncio.Queue[str]()
    metrics = EmbeddedMetrics("tocsin-test", "stream", lines.put_nowait)
    async with stage(metrics=metrics, metrics_seconds=0.1, max_streams=1) as on:
        for headers, query in (({}, ""), ({}, ""), (KEY, "?after=nonsense")):
            await on.client.get(GOVRIX + query, headers=headers)
        async with watching(on) as watcher:
            await watcher.until(0)
            await on.client.get(GOVRIX, headers=KEY)
            on.tenant.clock.ms += 100
            said = json.loads(await lines.get())
    refused = {name: said[name] for name in said if name.startswith("Refused")}
    assert refused == {"RefusedUnauthenticated": 2, "RefusedMalformed": 1, "RefusedCrowded": 1}
    assert said["Connections"] == 1


async def test_other_methods_and_paths_are_refused(on: Stage) -> None:
    response = await on.client.post(IGRIS, headers=KEY)
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"
    response = await on.client.get("/api/v2/events")
    assert response.status_code == 404
    assert response.json()["error"]


async def test_health_names_the_parts(on: Stage) -> None:
    response = await on.client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "ledger": "ok", "broker": "ok"}


async def test_a_broker_that_is_down_degrades(on: Stage) -> None:
    on.broker.stop()
    response = await on.client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"status": "degraded", "ledger": "ok", "broker": "down"}


async def test_a_ledger_that_is_down_is_unavailable(on: Stage) -> None:
    def busy(org: str) -> Any:
        raise Busy("throttled")

    on.tenant.ledger.head = busy  # type: ignore[method-assign]
    response = await on.client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["ledger"] == "down"
    response = await on.client.get("/livez")  # what the load balancer asks: restart nothing
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


async def test_silence_is_filled_with_comments_of_one_line() -> None:
    async with stage(heartbeat_seconds=0.05) as quick, watching(quick) as watcher:
        while watcher.data.count(b": keepalive\n") < 3:
            await watcher.read()
        assert b": keepalive\n: keepalive\n" in watcher.data


async def test_a_revoked_key_ends_its_stream() -> None:
    async with stage(recheck_seconds=0.05) as quick, watching(quick) as watcher:
        quick.access.revoked.add(KEY["Authorization"])
        (message,) = decode(await watcher.to_the_end())
        assert message.fields["code"] == "UNAUTHORIZED"


async def test_a_changed_event_is_not_served(on: Stage) -> None:
    on.seal(2)
    on.seal(1)
    on.tenant.journal.batches.popitem()
    async with watching(on, GOVRIX + "?after=0") as watcher:
        *good, error = decode(await watcher.to_the_end())
        assert [message.seq for message in good] == [1, 2]
        assert (error.fields["code"], error.fields["seq"]) == ("INTEGRITY", 3)


async def test_who_leaves_is_forgotten() -> None:
    async with stage(grace_seconds=0.05, look_seconds=0.1) as quick:
        for _ in range(3):
            streams = [watching(quick) for _ in range(50)]
            for stream in streams:
                await stream.__aenter__()
            assert quick.broker.watched.is_set()
            for stream in streams:
                await stream.__aexit__(None, None, None)
        await quick.broker.idle.wait()


async def test_a_client_that_reads_nothing_holds_up_nobody(on: Stage) -> None:
    async with watching(on) as stuck, watching(on) as reader:
        for _ in range(60):
            last = on.seal(20, metadata={"text": "x" * 5_000})[-1].seq
            await reader.until(last)
            reader.data = b""
        assert await stuck.until(last) == list(range(1, last + 1))


async def test_without_a_broker_the_ledger_is_enough() -> None:
    async with stage(feed=None, poll_seconds=0.01) as on, watching(on) as watcher:
        for last in (3, 6, 9):
            on.tenant.add(3)
            assert await watcher.until(last) == list(range(1, last + 1))
        assert (await on.client.get("/healthz")).json()["broker"] == "none"


@pytest.mark.parametrize("limit", [{"max_seconds": 0.05}, {"max_bytes": 100_000}])
@pytest.mark.parametrize("bus", [{}, {"feed": None, "poll_seconds": 0.01}])
async def test_who_resumes_streams_that_are_ended_misses_nothing(
    limit: dict[str, Any], bus: dict[str, Any]
) -> None:
    async with stage(**limit, **bus) as on:
        cursor, seen, ends = "0", list[int](), 0

        async def seal() -> None:
            while True:  # what is left over could be too little to end a stream
                on.seal(2, metadata={"text": "x" * 5_000})
                await asyncio.sleep(0.002)

        sealing = asyncio.create_task(seal())
        while len(seen) < 300:
            async with watching(on, Last_Event_ID=cursor) as watcher:
                data = await watcher.to_the_end()  # httpx raises when the response is cut
            assert data.endswith(b"\n\n")
            assert len(data) <= limit.get("max_bytes", len(data))
            seen += [message.seq for message in decode(data)]
            cursor, ends = watcher.decoder.last_event_id or "", ends + 1
        sealing.cancel()
        assert seen == list(range(1, len(seen) + 1))
        assert ends > 2


class Noting(httpx.AsyncHTTPTransport):
    """Notes when a client resumes after ``seq``."""

    def __init__(self, seq: int) -> None:
        super().__init__()
        self.resumed = asyncio.Event()
        self._seq = str(seq)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Last-Event-ID") == self._seq:
            self.resumed.set()
        return await super().handle_async_request(request)


async def test_the_client_resumes_after_what_its_filters_hide(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscriber, "TELL_SECONDS", 0.0)
    async with stage(max_seconds=0.1, retry_ms=0, spread_ms=0) as on:
        on.seal(1, agent_id="a", action="deny")
        transport, backoff = Noting(4), Backoff(first_seconds=0, max_seconds=0)
        client = AsyncClient(str(on.client.base_url), "acme", backoff=backoff, transport=transport)
        async with client, aclosing(client.stream(0, agent_id="a", action="deny")) as stream:
            assert (await anext(stream)).seq == 1
            following = asyncio.ensure_future(anext(stream))
            on.seal(2, agent_id="b", action="deny")
            on.seal(1, agent_id="a", action="allow")
            await transport.resumed.wait()
            on.seal(1, agent_id="a", action="deny")
            assert (await following).seq == 5


async def test_it_goes_on_while_valkey_is_killed_and_restarted() -> None:
    valkey = Valkey()
    with closing(ValkeyBroker(valkey.url)) as broker:
        async with stage(feed=ValkeyFeed(valkey.url)) as on, watching(on) as watcher:

            async def seal(told: bool) -> None:
                events = on.tenant.add(2)
                if told:
                    await asyncio.to_thread(broker.publish, "acme", channel.encode(events))
                await watcher.until(events[-1].seq)

            await seal(told=True)
            valkey.kill()
            for _ in range(3):
                await seal(told=False)
            valkey.revive()
            for _ in range(3):
                await seal(told=True)
            assert await watcher.until(14) == list(range(1, 15))
    valkey.kill()


async def test_sigterm_ends_the_streams_and_the_process_and_spreads_who_comes_back() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "uvicorn", "support.stream_app:app", "--no-access-log"),
            *("--fd", str(listener.fileno()), "--timeout-graceful-shutdown", "60"),
            pass_fds=[listener.fileno()],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stderr=asyncio.subprocess.PIPE,
        )
    assert process.stderr
    log = b""
    while b"Uvicorn running" not in log:  # before it, nobody listens
        line = await process.stderr.readline()
        assert line, log.decode()
        log += line
    async with (
        asyncio.timeout(HANG_SECONDS),
        httpx.AsyncClient(
            base_url=url, limits=httpx.Limits(max_connections=None), timeout=10
        ) as client,
        AsyncExitStack() as streams,
    ):
        watchers = []
        for _ in range(200):
            stream = client.stream("GET", GOVRIX + "?after=0", headers=KEY)
            watchers.append(Watcher(await streams.enter_async_context(stream)))
            await watchers[-1].until(3)
        process.send_signal(signal.SIGTERM)
        waits_ms = []
        for watcher in watchers:
            data = await watcher.to_the_end()  # httpx raises when the response is cut
            assert [message.seq for message in decode(data)] == [1, 2, 3]
            waits_ms.append(watcher.decoder.retry_ms or 0)
        assert min(waits_ms) >= 2_000
        assert max(waits_ms) - min(waits_ms) > 1_000
        assert len(set(waits_ms)) > 100
        _, rest = await process.communicate()
    assert process.returncode in (0, -signal.SIGTERM)
    assert b"Traceback" not in log + rest
    assert b"Cancel" not in rest
