"""`tocsin mcp --http` between real clients and servers, and hostile ones."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import mcp
import pytest

from support.fake_tocsin import API_KEY, FakeTocsin, fake_tocsin
from support.mcp_servers import Asked, ToldServer, real_server, says, streams, told_server
from support.waiting import HANG_SECONDS, until

ACCEPT = {"Accept": "application/json, text/event-stream"}
OK = {"jsonrpc": "2.0", "id": 1, "result": {"content": []}}


@pytest.fixture
def tocsin() -> Iterator[FakeTocsin]:
    with fake_tocsin() as server:
        yield server


@pytest.fixture(scope="module")
def streaming() -> Iterator[str]:
    with real_server() as url:
        yield url


@pytest.fixture(scope="module")
def plain() -> Iterator[str]:
    with real_server(json_response=True, stateless_http=True) as url:
        yield url


@pytest.fixture
def told() -> Iterator[ToldServer]:
    with told_server() as server:
        server.answer = lambda handler, asked: says(handler, answer_to(asked))
        yield server


class Relay:
    """A running relay in front of a URL."""

    def __init__(self, tocsin: FakeTocsin, home: Path, server: str, *options: str) -> None:
        place = {"TOCSIN_URL": tocsin.url, "TOCSIN_API_KEY": API_KEY, "TOCSIN_HOME": str(home)}
        self.process = subprocess.Popen(  # noqa: S603 (our own program)
            [sys.executable, "-m", "tocsin.cli", "mcp", "--http", server, "--port", "0", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | place,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().decode().strip()
        assert self.url.startswith("http://127.0.0.1:"), self.process.stderr

    def post(self, message: Any, **headers: str) -> httpx.Response:
        return self.send(json.dumps(message).encode(), **headers)

    def send(self, body: bytes, **headers: str) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(self.url, content=body, headers=ACCEPT | given, timeout=HANG_SECONDS)

    def end(self) -> str:
        """End it, and return what it said on standard error."""
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=HANG_SECONDS)
        assert self.process.returncode == 0, err
        return err.decode()


type Start = Callable[..., Relay]


@pytest.fixture
def start(tocsin: FakeTocsin, tmp_path: Path) -> Iterator[Start]:
    relays: list[Relay] = []

    def start_one(server: str, *options: str) -> Relay:
        relays.append(Relay(tocsin, tmp_path, server, *options))
        return relays[-1]

    yield start_one
    for relay in relays:
        relay.process.kill()
        relay.process.communicate()


def call(id: Any = 1, tool: str = "add", meta: Any = None, **arguments: Any) -> dict[str, Any]:
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    if meta is not None:
        params["_meta"] = meta
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}


def answer_to(asked: Asked, **result: Any) -> bytes:
    id = json.loads(asked.body).get("id") if asked.body else None
    return json.dumps(OK | {"id": id, "result": {"content": [], **result}}).encode()


def events(response: httpx.Response) -> list[Any]:
    """Return the messages of a stream of events."""
    found = [line for line in response.text.splitlines() if line.startswith("data:")]
    return [json.loads(line.removeprefix("data:")) for line in found]


def tool_calls(tocsin: FakeTocsin) -> list[dict[str, Any]]:
    return [event for event in tocsin.ledger if event["type"] == "tool_call"]


# Real clients and servers


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("kind", ["streaming", "plain"])
def test_real_clients_and_servers(
    start: Start, tocsin: FakeTocsin, request: pytest.FixtureRequest, kind: str, mode: Any
) -> None:
    relay = start(request.getfixturevalue(kind))
    seen = list[float]()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    async def session() -> None:
        info = mcp.Implementation(name="an-agent", version="1")
        async with mcp.Client(relay.url, mode=mode, client_info=info) as client:
            assert len((await client.list_tools()).tools) == 4
            added = await client.call_tool("add", {"a": 1, "b": 2})
            assert added.structured_content == {"result": 3}
            assert not (await client.call_tool("count", {}, progress_callback=on_progress)).is_error
            assert (await client.call_tool("fail", {})).is_error
            many = (client.call_tool("add", {"a": n, "b": n}) for n in range(20))
            results = await asyncio.gather(*many)
            assert [each.structured_content for each in results] == [
                {"result": 2 * n} for n in range(20)
            ]

    asyncio.run(session())
    assert seen == ([1, 2, 3] if kind == "streaming" else [])
    relay.end()
    calls = tool_calls(tocsin)
    assert [event["tool_name"] for event in calls].count("add") == 21
    assert sorted({event["tool_name"] for event in calls}) == ["add", "count", "fail"]
    assert {event["server_id"] for event in calls} == {"demo"}
    assert {event.get("agent_id") for event in calls} == {"an-agent"}
    assert {event["metadata"]["outcome"] for event in calls} == {"ok", "tool_error"}
    defined = [event for event in tocsin.ledger if event["type"] == "mcp.tool_definition"]
    assert len(defined) == 4


def test_an_authorization_passes_and_is_recorded_nowhere(
    start: Start, tocsin: FakeTocsin, told: ToldServer, tmp_path: Path
) -> None:
    relay = start(told.url, "--record-arguments", "--record-results")
    relay.post(call(), Authorization="Bearer the-secret", Mcp_Session_Id="session-secret")
    assert told.asked[0].headers["authorization"] == "Bearer the-secret"
    said = relay.end()
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    bodies = [request.body for request in tocsin.ingests]
    assert b"secret" not in b"".join([*written, *bodies, said.encode()])
    assert [event["tool_name"] for event in tool_calls(tocsin)] == ["add"]


# What passes


def test_requests_and_answers_pass_as_they_are(start: Start, told: ToldServer) -> None:
    odd = b' {"jsonrpc" :"2.0","id":1, "result":{"content":[],"x":1.0e0}}\n'
    told.answer = lambda handler, asked: says(
        handler, odd, "application/json; charset=utf-8", Mcp_Session_Id="s1", X_Own="é"
    )
    relay = start(told.url + "?key=a%20b")
    body = b'{ "method":"initialize", "id" :1,"params":{"a":"\xc3\xa9"}}'
    got = relay.send(body, MCP_Protocol_Version="2025-11-25", X_Mine="1", Mcp_Param_Region="x")
    assert (got.status_code, got.content) == (200, odd)
    assert got.headers["mcp-session-id"] == "s1"
    (asked,) = told.asked
    assert (asked.method, asked.body, asked.path) == ("POST", body, "/mcp?key=a%20b")
    assert asked.headers["mcp-protocol-version"] == "2025-11-25"
    assert (asked.headers["x-mine"], asked.headers["mcp-param-region"]) == ("1", "x")
    assert asked.headers["accept"] == ACCEPT["Accept"]


@pytest.mark.parametrize("status", [202, 400, 401, 404, 405, 500])
def test_statuses_pass(start: Start, told: ToldServer, status: int) -> None:
    told.answer = lambda handler, asked: says(
        handler, b"", status=status, WWW_Authenticate='Bearer resource_metadata="https://x/"'
    )
    relay = start(told.url)
    got = relay.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (got.status_code, got.content) == (status, b"")
    assert "resource_metadata" in got.headers["www-authenticate"]


def test_a_stream_passes_as_it_comes(start: Start, told: ToldServer) -> None:
    parts = [b": a comment\r\n", b"id: 7\r\nda", b"ta:\r\n\r\n", b"retry: 5\n\n"]
    first = asyncio.Event()

    def answer(handler: Any, asked: Asked) -> None:
        streams(handler, *parts, end=False)
        until(first.is_set, "the client's having seen the first part")
        streams(handler, b"data: {}\n\n")

    told.answer = answer
    relay = start(told.url)
    with httpx.stream(
        "POST", relay.url, json=call(), headers=ACCEPT, timeout=HANG_SECONDS
    ) as response:
        assert response.headers["content-type"] == "text/event-stream"
        got = b""
        for chunk in response.iter_raw():
            got += chunk
            if got == b"".join(parts):
                first.set()
    assert got == b"".join(parts) + b"data: {}\n\n"


def test_a_stream_that_is_resumed_ends_its_call(
    start: Start, tocsin: FakeTocsin, told: ToldServer
) -> None:
    def answer(handler: Any, asked: Asked) -> None:
        if asked.method == "GET":
            streams(handler, b"id: 2\ndata: " + json.dumps(OK | {"id": 5}).encode() + b"\n\n")
        elif asked.method == "DELETE":
            says(handler, b"")
        else:
            streams(handler, b"id: 1\ndata:\n\n")

    told.answer = answer
    relay = start(told.url)
    session = {"Mcp-Session-Id": "s"}
    assert relay.post(call(5), **session).text == "id: 1\ndata:\n\n"
    resumed = httpx.get(relay.url, headers=ACCEPT | session | {"Last-Event-ID": "1"})
    assert told.asked[1].headers["last-event-id"] == "1"
    assert events(resumed) == [OK | {"id": 5}]
    relay.post(call(6), **session)
    assert httpx.delete(relay.url, headers=session).status_code == 200
    tocsin.wait_until(lambda: len(tocsin.ledger) == 2)
    assert [event["metadata"]["outcome"] for event in tocsin.ledger] == ["ok", "no_response"]


def test_ids_of_several_clients_are_told_apart(
    start: Start, tocsin: FakeTocsin, told: ToldServer
) -> None:
    reached = list[str]()

    def answer(handler: Any, asked: Asked) -> None:
        tool = json.loads(asked.body)["params"]["name"]
        reached.append(tool)
        until(lambda: len(reached) == 4, "all calls")
        says(handler, answer_to(asked, isError=tool == "b"))

    told.answer = answer
    relay = start(told.url)

    async def ask() -> None:
        async with httpx.AsyncClient(timeout=HANG_SECONDS) as client:
            sessions: list[dict[str, str]] = [
                {},
                {},
                {"Mcp-Session-Id": "1"},
                {"Mcp-Session-Id": "2"},
            ]
            await asyncio.gather(
                *(
                    client.post(relay.url, json=call(1, tool), headers=ACCEPT | session)
                    for tool, session in zip("abcd", sessions, strict=True)
                )
            )

    asyncio.run(ask())
    relay.end()
    outcomes = {each["tool_name"]: each["metadata"]["outcome"] for each in tool_calls(tocsin)}
    assert outcomes == {"a": "ok", "b": "tool_error", "c": "ok", "d": "ok"}


def test_a_call_is_one_with_what_others_tell_of_it(
    start: Start, tocsin: FakeTocsin, told: ToldServer
) -> None:
    relay = start(told.url)
    trace, span = "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7"
    parent = f"00-{trace}-{span}-01"
    relay.post(call(meta={"claudecode/toolUseId": "toolu_0123456789abcdef", "traceparent": parent}))
    relay.post(call(meta={"callId": "call_of_codex_0123", "threadId": "t", "x/y": {"z": 1}}))
    relay.post(call(), traceparent=parent)
    relay.end()
    first, second, third = tool_calls(tocsin)
    assert first["tool_call_id"] == "toolu_0123456789abcdef"
    assert (first["trace_id"], first["parent_id"]) == (trace, span)
    assert "_meta" not in first["metadata"]
    assert second["tool_call_id"] == "call_of_codex_0123"
    assert second["metadata"]["_meta"] == {"threadId": "t", "x/y": {"z": 1}}
    assert (third["trace_id"], third["parent_id"]) == (trace, span)
