"""The library in applications of several kinds, over uvicorn and httpx for real."""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from httpx_sse import aconnect_sse
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from integration.test_stream import Watcher
from support.databases import Database
from support.server import serving
from support.streams import decode
from support.waiting import HANG_SECONDS
from tocsin.adapters.clock import SystemClock
from tocsin.domain.errors import Unauthenticated
from tocsin.domain.keys import Scope as KeyScope
from tocsin.domain.keys import mint
from tocsin.domain.org import Org
from tocsin.embedded import EventStream, TocsinLog
from tocsin.local.addresses import LOOPBACK, reserve
from tocsin.services.sealing.fanout import Fanout

pytestmark = pytest.mark.anyio
PATH = "/api/kavach/events/stream"
ROOT = Path(__file__).parents[2]
ACCEPT = {"Accept": "text/event-stream"}
CLOCK = SystemClock()
SINCE_EVER = f"{PATH}?since=2020-01-01T00:00:00Z"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Stage:
    stream: EventStream
    client: httpx.AsyncClient

    async def emit(self, *types: str, **fields: Any) -> int:
        """Emit events and return the last one's seq."""
        emitted = [self.stream.emit({"type": type, **fields}) for type in types or ("audit",)]
        last = [await each for each in emitted][-1]
        assert last is not None
        return last.seq

    @asynccontextmanager
    async def watching(self, path: str = PATH, **headers: str) -> AsyncIterator[Watcher]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.stream("GET", path, headers=ACCEPT | named) as response:
            assert response.status_code == 200, await response.aread()
            yield Watcher(response)

    async def gone(self) -> None:
        """Wait until nobody is connected."""
        while self.stream.connection_count:
            await self.client.get("/nothing")


def starlette(stream: EventStream) -> ASGIApp:
    return Starlette(routes=[Route(stream.path, stream)], lifespan=stream.lifespan)


@asynccontextmanager
async def stage(
    db: Any = ":memory:",
    *,
    app: Callable[[EventStream], ASGIApp] = starlette,
    access_log: bool = False,
    **options: Any,
) -> AsyncIterator[Stage]:
    if "validate_token" not in options:
        options["require_auth"] = False
    stream = EventStream(db, **options)
    limits = httpx.Limits(max_connections=None)
    async with (
        asyncio.timeout(HANG_SECONDS),
        serving(app(stream), access_log=access_log) as url,
        httpx.AsyncClient(base_url=url, limits=limits, timeout=HANG_SECONDS) as client,
    ):
        yield Stage(stream, client)


async def subscriber(token: str) -> str | None:
    return token.removeprefix("token-of-") if token.startswith("token-of-") else None


# The example


async def test_the_example_as_its_reader_runs_it(tmp_path: Path) -> None:
    held = reserve(0)
    url = f"http://{LOOPBACK}:{held.getsockname()[1]}"
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(ROOT / "examples")]
    command += ["embedded:app", "--port", url.rpartition(":")[2], "--log-level", "warning"]
    process = subprocess.Popen(command, cwd=tmp_path)  # noqa: ASYNC220, S603
    try:
        async with (
            asyncio.timeout(HANG_SECONDS),
            httpx.AsyncClient(base_url=url, timeout=HANG_SECONDS) as client,
        ):
            while True:
                assert process.poll() is None
                try:
                    await client.post("/agents", json={"agentId": "a1", "name": "first"})
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
            query = "?token=secret&since=2020-01-01T00:00:00Z"
            async with aconnect_sse(client, "GET", PATH + query) as source:
                messages = (message async for message in source.aiter_sse() if message.data)
                await client.post("/agents", json={"agentId": "a2", "name": "second"})
                first, second = [await anext(messages) for _ in range(2)]
                assert [first.event, first.id, second.id] == ["agent.created", "1", "2"]
                assert first.json()["data"] == {"agentId": "a1", "name": "first"}
                assert (second.json()["data"]["agentId"], second.json()["userId"]) == (
                    "a2",
                    "alice",
                )
                process.terminate()  # with a stream open, which would not end by itself
                assert [message async for message in messages] == []
            assert await asyncio.to_thread(process.wait, 20) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
        held.close()


