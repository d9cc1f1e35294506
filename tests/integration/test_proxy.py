"""`tocsin proxy` between the vendors' own clients and a vendor: bytes pass, calls are recorded."""

import gzip
import http.client
import itertools
import json
import socket
import zlib
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import anthropic
import openai
import pytest
from backports import zstd

from support.fake_tocsin import FakeTocsin, fake_tocsin
from support.proxying import Proxy, proxying
from support.taken import would_be_taken
from support.vendor import (
    ENDLESS,
    RESET,
    WAIT,
    Step,
    Vendor,
    answer,
    chunked,
    event_stream,
    json_answer,
    vendor,
)
from support.vendor_answers import (
    CHAT,
    EMBEDDINGS,
    MESSAGE,
    RESPONSE,
    TEXT,
    chat_stream,
    message_stream,
    response_stream,
)

KEY = "sk-the-vendor-key-secret"
SECRETS = ("secret", "Oslo")
ASK: Any = [{"role": "user", "content": "the-question-secret"}]
_numbers = itertools.count()


@pytest.fixture(scope="module")
def stub() -> Iterator[Vendor]:
    with vendor() as made:
        yield made


@pytest.fixture(scope="module")
def tocsin() -> Iterator[FakeTocsin]:
    with fake_tocsin() as made:
        yield made
        assert would_be_taken(made)


