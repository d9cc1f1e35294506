"""The gateway's entrance, byte by byte: what API Gateway and a load balancer refuse, and how."""

import asyncio
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from support.asgi import served
from tocsin.local.addresses import LOOPBACK
from tocsin.local.entrance import MAX_LINE_BYTES, Entrance, GatewayProtocol

OWN = b"Host: 127.0.0.1:8484\r\n"
GET = b"GET / HTTP/1.1\r\n" + OWN
CHUNKED = b"POST / HTTP/1.1\r\n" + OWN + b"Transfer-Encoding: chunked\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what arrived; the headers are looked at after the body."""
    if scope["type"] == "http":
        body = await Request(scope, receive).body()
        seen = {
            "headers": [(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]],
            "body": body.decode("latin-1"),
        }
        await JSONResponse(seen)(scope, receive, send)


class Hurried(GatewayProtocol):
    idle_seconds = 0.3


@contextmanager
def entrance(protocol: type[GatewayProtocol] = GatewayProtocol) -> Iterator[int]:
    with served(Entrance(echo), protocol) as port:
        yield port


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with entrance() as port:
        yield port


def say(port: int, *parts: bytes) -> bytes:
    """Send bytes, and return all that comes until the server closes the connection."""
    with socket.create_connection((LOOPBACK, port), timeout=10) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except ConnectionError:
            pass  # it had enough
        return rest(connection)


def rest(connection: socket.socket) -> bytes:
    received = b""
    try:
        while data := connection.recv(65_536):
            received += data
    except ConnectionResetError:
        pass  # it closed while there was something to read
    return received


def status(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer
    return int(answer.split(b" ", 2)[1])


CLOSING = b"Connection: close\r\n"


@pytest.mark.parametrize("blanks", [b"", b" ", b"\t", b"  \t "])
def test_blanks_around_a_value_are_no_part_of_it(port: int, blanks: bytes) -> None:
    answer = say(port, GET + CLOSING + b"X-Tag:" + blanks + b"a b" + blanks + b"\r\n\r\n")

    assert status(answer) == 200
    assert b'["x-tag","a b"]' in answer


@pytest.mark.parametrize("size", [0, 5])
def test_trailers_are_no_headers(port: int, size: int) -> None:
    body = b"5\r\nhello\r\n" if size else b""
    trailers = b"Authorization: Bearer stolen\r\nHost: evil.example\r\nX-Late: yes\r\n"

    answer = say(port, CHUNKED + CLOSING + b"\r\n" + body + b"0\r\n" + trailers + b"\r\n")

    assert status(answer) == 200
    for name in (b"stolen", b"evil", b"late"):
        assert name not in answer
    assert (b"hello" in answer) == bool(size)


@pytest.mark.parametrize(
    "hosts",
    [
        b"",
        b"Host: 127.0.0.1:8484\r\nHost: 127.0.0.1:8484\r\n",
        b"Host: 127.0.0.1:8484\r\nHost: evil.example\r\n",
    ],
)
def test_a_request_names_one_host(port: int, hosts: bytes) -> None:
    answer = say(port, b"GET / HTTP/1.1\r\n" + hosts + b"\r\n")

    assert status(answer) == 400
    assert answer.endswith(b'{"message":"Bad Request"}')


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8484",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "127.0.0.1:evil",
        "127.0.0.1:8484@evil.example",
        "user@127.0.0.1",
        "10.0.0.1",
        "[::2]:80",
        "",
        "[",
        "127.0.0.1 evil",
        "\xff",
    ],
)
def test_a_name_that_a_stranger_can_lead_here_is_refused(port: int, host: str) -> None:
    answer = say(port, b"GET / HTTP/1.1\r\nHost: " + host.encode("latin-1") + b"\r\n\r\n")

    assert status(answer) == 403
    assert b"ask for http://127.0.0.1" in answer
    assert b"access-control" not in answer.lower()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8484",
        "127.0.0.1:80",
        "localhost",
        "LocalHost:8484",
        "app.localhost:8484",
        "[::1]:8484",
        "[::1]",
        "host.docker.internal:8484",
    ],
)
def test_the_machines_own_names_are_taken_with_any_port(port: int, host: str) -> None:
    answer = say(port, b"GET / HTTP/1.1\r\nHost: " + host.encode() + b"\r\n" + CLOSING + b"\r\n")

    assert status(answer) == 200