def test_the_example_is_short_and_in_the_readme() -> None:
    code = (ROOT / "examples" / "embedded.py").read_text()
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 22
    assert "(examples/embedded.py)" in (ROOT / "README.md").read_text()


# What is documented


async def test_what_is_emitted_arrives_as_documented() -> None:
    async with stage() as on, on.watching() as watcher:
        assert watcher.response.headers["content-type"] == "text/event-stream"
        assert "no-cache" in watcher.response.headers["cache-control"]
        assert watcher.response.headers["x-accel-buffering"] == "no"
        await watcher.read()
        moment = datetime(2026, 1, 15, 10, tzinfo=UTC)
        data = {"agentId": "a1", "reason": "manual-revocation"}
        named = {"agentId": "a1", "userId": "u1"}
        await on.emit("agent.revoked", id="mine", timestamp=moment, data=data, **named)
        await watcher.until(1)
        (message,) = decode(watcher.data)
        assert (message.event, message.id) == ("agent.revoked", "1")
        assert message.fields == {
            "id": "mine",
            "type": "agent.revoked",
            "timestamp": "2026-01-15T10:00:00.000Z",
            "data": data,
            **named,
            "seq": 1,
        }


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {}),
        ("?token=", {}),
        ("?token=forged", {}),
        ("", {"Authorization": "Bearer forged"}),
        ("", {"Authorization": "Basic token-of-u1"}),
        ("?token=token-of-u1", {"Authorization": "Bearer forged"}),
    ],
)
async def test_a_token_that_is_not_valid_is_told_in_the_stream(
    query: str, headers: dict[str, str]
) -> None:
    async with stage(validate_token=subscriber) as on:
        response = await on.client.get(PATH + query, headers=ACCEPT | headers)
        assert response.status_code == 200
        (message,) = decode(response.content)
        assert message.event == "error"
        assert message.fields == {"code": "UNAUTHORIZED", "message": "Invalid token"}
        await on.gone()


async def test_a_valid_token_comes_in_either_way_and_reaches_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with stage(validate_token=subscriber, access_log=True) as on:
        seq = await on.emit()
        async with on.watching(SINCE_EVER, Authorization="Bearer token-of-u1") as watcher:
            assert await watcher.until(seq) == [seq]
        async with on.watching(f"{SINCE_EVER}&token=token-of-u1") as watcher:
            assert await watcher.until(seq) == [seq]
    access = "".join(each.getMessage() for each in caplog.records if "uvicorn" in each.name)
    assert "since=" in access
    assert "token" not in access