@pytest.fixture(scope="module")
def proxy(
    tocsin: FakeTocsin, stub: Vendor, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    with proxying(tocsin, stub, tmp_path_factory.mktemp("home") / "h") as made:
        yield made


@pytest.fixture
def session() -> str:
    """A session of the test's own."""
    return f"sess_{next(_numbers)}"


def events(tocsin: FakeTocsin, session: str, count: int = 2) -> list[dict[str, Any]]:
    """Wait for the events of a session, and return them; there are no more."""

    def found() -> list[dict[str, Any]]:
        return [event for event in tocsin.ledger if event["session_id"] == session]

    tocsin.wait_until(lambda: len(found()) >= count)
    assert len(found()) == count
    return found()


def of_openai(proxy: Proxy, session: str, **more: Any) -> openai.OpenAI:
    headers = {"x-tocsin-session": session, "x-tocsin-agent": "researcher"}
    return openai.OpenAI(
        base_url=proxy.openai, api_key=KEY, max_retries=0, default_headers=headers, **more
    )


def of_anthropic(proxy: Proxy, session: str) -> anthropic.Anthropic:
    headers = {"x-tocsin-session": session}
    return anthropic.Anthropic(
        base_url=proxy.url, api_key=KEY, max_retries=0, default_headers=headers
    )


def test_a_chat_is_a_request_and_a_response(
    proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str
) -> None:
    stub.answers["gpt-1"] = json_answer(CHAT, headers={"x-request-id": "req_7"})
    client = of_openai(proxy, session)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    said = client.chat.completions.create(
        model="gpt-1", messages=ASK, extra_headers={"traceparent": trace}
    )
    assert said.model_dump(exclude_unset=True) == CHAT

    request, response = events(tocsin, session)
    both = {
        "type": "completion",
        "tool_name": "chat",
        "provider": "127.0.0.1",
        "agent_id": "researcher",
        "trace_id": trace.split("-")[1],
        "parent_id": trace.split("-")[2],
        "prompt_id": request["prompt_id"],
    }
    assert both.items() <= request.items()
    assert both.items() <= response.items()
    assert (request["direction"], request["model"]) == ("request", "gpt-1")
    assert request["request"]["path"] == "/v1/chat/completions"
    assert {
        "direction": "response",
        "model": "gpt-1-2026",
        "status": "200",
        "prompt_tokens": 82,
        "completion_tokens": 17,
        "total_tokens": 99,
        "data": {
            "finish_reason": "tool_calls",
            "tool_calls": [{"tool_call_id": "call_weather", "tool_name": "get_weather"}],
        },
    }.items() <= response.items()
    first_byte = response["metadata"].pop("first_byte_ms")
    assert 0 < first_byte <= response["latency_ms"]
    assert response["metadata"] == {
        "via": "proxy",
        "cache_read_input_tokens": 40,
        "reasoning_tokens": 9,
        "request_id": "req_7",
        "response_id": "chatcmpl-1",
    }
    recorded = json.dumps([request, response])
    assert not [secret for secret in SECRETS if secret in recorded]
    assert KEY not in proxy.errors

    got = stub.asked[-1].named
    assert got["authorization"] == f"Bearer {KEY}"
    assert got["traceparent"] == trace
    assert got["host"] == f"127.0.0.1:{stub.port}"
    assert not [name for name in got if "tocsin" in name]


def test_a_vendor_gets_what_it_would_get_without_a_proxy(
    proxy: Proxy, stub: Vendor, session: str
) -> None:
    stub.answers["gpt-1"] = json_answer(CHAT)
    of_openai(proxy, session).chat.completions.create(model="gpt-1", messages=ASK)
    direct = openai.OpenAI(base_url=f"{stub.url}/v1", api_key=KEY, max_retries=0)
    direct.chat.completions.create(model="gpt-1", messages=ASK)
    through, straight = stub.asked[-2:]
    assert (through.method, through.path, through.body) == (
        straight.method,
        straight.path,
        straight.body,
    )
    hop = {"connection"}  # each connection's own
    assert {n: v for n, v in through.named.items() if n not in hop} == {
        n: v for n, v in straight.named.items() if n not in hop
    }


@pytest.mark.parametrize("usage", [True, False])
def test_a_stream_of_a_chat(
    proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str, usage: bool
) -> None:
    stub.answers["gpt-s"] = chunked(*chat_stream(usage=usage))
    client = of_openai(proxy, session)
    stream = client.chat.completions.create(model="gpt-s", messages=ASK, stream=True)
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == (
        "the-answer-secret"
    )
    assert "stream_options" not in json.loads(stub.asked[-1].body)
    request, response = events(tocsin, session)
    assert request["request"]["stream"] is True
    assert response["status"] == "200"
    assert response["data"]["tool_calls"] == [{"tool_call_id": "call_9", "tool_name": "search"}]
    assert response.get("total_tokens") == (33 if usage else None)
    assert ("prompt_tokens" in response) is usage


def test_messages(proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str) -> None:
    stub.answers["claude-1"] = json_answer(MESSAGE, headers={"request-id": "req_a"})
    said = of_anthropic(proxy, session).messages.create(
        model="claude-1", max_tokens=9, messages=ASK
    )
    assert said.id == "msg_1"
    request, response = events(tocsin, session)
    assert request["provider"] == response["provider"] == "stub"
    assert (response["prompt_tokens"], response["completion_tokens"]) == (140, 20)
    assert response["total_tokens"] == 160
    assert response["metadata"]["cache_read_input_tokens"] == 100
    assert response["metadata"]["cache_creation_input_tokens"] == 30
    assert response["metadata"]["request_id"] == "req_a"
    assert response["data"]["tool_calls"] == [
        {"tool_call_id": "toolu_1", "tool_name": "get_weather"}
    ]


def test_a_stream_of_messages(proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str) -> None:
    stub.answers["claude-s"] = chunked(*message_stream())
    client = of_anthropic(proxy, session)
    with client.messages.stream(model="claude-s", max_tokens=9, messages=ASK) as stream:
        assert stream.get_final_message().usage.output_tokens == 89
    response = events(tocsin, session)[1]
    assert (response["prompt_tokens"], response["completion_tokens"]) == (140, 89)
    assert response["status"] == "200"
    assert response["data"]["finish_reason"] == "tool_use"
    assert response["data"]["tool_calls"][0]["tool_call_id"] == "toolu_2"


@pytest.mark.parametrize("stream", [True, False])
def test_responses(
    proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str, stream: bool
) -> None:
    stub.answers["gpt-r"] = chunked(*response_stream()) if stream else json_answer(RESPONSE)
    client = of_openai(proxy, session)
    if stream:
        *_, last = client.responses.create(model="gpt-r", input="?", stream=True)
        assert last.type == "response.completed"
    else:
        assert client.responses.create(model="gpt-r", input="?").output_text
    response = events(tocsin, session)[1]
    assert (response["prompt_tokens"], response["total_tokens"]) == (36, 123)
    assert response["data"]["tool_calls"] == [
        {"tool_call_id": "call_1", "tool_name": "get_weather"}
    ]
    assert response["status"] == "200"


def test_embeddings_and_completions(
    proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str
) -> None:
    body = gzip.compress(json.dumps(EMBEDDINGS).encode())
    stub.answers["embed-1"] = answer(body, "application/json", headers={"content-encoding": "gzip"})
    stub.answers["text-1"] = json_answer(TEXT)
    client = of_openai(proxy, session)
    said = client.embeddings.create(model="embed-1", input="x", encoding_format="float")
    assert said.data[0].embedding == [0.25] * 512
    assert client.completions.create(model="text-1", prompt="x").choices[0].text
    found = events(tocsin, session, 4)
    assert [event["type"] for event in found] == ["embedding"] * 2 + ["completion"] * 2
    assert found[1]["prompt_tokens"] == 8
    assert (found[3]["tool_name"], found[3]["completion_tokens"]) == ("text_completion", 7)


def test_counted_tokens_are_no_call_of_a_model(
    proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str
) -> None:
    stub.answers["claude-c"] = json_answer({"input_tokens": 77})
    said = of_anthropic(proxy, session).messages.count_tokens(model="claude-c", messages=ASK)
    assert said.input_tokens == 77
    _, response = events(tocsin, session)
    assert (response["type"], response["tool_name"]) == ("custom", "count_tokens")
    assert response["metadata"]["counted_tokens"] == 77
    assert "prompt_tokens" not in response


def test_other_requests_pass_and_are_one_line(
    proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str
) -> None:
    stub.answers["/v1/models"] = json_answer({"object": "list", "data": []})
    headers = {"x-tocsin-session": session}
    assert ask(proxy.port, "GET", "/v1/models?key=the-key-secret", b"", headers)[0] == 200
    assert stub.asked[-1].path == "/v1/models?key=the-key-secret"
    (event,) = events(tocsin, session, 1)
    assert event["request"] == {"method": "GET", "path": "/v1/models"}
    assert event["direction"] == "request"


@pytest.mark.parametrize("status", [400, 401, 429, 500, 529])
def test_errors_are_the_vendor_s(
    proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str, status: int
) -> None:
    error = {"error": {"message": "the-question-secret", "type": "kind", "code": "code"}}
    stub.answers["gpt-e"] = json_answer(error, status, {"retry-after": "7"})
    with pytest.raises(openai.APIStatusError) as caught:
        of_openai(proxy, session).chat.completions.create(model="gpt-e", messages=ASK)
    assert caught.value.status_code == status
    assert caught.value.response.headers["retry-after"] == "7"
    response = events(tocsin, session)[1]
    assert response["status"] == str(status)
    assert response["data"] == {"error": "kind"}


def test_an_error_within_a_stream(
    proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str
) -> None:
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}
    stub.answers["claude-e"] = chunked(*message_stream()[:2], *event_stream(overloaded, named=True))
    client = of_anthropic(proxy, session)
    with pytest.raises(anthropic.APIStatusError):
        list(client.messages.create(model="claude-e", max_tokens=9, messages=ASK, stream=True))
    response = events(tocsin, session)[1]
    assert response["status"] == "error"
    assert response["data"]["error"] == "overloaded_error"