@given(st.binary(max_size=40))
def test_any_host_is_answered(host: bytes) -> None:
    answers = []

    async def send(message: object) -> None:
        answers.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    scope = {"type": "http", "method": "GET", "headers": [(b"host", host)]}
    asyncio.run(Entrance(echo)(scope, receive, send))

    assert answers


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /" + b"x" * MAX_LINE_BYTES + b" HTTP/1.1\r\n" + OWN, id="path"),
        pytest.param(GET + b"X-Big: " + b"x" * MAX_LINE_BYTES + b"\r\n", id="value"),
        pytest.param(GET + b"x" * MAX_LINE_BYTES + b": y\r\n", id="name"),
        pytest.param(
            GET + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 8_000) for n in range(9)), id="nine"
        ),
        pytest.param(GET + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)), id="many"),
    ],
)
def test_a_head_that_is_too_large_is_a_400(port: int, head: bytes) -> None:
    assert status(say(port, head + b"\r\n")) == 400


def test_a_large_head_within_the_limits_is_taken(port: int) -> None:
    head = GET + CLOSING + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 15_000) for n in range(4))

    assert status(say(port, head + b"\r\n")) == 200


@pytest.mark.parametrize(
    "opening",
    [
        b"GET /",
        GET + b"X-Endless: ",
        GET + b"X",
        CHUNKED + b"\r\n5\r\nhello\r\n0\r\nX-Endless: ",
        CHUNKED + b"\r\n5;extension=",
    ],
)
def test_what_has_no_end_is_not_taken_for_ever(port: int, opening: bytes) -> None:
    with socket.create_connection((LOOPBACK, port), timeout=10) as connection:
        connection.sendall(opening)
        for _ in range(1_000):
            connection.sendall(b"x" * 4_096)
            if select.select([connection], [], [], 0.001)[0]:
                break
        answer = rest(connection)

    assert status(answer) == 400 if opening.startswith(b"G") else answer == b""


@pytest.mark.parametrize("began", [b"G", b"GET / HT", GET, GET + b"X-Slow: y"])
def test_a_head_that_does_not_end_in_time_is_a_408(began: bytes) -> None:
    with entrance(Hurried) as port:
        answer = say(port, began)

    assert status(answer) == 408
    assert answer.endswith(b'{"message":"Request Timeout"}')


def test_bytes_that_come_one_by_one_win_no_time() -> None:
    with entrance(Hurried) as port, socket.create_connection((LOOPBACK, port)) as connection:
        connection.settimeout(0.05)
        answer = b""
        connection.sendall(GET + b"X-Slow: ")
        for _ in range(200):  # ten seconds
            try:
                connection.sendall(b"y")
                answer = connection.recv(65_536)
                break
            except TimeoutError:
                continue
            except ConnectionError:
                break

    assert answer == b"" or status(answer) == 408
    assert connection.fileno() == -1


@pytest.mark.parametrize("said", [b"", b"\r\n", GET + b"\r\n", GET + b"\r\n\r\n"])
def test_a_connection_without_a_request_is_closed_silently(said: bytes) -> None:
    with entrance(Hurried) as port:
        answer = say(port, said)

    assert answer.count(b"HTTP/1.1 ") == said.count(b"GET")


def test_no_request_is_no_http() -> None:
    with entrance() as port:
        assert status(say(port, b"PUBLISH tocsin:v1:local forged\r\n")) == 400


def test_an_answer_under_way_is_not_broken_into() -> None:
    """Half a request behind one that is being answered gets no time-out of its own."""
    began, may_end = asyncio.Event(), asyncio.Event()
    loops = []

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            loops.append(asyncio.get_running_loop())
            began.set()
            await may_end.wait()
            await JSONResponse({"ok": True})(scope, receive, send)

    with (
        served(Entrance(slow), Hurried) as port,
        socket.create_connection((LOOPBACK, port), timeout=1) as connection,
    ):
        connection.sendall(GET + b"\r\n" + b"GET / HT")
        with pytest.raises(TimeoutError):  # three times as long as a head may take
            connection.recv(1)
        loops[0].call_soon_threadsafe(may_end.set)
        connection.settimeout(10)
        answer = rest(connection)

    assert answer.endswith(b'{"ok":true}')


def test_an_ordinary_client_keeps_its_connection(port: int) -> None:
    with httpx.Client(base_url=f"http://{LOOPBACK}:{port}") as client:
        for number in range(3):
            answer = client.post("/", content=b"x" * 100_000, headers={"X-N": str(number)})
            assert len(answer.json()["body"]) == 100_000
            assert ["x-n", str(number)] in answer.json()["headers"]
