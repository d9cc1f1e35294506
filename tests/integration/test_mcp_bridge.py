"""Stdio in front of streamable HTTP: what a line becomes, and what comes back."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event
from typing import Any

import mcp
import pytest
from mcp.client.stdio import stdio_client

from support.fake_tocsin import API_KEY, FakeTocsin, fake_tocsin
from support.mcp_servers import Asked, ToldServer, real_server, says, streams, told_server
from tocsin.cli._passing import client_session
from tocsin.cli.mcp.http import bridge
from tocsin.cli.mcp.http.bridge import Bridge
from tocsin.cli.mcp.http.upstream import Upstream

MODERN: dict[str, Any] = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}
INITIALIZE = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


@pytest.fixture
def told() -> Iterator[ToldServer]:
    with told_server() as server:
        yield server


def call(id: Any = 1, **params: Any) -> dict[str, Any]:
    fields = {"name": "t", "arguments": {}} | params
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": fields}


def result(id: Any, **fields: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "result": fields}


def event(message: Any, id: str = "") -> bytes:
    head = f"id: {id}\n" if id else ""
    return f"{head}data: {json.dumps(message)}\n\n".encode()


class Client:
    """What a client says by lines, and hears."""

    def __init__(self, said: asyncio.Queue[bytes | None], heard: asyncio.StreamReader) -> None:
        self._said = said
        self._heard = heard

    async def says(self, *messages: Any) -> None:
        for message in messages:
            await self._said.put(json.dumps(message).encode())

    async def hears(self) -> Any:
        return json.loads(await self._heard.readline())

    async def end(self) -> None:
        await self._said.put(None)


@asynccontextmanager
async def bridged(url: str, **headers: str) -> AsyncIterator[Client]:
    source, sink = os.pipe()
    said = asyncio.Queue[bytes | None]()

    async def lines() -> AsyncIterator[bytes]:
        while (line := await said.get()) is not None:
            yield line

    heard = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(heard), os.fdopen(source, "rb", 0)
    )
    async with client_session() as session:
        running = asyncio.create_task(Bridge(url, Upstream(headers), session, sink).run(lines()))
        client = Client(said, heard)
        try:
            yield client
        finally:
            await client.end()
            await running
            os.close(sink)
            transport.close()


def run(url: str, use: Callable[[Client], Awaitable[None]], **headers: str) -> None:
    async def session() -> None:
        async with bridged(url, **headers) as client:
            await asyncio.wait_for(use(client), 60)

    asyncio.run(session())


def handshake(session: str = "s1") -> Callable[[Any, Asked], bool]:
    """Return what answers a handshake, and says whether it was one."""

    def answer(handler: Any, asked: Asked) -> bool:
        method = json.loads(asked.body)["method"] if asked.body else asked.method
        if method == "initialize":
            said = json.dumps(result(0, protocolVersion="2025-11-25"))
            says(handler, said.encode(), Mcp_Session_Id=session)
        elif method == "notifications/initialized":
            says(handler, b"", status=202)
        elif method in ("GET", "DELETE"):
            says(handler, b"", status=405)
        else:
            return False
        return True

    return answer


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_real_client_over_stdio_and_a_real_server_over_http(tmp_path: Path, mode: Any) -> None:
    async def session(url: str, tocsin: FakeTocsin) -> None:
        place = {"TOCSIN_URL": tocsin.url, "TOCSIN_API_KEY": API_KEY, "TOCSIN_HOME": str(tmp_path)}
        relay = mcp.StdioServerParameters(
            command=sys.executable,
            args=[
                *("-m", "tocsin.cli", "mcp", "--http", url, "--stdio"),
                *("--header", "Authorization: Bearer ${A_TOKEN}"),
            ],
            env=os.environ | place | {"A_TOKEN": "the-secret"},
        )
        with (tmp_path / "errors").open("w") as errors:
            transport = stdio_client(relay, errlog=errors)
            async with mcp.Client(transport, mode=mode) as client:
                assert len((await client.list_tools()).tools) == 4
                many = (client.call_tool("add", {"a": n, "b": n}) for n in range(10))
                results = await asyncio.gather(*many)
                assert [each.structured_content for each in results] == [
                    {"result": 2 * n} for n in range(10)
                ]
                shown = await client.call_tool("authorization", {})
                assert shown.structured_content == {"result": "Bearer the-secret"}

    with real_server() as url, fake_tocsin() as tocsin:
        asyncio.run(session(url, tocsin))
        tocsin.wait_until(lambda: len(tocsin.ledger) >= 15)
        calls = [each for each in tocsin.ledger if each["type"] == "tool_call"]
    assert len(calls) == 11
    assert {each["server_id"] for each in calls} == {"demo"}
    assert b"the-secret" not in b"".join(request.body for request in tocsin.ingests)


def test_a_session_is_kept_and_ended(told: ToldServer) -> None:
    shaken = handshake()
    told.answer = lambda handler, asked: (
        None if shaken(handler, asked) else says(handler, json.dumps(result(1)).encode())
    )

    async def use(client: Client) -> None:
        await client.says(INITIALIZE, INITIALIZED, call())
        assert (await client.hears())["id"] == 0
        assert await client.hears() == result(1)

    run(told.url, use)
    posts = [each.headers for each in told.asked if each.method == "POST"]
    assert [each.get("mcp-session-id") for each in posts] == [None, "s1", "s1"]
    assert [each.get("mcp-protocol-version") for each in posts] == [None, *["2025-11-25"] * 2]
    assert told.asked[-1].method == "DELETE"
    assert told.asked[-1].headers["mcp-session-id"] == "s1"


def test_a_lost_session_is_begun_anew_and_the_call_made_once(told: ToldServer) -> None:
    lost = list[str]()

    def answer(handler: Any, asked: Asked) -> None:
        if handshake(f"s{len(lost) + 1}")(handler, asked):
            return
        session = asked.headers["mcp-session-id"]
        if session == "s1":
            lost.append(session)
            says(handler, b"", status=404)
        else:
            says(handler, json.dumps(result(1, session=session)).encode())

    told.answer = answer

    async def use(client: Client) -> None:
        await client.says(INITIALIZE, INITIALIZED, call())
        await client.hears()
        assert await client.hears() == result(1, session="s2")

    run(told.url, use)


def test_a_newer_request_mirrors_what_it_says_in_headers(told: ToldServer) -> None:
    schema = {
        "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "in": {"properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
            "flag": {"type": "boolean", "x-mcp-header": "bad header\r\n"},
        }
    }
    tools = [{"name": "t", "inputSchema": schema}, {"name": 5}, None]

    def answer(handler: Any, asked: Asked) -> None:
        message = json.loads(asked.body)
        fields = {"tools": tools} if message["method"] == "tools/list" else {}
        says(handler, json.dumps(result(message["id"], **fields)).encode())

    told.answer = answer

    async def use(client: Client) -> None:
        await client.says({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": MODERN})
        await client.hears()
        arguments = {"region": "Größe", "in": {"n": 7}, "flag": True}
        await client.says(call(2, arguments=arguments, **MODERN))
        await client.hears()

    run(told.url, use)
    first, second = (each.headers for each in told.asked)
    assert (first["mcp-method"], "mcp-name" in first) == ("tools/list", False)
    assert (second["mcp-method"], second["mcp-name"]) == ("tools/call", "t")
    assert second["mcp-protocol-version"] == "2026-07-28"
    assert second["mcp-param-region"] == "=?base64?R3LDtsOfZQ==?="
    assert second["mcp-param-n"] == "7"
    assert "mcp-session-id" not in second


def test_a_stream_s_messages_are_lines_as_they_come(told: ToldServer) -> None:
    progress = {"jsonrpc": "2.0", "method": "notifications/progress"}
    pretty = json.dumps(result(1, text="a\nb"), indent=1).replace("\n", "\ndata: ")
    told.answer = lambda handler, asked: streams(
        handler, b": hello\n\ndata:\n\n", event(progress), f"data: {pretty}\n\n".encode()
    )

    async def use(client: Client) -> None:
        await client.says(call(**MODERN))
        assert await client.hears() == progress
        assert await client.hears() == result(1, text="a\nb")

    run(told.url, use)


def test_a_stream_that_breaks_off_is_resumed(told: ToldServer) -> None:
    shaken = handshake()
    resumed = list[str]()

    def answer(handler: Any, asked: Asked) -> None:
        last = asked.headers.get("last-event-id")
        if last is None and shaken(handler, asked):
            return
        if last is not None:
            resumed.append(last)
            found = event(result(1), "3") if len(resumed) == 2 else b"id: 2\nretry: 1\ndata:\n\n"
            streams(handler, found)
        else:
            streams(handler, b"id: 1\nretry: 1\ndata:\n\n")

    told.answer = answer

    async def use(client: Client) -> None:
        await client.says(INITIALIZE, INITIALIZED, call())
        await client.hears()
        assert await client.hears() == result(1)

    run(told.url, use)
    assert resumed == ["1", "2"]


def test_what_the_server_says_of_its_own_accord_comes(told: ToldServer) -> None:
    shaken = handshake()
    changed = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}

    def answer(handler: Any, asked: Asked) -> None:
        if asked.method == "GET":
            streams(handler, event(changed))
        else:
            shaken(handler, asked)

    told.answer = answer

    async def use(client: Client) -> None:
        await client.says(INITIALIZE, INITIALIZED)
        await client.hears()
        assert await client.hears() == changed

    run(told.url, use)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda handler: says(handler, b"no", "text/plain", status=401), "--header"),
        (lambda handler: says(handler, b"", status=500), "HTTP status 500"),
        (lambda handler: says(handler, b"", status=307, Location="http://x/"), "where it leads"),
        (lambda handler: says(handler, b"<html>"), "connection was lost"),
        (lambda handler: streams(handler, b"data: {}\n\n"), "connection was lost"),
        (lambda handler: handler.connection.shutdown(socket.SHUT_RDWR), "reached"),
        (lambda handler: streams(handler, event(result("other"))), "connection was lost"),
    ],
)
def test_a_request_is_answered_whatever_the_server_does(
    told: ToldServer, answer: Callable[[Any], None], words: str
) -> None:
    told.answer = lambda handler, asked: answer(handler)

    async def use(client: Client) -> None:
        await client.says(call(7, **MODERN))
        while (said := await client.hears()).get("id") != 7:
            pass
        assert words in said["error"]["message"]

    run(told.url, use)


def test_errors_of_json_rpc_pass_whatever_their_status(told: ToldServer) -> None:
    refusal = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32022, "message": "which version?"}}
    told.answer = lambda handler, asked: says(handler, json.dumps(refusal).encode(), status=400)

    async def use(client: Client) -> None:
        await client.says(call(**MODERN))
        assert await client.hears() == refusal

    run(told.url, use)


def test_what_is_cancelled_ends_the_stream_in_the_newer_protocol(told: ToldServer) -> None:
    gone = Event()

    def answer(handler: Any, asked: Asked) -> None:
        if json.loads(asked.body)["method"] == "ping":
            says(handler, json.dumps(result(2)).encode())
            return
        streams(handler, event({"jsonrpc": "2.0", "method": "notifications/progress"}), end=False)
        if handler.connection.recv(1) == b"":
            gone.set()

    told.answer = answer
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}

    async def use(client: Client) -> None:
        await client.says(call(1, **MODERN))
        await client.hears()
        await client.says(cancelled, {"jsonrpc": "2.0", "id": 2, "method": "ping"})
        assert await client.hears() == result(2)
        assert await asyncio.to_thread(gone.wait, 60)

    run(told.url, use)
    assert len(told.asked) == 2  # the cancellation was no message


def test_a_server_that_says_too_much_at_once_is_cut_off(
    told: ToldServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge, "_MAX_MESSAGE_BYTES", 10_000)
    told.answer = lambda handler, asked: (
        streams(handler, b"data: " + b"x" * 20_000)
        if json.loads(asked.body)["id"] == 1
        else says(handler, b"[" + b" " * 20_000)
    )

    async def use(client: Client) -> None:
        for id in (1, 2):
            await client.says(call(id, **MODERN))
            assert "too large" in (await client.hears())["error"]["message"]

    run(told.url, use)