async def test_validate_token_that_fails_lets_nobody_in(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(token: str) -> str | None:
        raise LookupError("the sessions are gone")

    async with stage(validate_token=broken) as on:
        response = await on.client.get(f"{PATH}?token=t", headers=ACCEPT)
        (message,) = decode(response.content)
        assert message.fields["code"] == "UNAUTHORIZED"
    assert "validate_token failed" in caplog.text


async def test_many_tokens_are_validated_at_once_and_may_use_threads() -> None:
    all_are_asked = asyncio.Barrier(60)

    async def slow(token: str) -> str | None:
        await all_are_asked.wait()
        return await asyncio.to_thread(lambda: token)

    async with stage(validate_token=slow) as on:
        seq = await on.emit()

        async def watch(n: int) -> list[int]:
            async with on.watching(f"{SINCE_EVER}&token=t{n}") as watcher:
                return await watcher.until(seq)

        assert await asyncio.gather(*map(watch, range(60))) == [[seq]] * 60


async def test_a_token_that_is_not_valid_any_more_ends_its_stream() -> None:
    valid = {"a", "b"}

    async def known(token: str) -> str | None:
        return token if token in valid else None

    async with (
        stage(validate_token=known, recheck_seconds=0.05) as on,
        on.watching(f"{PATH}?token=a") as ours,
        on.watching(f"{PATH}?token=b") as other,
    ):
        valid.remove("a")
        (message,) = decode(await ours.to_the_end())
        assert (message.event, message.fields["code"]) == ("error", "UNAUTHORIZED")
        assert await other.until(await on.emit()) == [1]


async def test_a_token_for_one_use_is_validated_once() -> None:
    unused = {"once"}

    async def use(token: str) -> str | None:
        if token not in unused:
            return None
        unused.remove(token)
        return "u1"

    options: dict[str, Any] = {"recheck_seconds": None, "heartbeat_seconds": 0.05}
    async with stage(validate_token=use, **options) as on, on.watching(f"{PATH}?token=once") as one:
        while one.data.count(b": heartbeat\n") < 10:
            assert await one.read()


TYPES = ("agent.created", "audit", "budget.exceeded", "anomaly.detected")


async def test_types_filter_what_is_replayed_and_what_is_live() -> None:
    async with stage() as on:
        last = await on.emit(*TYPES)
        async with on.watching(f"{SINCE_EVER}&types=anomaly.detected,audit") as watcher:
            assert await watcher.until(last) == [2, 4]
            last = await on.emit(*TYPES)
            assert await watcher.until(last) == [2, 4, 6, 8]


@pytest.mark.parametrize(
    ("types", "seqs"), [("", [2, 4, 6, 8]), ("&types=audit,agent.created", [2, 6])]
)
async def test_nobody_gets_other_types_than_the_modules(types: str, seqs: list[int]) -> None:
    async with stage(event_types=["audit", "anomaly.detected"]) as on:
        await on.emit(*TYPES)
        async with on.watching(SINCE_EVER + types) as watcher:
            last = await on.emit(*TYPES)
            while watcher.decoder.last_event_id != str(last):
                assert await watcher.read()
            assert [message.seq for message in decode(watcher.data)] == seqs
        response = await on.client.get(f"{PATH}?types=agent.created", headers=ACCEPT)
        assert response.status_code == 403


async def test_who_was_away_gets_what_it_missed_also_after_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path / "log.db") as on:
        async with on.watching() as watcher:
            await watcher.read()
            assert await watcher.until(await on.emit(*["audit"] * 3)) == [1, 2, 3]
        await on.emit("auth.failed", "audit")
    async with stage(tmp_path / "log.db") as on:
        last = await on.emit()
        cursor = watcher.decoder.last_event_id
        async with on.watching(SINCE_EVER, Last_Event_ID=cursor) as watcher:
            assert await watcher.until(last) == [4, 5, 6]
        async with on.watching(f"{SINCE_EVER}&types=auth.failed") as watcher:
            assert await watcher.until(last) == [4]
        response = await on.client.get(f"{PATH}?since=soon", headers=ACCEPT)
        assert response.status_code == 400
        assert "neither a time" in response.json()["error"]


async def test_too_many_connections() -> None:
    async with stage(max_connections=2) as on:
        async with on.watching(), on.watching():
            response = await on.client.get(PATH, headers=ACCEPT)
            assert (response.status_code, response.text) == (503, "Too many connections")
            assert on.stream.connection_count == 2
        await on.gone()
        async with on.watching():
            pass


async def test_a_silent_stream_says_that_it_lives() -> None:
    async with stage(heartbeat_seconds=0.05) as on, on.watching() as watcher:
        while watcher.data.count(b": heartbeat\n") < 3:
            assert await watcher.read()
        assert b": heartbeat\n: heartbeat\n" in watcher.data