BODY = json.dumps(CHAT).encode()
STREAM = b"".join(chat_stream())
RAW: dict[str, list[Step]] = {
    "plain": json_answer(CHAT),
    "twice": json_answer(CHAT, headers={"Set-Cookie": "a=1\r\nSet-Cookie: b=2", "X-Odd": "\xe9"}),
    "gzip": answer(gzip.compress(BODY), "application/json", headers={"Content-Encoding": "gzip"}),
    "deflate": answer(
        zlib.compress(BODY), "application/json", headers={"Content-Encoding": "deflate"}
    ),
    "br": answer(
        import_module("brotli").compress(BODY),
        "application/json",
        headers={"Content-Encoding": "br"},
    ),
    "zstd": answer(zstd.compress(BODY), "application/json", headers={"Content-Encoding": "zstd"}),
    "stream": chunked(*chat_stream()),
    "one byte at a time": chunked(*(bytes([byte]) for byte in STREAM[:400]), STREAM[400:]),
    "gzip stream": chunked(gzip.compress(STREAM), headers={"Content-Encoding": "gzip"}),
    "lines of their own": chunked(STREAM.replace(b"\n", b"\r\n")),
    "unknown coding": answer(b"\x00\x01", "application/json", headers={"Content-Encoding": "x"}),
    "not gzip": answer(b"\x00\x01", "application/json", headers={"Content-Encoding": "gzip"}),
    "no json": answer(b"\xff" * 100, "application/json"),
    "odd json": answer(b'{"usage": [1], "choices": {"a": 1}, "id": 7}', "application/json"),
    "empty": answer(b"", "application/json"),
    "redirect": answer(b"", "text/plain", 307, {"Location": "http://127.0.0.1:1/v1/x"}),
    "no content": [b"HTTP/1.1 204 No Content\r\nDate: x\r\nServer: v\r\n\r\n"],
}


