"""The gateway in front of a function host and a stream service that do as the test says."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from support.asgi import served
from support.waiting import HANG_SECONDS, until
from tocsin.local import proxy
from tocsin.local.addresses import LOOPBACK, reserve
from tocsin.local.apigateway import MAX_HEAD_BYTES, MAX_REQUEST_BYTES
from tocsin.local.entrance import GatewayProtocol
from tocsin.local.gateway import application
from tocsin.local.layout import NAMES, Layout
from tocsin.local.proxy import ReverseProxy

INGEST = "/api/v1/ingest/raw"
STREAMED = "/v1/events/anything"


@dataclass
class World:
    """What the gateway talks to, and where the gateway is."""

    url: str = ""
    events: list[Any] = field(default_factory=list)
    invoked: list[str] = field(default_factory=list)
    answer: Response = field(
        default_factory=lambda: JSONResponse({"statusCode": 200, "body": '{"ok": true}'})
    )
    upstream_left: bool = False

    async def invoke(self, request: Request) -> Response:
        self.events.append(await request.json())
        self.invoked.append(request.path_params["name"])
        return self.answer

    async def events_stream(self, request: Request) -> Response:
        async def messages() -> AsyncIterator[bytes]:
            try:
                for number in range(3):
                    yield b"id: %d\n\n" % number
                if "endless" in request.query_params:
                    await asyncio.Event().wait()
            finally:
                self.upstream_left = True

        return StreamingResponse(messages(), media_type="text/event-stream")

    async def echo(self, request: Request) -> Response:
        return JSONResponse(
            {
                "method": request.method,
                "query": request.scope["query_string"].decode(),
                "raw_path": request.scope["raw_path"].decode(),
                "headers": dict(request.headers),
                "body": (await request.body()).decode(),
            },
            418,
            headers={"X-Upstream": "yes"},
        )

    async def big(self, request: Request) -> Response:
        return PlainTextResponse("x" * 3_000_000)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World()
    host = Starlette(
        routes=[
            Route("/2015-03-31/functions/{name}/invocations", world.invoke, methods=["POST"]),
            Route("/health", lambda _: PlainTextResponse("ok")),
        ]
    )
    stream = Starlette(
        routes=[
            Route("/api/v1/events", world.events_stream),
            Route("/v1/events/big", world.big),
            Route("/{path:path}", world.echo, methods=["GET", "PUT", "HEAD"]),
        ]
    )
    with ExitStack() as running:
        closed = running.enter_context(reserve(0)).getsockname()[1]
        ports = dict.fromkeys(NAMES, closed)
        ports |= {
            **dict.fromkeys(("ingest", "api"), running.enter_context(served(host))),
            "stream": running.enter_context(served(stream)),
        }
        gateway = running.enter_context(
            served(application(Layout(tmp_path, ports, tmp_path, "key"), tmp_path), GatewayProtocol)
        )
        world.url = f"http://{LOOPBACK}:{gateway}"
        yield world


def test_a_request_reaches_the_function_as_a_proxy_event(world: World) -> None:
    answer = httpx.post(
        f"{world.url}{INGEST}?partial=true", json={"type": "x"}, headers={"X-Tag": "a"}
    )

    (event,) = world.events
    assert event["resource"] == "/api/v1/ingest/{proxy+}"
    assert event["pathParameters"] == {"proxy": "raw"}
    assert event["path"] == INGEST
    assert event["httpMethod"] == "POST"
    assert event["queryStringParameters"] == {"partial": "true"}
    assert event["headers"]["x-tag"] == "a"
    assert json.loads(event["body"]) == {"type": "x"}
    assert event["requestContext"]["identity"]["sourceIp"] == LOOPBACK
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert answer.headers["x-amzn-requestid"] == event["requestContext"]["requestId"]


@pytest.mark.parametrize(
    ("path", "function"),
    [
        ("/health", "api"),
        ("/api/v1/usage", "api"),
        ("/api/v1/session", "api"),
        ("/api/v1/session/org", "api"),
        ("/api/v1/ingest", "api"),
        ("/api/v1/agents/a%2Fb", "api"),
        ("/api/v1/ingest/raw", "ingest"),
        ("/api/v1/ingest/a/b", "ingest"),
        ("/v1/traces", "ingest"),
        ("/v1/logs", "ingest"),
        ("/v1/metrics", "ingest"),
        ("/v1/cloudevents", "ingest"),
        ("/v1/traces/", "api"),
        ("/v1/traces/a", "api"),
        ("/v1/tracesa", "api"),
        ("/metrics", "api"),
        ("/API/v1/events", "api"),
        ("/api/v1%2Fevents", "api"),
        ("/v1/stream-tickets", "stream"),
        ("/api/v1/events/a%2Fb", "stream"),
        ("/api/v1/agents/a/b/events", "stream"),
        ("/v1/approvals/a%2Fb/decision", "stream"),
    ],
)
def test_whose_a_request_is_its_path_says(world: World, path: str, function: str) -> None:
    answer = httpx.get(world.url + path)

    assert (world.invoked or ["stream"]) == [function]
    assert answer.status_code == (200 if world.invoked else 418)


def test_a_path_reaches_a_function_decoded_as_an_http_api_sends_it(world: World) -> None:
    httpx.get(world.url + "/api/v1/agents/a%2Fb%2525%20c?x=%2F&x=%25")

    (event,) = world.events
    assert (event["version"], event["resource"]) == ("1.0", "/{proxy+}")
    assert event["path"] == "/api/v1/agents/a/b%25 c"
    assert event["pathParameters"] == {"proxy": "api/v1/agents/a/b%25 c"}
    assert event["multiValueQueryStringParameters"] == {"x": ["/", "%"]}


@pytest.mark.parametrize(
    ("invoked", "status", "message"),
    [
        (
            JSONResponse({}, headers={"X-Amz-Function-Error": "Unhandled"}),
            502,
            "Internal server error",
        ),
        (JSONResponse({"no": "status"}), 502, "Internal server error"),
        (PlainTextResponse("not JSON"), 502, "Internal server error"),
        (JSONResponse({}, 413), 413, "Request Too Long"),
    ],
)
def test_a_failed_invocation_is_answered_as_api_gateway_does(
    world: World, invoked: Response, status: int, message: str
) -> None:
    world.answer = invoked

    answer = httpx.post(world.url + INGEST, content=b"{}")

    assert (answer.status_code, answer.json()) == (status, {"message": message})


@pytest.mark.parametrize("path", [INGEST, STREAMED])
def test_ten_megabytes_are_the_limit(world: World, path: str) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(11):
            yield b"x" * 1_000_000

    for content in (b"x" * (MAX_REQUEST_BYTES + 1), chunks()):
        try:
            answer = httpx.post(world.url + path, content=content)
        except httpx.WriteError:
            continue  # the connection was closed while the client was still sending
        assert (answer.status_code, answer.json()) == (413, {"message": "Request Too Long"})
    assert world.events == []


def say(world: World, *parts: bytes) -> bytes:
    """Send bytes, and return all that comes until the server closes the connection."""
    address = urlsplit(world.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while data := connection.recv(65_536):
            answer += data
    return answer


@pytest.mark.parametrize("value", [b"a ", b"a\t", b" \ta b \t "])
def test_blanks_behind_a_headers_value_harm_nobody(world: World, value: bytes) -> None:
    head = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Tag: " + value + b"\r\n\r\n"

    streamed = say(world, b"GET " + STREAMED.encode() + head)
    say(world, b"GET " + INGEST.encode() + head)

    assert streamed.startswith(b"HTTP/1.1 418 ")
    assert b'"x-tag":"%s"' % value.strip() in streamed
    assert world.events[0]["headers"]["x-tag"] == value.strip().decode()


@pytest.mark.parametrize("path", ["/healthz", STREAMED, INGEST])
@pytest.mark.parametrize(
    ("host", "status"), [(b"", 400), (b"Host: evil.example\r\n", 403), (b"Host:\r\n", 403)]
)
def test_who_asks_for_another_host_reaches_nothing(
    world: World, path: str, host: bytes, status: int
) -> None:
    answer = say(world, b"POST " + path.encode() + b" HTTP/1.1\r\n" + host + b"\r\n")

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert world.events == []


def test_trailers_reach_no_function(world: World) -> None:
    say(
        world,
        b"POST " + INGEST.encode() + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nAuthorization: late\r\n\r\n",
    )

    (event,) = world.events
    assert event["body"] == "{}"
    assert "authorization" not in event["headers"]


def test_api_gateway_takes_ten_kilobytes_of_headers(world: World) -> None:
    def ask(size: int, path: str = INGEST) -> httpx.Response:
        headers = {"X-Big": "x" * size}
        return httpx.post(world.url + path, headers=headers, content=b"{}")

    answer = ask(MAX_HEAD_BYTES)

    assert answer.status_code == 431
    assert answer.json() == {"message": "Request Header Fields Too Large"}
    assert world.events == []
    assert ask(MAX_HEAD_BYTES - 500).status_code == 200
    assert (
        httpx.get(world.url + "/v1/events/big", headers={"X-Big": "x" * 15_000}).status_code == 200
    )


@pytest.mark.parametrize("path", [STREAMED, INGEST])
@pytest.mark.parametrize(
    "body", [b"Content-Length: 9\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"]
)
def test_a_body_that_does_not_come_is_a_408(
    world: World, path: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "IDLE_SECONDS", 0.2)

    answer = say(world, b"PUT " + path.encode() + b" HTTP/1.1\r\nHost: localhost\r\n" + body)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b'{"message":"Request Timeout"}')
    assert world.events == []


def test_a_part_that_is_down_is_a_503_at_once(tmp_path: Path) -> None:
    with reserve(0) as closed:
        down = closed.getsockname()[1]
        gateway = application(
            Layout(tmp_path, dict.fromkeys(NAMES, down), tmp_path, "key"), tmp_path
        )
        stream = ReverseProxy(f"http://{LOOPBACK}:{down}", restart_seconds=0)
        for app, path in ((gateway, INGEST), (stream, "/api/v1/events")):
            with served(app) as port:
                answer = httpx.get(
                    f"http://{LOOPBACK}:{port}{path}", timeout=20
                )  # where it waits, 30 s
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "1"
            assert answer.json() == {"message": "Service Unavailable"}


def test_a_request_waits_for_a_stream_service_that_is_being_started(tmp_path: Path) -> None:
    """Else an EventSource that was cut by its restart would never come back."""
    with ExitStack() as running:
        held = running.enter_context(reserve(0))
        address = held.getsockname()
        gateway = application(
            Layout(tmp_path, dict.fromkeys(NAMES, address[1]), tmp_path, "key"), tmp_path
        )
        port = running.enter_context(served(gateway))

        with ThreadPoolExecutor() as pool:
            url = f"http://{LOOPBACK}:{port}/api/v1/events"
            asked = pool.submit(httpx.get, url, timeout=HANG_SECONDS)
            with pytest.raises(TimeoutError):
                asked.result(timeout=0.2)  # not refused while nobody listens
            listener = running.enter_context(socket.create_server(address))
            connection, _ = listener.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert asked.result().status_code == 200


def test_other_requests_pass_through_unchanged(world: World) -> None:
    answer = httpx.put(
        f"{world.url}/v1/events/a%2Fb%20c?x=%31&y",
        content=b"body",
        headers={"Authorization": "Bearer k", "Last-Event-ID": "7", "Connection": "keep-alive"},
    )

    seen = answer.json()
    assert (answer.status_code, answer.headers["x-upstream"]) == (418, "yes")
    assert seen["method"] == "PUT"
    assert seen["raw_path"] == "/v1/events/a%2Fb%20c"
    assert seen["query"] == "x=%31&y"
    assert f"http://{seen['headers']['host']}" == world.url
    assert seen["body"] == "body"
    assert seen["headers"]["authorization"] == "Bearer k"
    assert seen["headers"]["last-event-id"] == "7"
    assert seen["headers"]["user-agent"].startswith("python-httpx")
    assert seen["headers"]["x-forwarded-for"] == LOOPBACK


def test_long_answers_and_head_requests_pass_through(world: World) -> None:
    assert len(httpx.get(f"{world.url}/v1/events/big").content) == 3_000_000
    assert httpx.head(f"{world.url}{STREAMED}").headers["x-upstream"] == "yes"


def test_messages_arrive_while_the_stream_goes_on_and_a_leaving_client_is_told(
    world: World,
) -> None:
    with httpx.stream(
        "GET", f"{world.url}/api/v1/events?endless=1", timeout=HANG_SECONDS
    ) as stream:
        received = b""
        for chunk in stream.iter_raw():
            received += chunk
            if received.count(b"\n\n") == 3:
                assert not world.upstream_left  # before the loop's end, which closes the stream
                break

    until(lambda: world.upstream_left, "the stream service knows that the client left")


def test_a_finished_stream_is_finished_for_the_client(world: World) -> None:
    assert httpx.get(f"{world.url}/api/v1/events").text == "id: 0\n\nid: 1\n\nid: 2\n\n"


def test_a_stream_that_breaks_off_is_no_clean_end(tmp_path: Path) -> None:
    def break_off() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n: \r\n")

    with ExitStack() as running:
        listener = running.enter_context(socket.create_server((LOOPBACK, 0)))
        closed = running.enter_context(reserve(0)).getsockname()[1]
        upstream = Thread(target=break_off)
        upstream.start()
        running.callback(upstream.join)
        ports = {**dict.fromkeys(NAMES, closed), "stream": listener.getsockname()[1]}
        gateway = running.enter_context(
            served(application(Layout(tmp_path, ports, tmp_path, "key"), tmp_path))
        )

        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"http://{LOOPBACK}:{gateway}/api/v1/events", timeout=HANG_SECONDS)