async def test_close_ends_the_streams_and_admits_nobody() -> None:
    async with stage() as on:
        async with on.watching() as one, on.watching() as other:
            last = await on.emit()
            await one.until(last)
            on.stream.close()
            await one.to_the_end()
            await other.to_the_end()
            assert [message.event for message in decode(one.data)] == ["audit"]
        await on.gone()
        assert (await on.client.get(PATH, headers=ACCEPT)).status_code == 503
        assert await on.emit() == last + 1  # the log is still open


async def test_clients_that_break_off_are_forgotten() -> None:
    async with stage() as on:
        url = on.client.base_url
        loop = asyncio.get_running_loop()
        request = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n".encode()
        for _ in range(3):
            clients = []
            for _ in range(50):
                client = socket.create_connection((str(url.host), url.port))
                client.setblocking(False)
                await loop.sock_sendall(client, request)
                assert b"200 OK" in await loop.sock_recv(client, 1_000)
                clients.append(client)
            assert on.stream.connection_count == 50
            for client in clients:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.close()  # a reset, not a goodbye
            await on.gone()


# Applications of several kinds


def fastapi(stream: EventStream) -> ASGIApp:
    app = FastAPI(lifespan=stream.lifespan)
    app.add_route(stream.path, stream)  # type: ignore[arg-type]

    @app.get("/other")
    async def other() -> dict[str, str]:
        return {"other": "route"}

    return app


def mounted(stream: EventStream) -> ASGIApp:
    async def other(request: object) -> Response:
        return JSONResponse({"other": "route"})

    routes = [Route("/other", other), Mount("/", stream)]
    return Starlette(routes=routes, lifespan=stream.lifespan)