def ask(
    port: int, method: str, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, str, list[tuple[str, str]], bytes]:
    """Ask without any client's help."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, path, body or None, headers)
    response = connection.getresponse()
    said = response.status, response.reason, response.getheaders(), response.read()
    connection.close()
    return said


@pytest.mark.parametrize("name", RAW)
def test_an_answer_is_what_it_is_without_a_proxy(
    proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str, name: str
) -> None:
    stub.answers["raw"] = RAW[name]
    request = "POST", "/v1/chat/completions", b'{"model":"raw"}'
    headers = {"Content-Type": "application/json", "x-tocsin-session": session}
    through, straight = (ask(port, *request, headers) for port in (proxy.port, stub.port))
    assert through == straight
    response = events(tocsin, session)[1]
    assert response["direction"] == "response"
    if b"".join(straight[3:4]) == BODY or name in ("gzip", "deflate", "br", "zstd"):
        assert response["total_tokens"] == 99
    if "stream" in name or "lines" in name or "byte" in name:
        assert response["total_tokens"] == 33
        assert response["status"] == "200"


def test_head_and_http_1_0(proxy: Proxy, stub: Vendor, session: str) -> None:
    stub.answers["/v1/x"] = [
        b"HTTP/1.1 200 OK\r\nDate: x\r\nServer: v\r\nContent-Length: 9\r\n\r\n"
    ]
    headers = {"x-tocsin-session": session}
    status, _, got, body = ask(proxy.port, "HEAD", "/v1/x", b"", headers)
    assert (status, dict(got)["Content-Length"], body) == (200, "9", b"")
    stub.answers["/v1/y"] = chunked(b"abc", media_type="text/plain")
    with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
        connection.sendall(b"GET /v1/y HTTP/1.0\r\n\r\n")
        assert read_all(connection).endswith(b"\r\n\r\nabc")


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def request_bytes(model: str, session: str, *more: str, body: bytes | None = None) -> bytes:
    body = body or json.dumps({"model": model, "stream": True}).encode()
    head = [
        "POST /v1/chat/completions HTTP/1.1",
        "Host: x",
        f"x-tocsin-session: {session}",
        f"Content-Length: {len(body)}",
        *more,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def test_requests_in_a_row_are_answered_in_a_row(
    proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str
) -> None:
    for number in range(5):
        stub.answers[f"row-{number}"] = json_answer(CHAT | {"id": f"row-{number}"})
    requests = [request_bytes(f"row-{number}", session) for number in range(4)]
    requests.append(request_bytes("row-4", session, "Connection: close"))
    with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
        connection.sendall(b"".join(requests))
        said = read_all(connection)
    places = [said.index(f"row-{number}".encode()) for number in range(5)]
    assert places == sorted(places)
    assert said.count(b"HTTP/1.1 200") == 5
    found = events(tocsin, session, 10)
    assert len({event["prompt_id"] for event in found}) == 5


def test_chunks_come_when_they_come(proxy: Proxy, stub: Vendor, session: str) -> None:
    first, *rest = chat_stream()
    stub.goes_on.clear()
    stub.answers["gpt-w"] = chunked(first, WAIT, *rest)
    client = of_openai(proxy, session)
    stream = iter(client.chat.completions.create(model="gpt-w", messages=ASK, stream=True))
    assert next(stream).id == "chatcmpl-2"  # while the vendor waits
    stub.goes_on.set()
    assert len(list(stream)) == len(rest) - 1


def test_headers_come_before_a_body(proxy: Proxy, stub: Vendor, session: str) -> None:
    stub.goes_on.clear()
    stub.answers["gpt-w"] = chunked(WAIT, *chat_stream())
    with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
        connection.sendall(request_bytes("gpt-w", session))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        stub.goes_on.set()


@pytest.mark.parametrize("whole", [True, False])
def test_a_stream_that_breaks_off_breaks_off(
    proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str, whole: bool
) -> None:
    parts = chat_stream(done=False)
    stub.goes_on.set()
    stub.answers["gpt-b"] = chunked(*parts) if whole else chunked(*parts, WAIT, RESET)
    with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
        connection.sendall(request_bytes("gpt-b", session, "Connection: close"))
        said = read_all(connection)
    assert said.endswith(b"0\r\n\r\n") is whole
    response = events(tocsin, session)[1]
    assert response["status"] == "cut_off"
    assert response["data"]["tool_calls"][0]["tool_call_id"] == "call_9"


def test_an_answer_that_breaks_off_at_once(
    proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str
) -> None:
    stub.answers["gpt-b"] = [RESET]
    with pytest.raises(openai.InternalServerError) as caught:
        of_openai(proxy, session).chat.completions.create(model="gpt-b", messages=ASK)
    assert caught.value.status_code == 502
    assert caught.value.code == "upstream_unreachable"
    response = events(tocsin, session)[1]
    assert response["status"] == "502"
    assert response["metadata"]["outcome"] == "upstream_unreachable"


@pytest.mark.parametrize("begun", [True, False])
def test_a_client_that_goes_ends_the_vendor_s_work(
    proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str, begun: bool
) -> None:
    stub.goes_on.clear()
    gone, asked = stub.gone, len(stub.asked)
    stub.answers["gpt-g"] = chunked(chat_stream()[0], WAIT) if begun else [WAIT]
    with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
        connection.sendall(request_bytes("gpt-g", session))
        stub.until(lambda: len(stub.asked) > asked)
        if begun:
            said = b""
            while b"chatcmpl-2" not in said:
                said += connection.recv(65536)
    stub.until(lambda: stub.gone > gone)
    assert events(tocsin, session)[1]["status"] == "cancelled"
    stub.goes_on.set()


def test_large_bodies_pass_in_little_memory(
    proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str
) -> None:
    image = "A" * 20_000_000
    content = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}}]
    large = {"messages": [{"role": "user", "content": content}], "model": "gpt-1", "stream": False}
    body = json.dumps(large).encode()
    error = {"error": {"message": "too large", "type": "kind"}}
    stub.answers["gpt-1"] = json_answer(error, 400)
    before = proxy.memory_bytes
    headers = {"Content-Type": "application/json", "x-tocsin-session": session}
    said = ask(proxy.port, "POST", "/v1/chat/completions", body, headers)
    assert said[0] == 400
    assert stub.asked[-1].body == body
    del stub.asked[-1]
    assert proxy.memory_bytes - before < 10_000_000
    request, response = events(tocsin, session)
    assert request["request"]["size_bytes"] == len(body)
    assert response["model"] == "gpt-1"  # which came behind the image


def test_a_body_in_chunks_passes(
    proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str
) -> None:
    stub.answers["gpt-1"] = json_answer(CHAT)
    body = json.dumps({"model": "gpt-1", "messages": ["x" * 3_000_000]}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    head += f"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\nx-tocsin-session: {session}"
    with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n")
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        for at in range(0, len(body), 70_000):
            part = body[at : at + 70_000]
            connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
        connection.sendall(b"0\r\n\r\n")
        assert b'"chatcmpl-1"' in read_all(connection)
    assert stub.asked.pop().body == body
    assert events(tocsin, session)[0]["model"] == "gpt-1"


def test_a_client_that_goes_within_its_question(
    proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str
) -> None:
    body = json.dumps({"model": "gpt-1", "messages": ["x" * 4_000_000]}).encode()
    whole = request_bytes("gpt-1", session, body=body)
    gone = stub.gone
    with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
        connection.sendall(whole[:3_000_000])
        assert events(tocsin, session, 1)[0]["request"]["size_bytes"] == len(body)
    stub.until(lambda: stub.gone > gone)
    assert events(tocsin, session)[1]["status"] == "cancelled"


@pytest.mark.parametrize(
    "rest", [b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", b"Content-Length: x\r\n\r\n"]
)
def test_what_is_no_request_is_the_client_s_fault(proxy: Proxy, stub: Vendor, rest: bytes) -> None:
    asked = len(stub.asked)
    with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
        connection.sendall(b"POST /v1/responses HTTP/1.1\r\nHost: x\r\n" + rest)
        assert b" 400 " in connection.recv(65536).partition(b"\r\n")[0]
    assert len(stub.asked) == asked
    assert proxy.process.poll() is None


def test_a_request_s_coding_passes(
    proxy: Proxy, stub: Vendor, tocsin: FakeTocsin, session: str
) -> None:
    body = zstd.compress(b'{"model":"gpt-1"}')
    stub.answers["/v1/responses"] = json_answer(RESPONSE)
    headers = {"Content-Encoding": "zstd", "x-tocsin-session": session}
    assert ask(proxy.port, "POST", "/v1/responses", body, headers)[0] == 200
    del stub.answers["/v1/responses"]
    assert stub.asked[-1].body == body
    assert events(tocsin, session)[0]["model"] == "gpt-1"


def test_who_reads_slowly_is_waited_for(proxy: Proxy, stub: Vendor, session: str) -> None:
    stub.answers["gpt-endless"] = chunked(b"data: {}\n\n" * 10_000, ENDLESS)
    before = proxy.memory_bytes
    with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(request_bytes("gpt-endless", session))
        assert connection.recv(65536)
        sent = -1
        while sent != stub.sent_bytes:  # until the vendor has to wait, too
            sent = stub.sent_bytes
            ask(proxy.port, "GET", "/v1/none", b"", {})
        assert proxy.memory_bytes - before < 10_000_000
        assert connection.recv(65536)


def test_the_vendor_s_connection_is_used_again(proxy: Proxy, stub: Vendor, session: str) -> None:
    stub.answers["gpt-1"] = json_answer(CHAT)
    client = of_openai(proxy, session)
    client.chat.completions.create(model="gpt-1", messages=ASK)
    before = stub.connections
    for _ in range(5):
        client.chat.completions.create(model="gpt-1", messages=ASK)
    assert stub.connections == before