def in_front(stream: EventStream) -> ASGIApp:
    """Bare ASGI, the stream before all else."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await stream(scope, receive, send)
        elif (response := stream.handle_request(scope)) is not None:
            await response(scope, receive, send)
        else:
            await JSONResponse({"other": "route"})(scope, receive, send)

    return app


@pytest.mark.parametrize("app", [fastapi, mounted, in_front])
async def test_an_embedded_stream_lives_in_any_application(
    app: Callable[[EventStream], ASGIApp],
) -> None:
    async with stage(app=app) as on:
        seq = await on.emit()
        async with on.watching(SINCE_EVER) as watcher:
            assert await watcher.until(seq) == [1]
            assert (await on.client.get("/other")).json() == {"other": "route"}
            assert await watcher.until(await on.emit()) == [1, 2]


async def test_alone_it_serves_its_path_and_nothing_else() -> None:
    async with stage(app=lambda stream: stream, path="/events") as on:
        seq = await on.emit()
        async with on.watching("/events?after=0") as watcher:
            assert await watcher.until(seq) == [1]
        response = await on.client.get(PATH)
        assert response.status_code == 404
        assert "/events" in response.json()["error"]


# One order


async def test_threads_and_tasks_emit_at_once_into_one_order(tmp_path: Path) -> None:
    async with stage(tmp_path / "log.db") as on:

        def in_a_thread(name: int) -> list[int]:
            emitted = [on.stream.emit({"type": "audit", "id": f"t{name}.{n}"}) for n in range(100)]
            return [event.seq for each in emitted if (event := each.result(30))]

        async def in_a_task(name: int) -> list[int]:
            return [await on.emit("audit", id=f"c{name}.{n}") for n in range(20)]

        async with on.watching() as one, on.watching() as other:
            await one.read()
            await other.read()
            loop = asyncio.get_running_loop()
            with ThreadPoolExecutor(4) as pool:
                orders = await asyncio.gather(
                    *(loop.run_in_executor(pool, in_a_thread, name) for name in range(4)),
                    *map(in_a_task, range(4)),
                )
            everything = list(range(1, 481))
            assert sorted(chain.from_iterable(orders)) == everything
            assert all(order == sorted(order) for order in orders)
            assert await one.until(480) == await other.until(480) == everything
            assert decode(one.data) == decode(other.data)


async def test_a_killed_process_loses_nothing_that_was_stored(tmp_path: Path) -> None:
    path, stored, cursor = tmp_path / "log.db", dict[int, str](), "0"
    for life in range(3):
        process = await emitter(path, f"life{life}")
        for _ in range(40):
            stored.update([await acknowledged(process)])
        process.kill()
        while (line := await output(process).readline()).endswith(b"\n"):  # the last may be cut
            seq, id = line.decode().split()
            stored[int(seq)] = id
        await process.wait()
        async with stage(path) as on:
            last = await on.emit(id=f"after{life}")
            assert (await on.stream.verify()).last_seq == last
            async with on.watching(Last_Event_ID=cursor) as watcher:
                seqs = await watcher.until(last)
                assert seqs == list(range(int(cursor) + 1, last + 1))
                found = {message.seq: message.fields["id"] for message in decode(watcher.data)}
            assert {seq: found[seq] for seq in stored if seq > int(cursor)} == {
                seq: id for seq, id in stored.items() if seq > int(cursor)
            }
            cursor = str(last)
    assert len(stored) >= 120


async def test_two_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with stage(path) as on, on.watching() as watcher:
        await watcher.read()
        process = await emitter(path, "other")
        try:
            ours = [await on.emit("audit", id="ours") for _ in range(200)]
            theirs = [(await acknowledged(process))[0] for _ in range(20)]
        finally:
            process.kill()
            await process.wait()
        assert not set(ours) & set(theirs)
        last = await on.emit()
        assert await watcher.until(last) == list(range(1, last + 1))
        await on.stream.verify()


async def test_what_only_another_process_stored_is_seen_too(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with stage(path) as on, on.watching() as watcher:
        await watcher.read()
        process = await emitter(path, "other")
        try:
            seq, _ = await acknowledged(process)
        finally:
            process.kill()
            await process.wait()
        while int(watcher.decoder.last_event_id) < seq:
            assert await watcher.read()


# On Tocsin's ledger


async def test_on_tocsins_ledger(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    stores, settings = database.stores()
    variables = {f"TOCSIN_{name.upper()}": value for name, value in settings.model_dump().items()}
    for name, value in (database.env | variables).items():
        monkeypatch.setenv(name, value)
    token, key = mint("acme", frozenset({KeyScope.INGEST}), "library", 1)
    stores.keys.put(key)
    stores.orgs.put(Org("acme"))
    fanout = Fanout(ledger=stores.ledger, set_aside=stores.set_aside, broker=None, clock=CLOCK)
    log = TocsinLog.from_environment(token)
    async with stage(log, validate_token=subscriber) as on:
        async with on.watching(f"{PATH}?token=token-of-u1") as watcher:
            emitted = [on.stream.emit({"type": "audit", "id": f"e{n}"}) for n in range(3)]
            assert [await each for each in emitted] == [None] * 3
            accepted = await asyncio.to_thread(stores.journal.between, "acme", "", "z", 10)
            await asyncio.to_thread(fanout, accepted)
            assert await watcher.until(3) == [1, 2, 3]
            assert [message.fields["id"] for message in decode(watcher.data)] == ["e0", "e1", "e2"]
        (newest, *_) = await on.stream.replay(datetime(2020, 1, 1, tzinfo=UTC))
        assert (newest.id, newest.seq) == ("e2", 3)
        assert (await on.stream.verify()).last_seq == 3


def test_on_tocsins_ledger_it_takes_an_api_key() -> None:
    parts: Any = None
    with pytest.raises(Unauthenticated, match="tocsin keys create"):
        TocsinLog("nonsense", parts, parts)


async def emitter(path: Path, name: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "support.emitter", str(path), name]
    folders = os.pathsep.join([str(ROOT / "layers"), str(ROOT / "tests")])
    return await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONPATH": folders}
    )


async def acknowledged(process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Return the seq and id that a process printed next."""
    seq, id = (await output(process).readline()).decode().split()
    return int(seq), id


def output(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    assert process.stdout is not None
    return process.stdout
