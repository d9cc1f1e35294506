"""What the proxy sees of bodies: decoded, in any chunks, within bounds; whatever a vendor sends."""

import asyncio
import gzip
import json
import socket
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from support.vendor_answers import CHAT, RESPONSE, chat_stream, message_stream, response_stream
from tocsin.cli._failure import Failure
from tocsin.cli.proxy.answers import Answer
from tocsin.cli.proxy.bases import Base, Bases, Vendor
from tocsin.cli.proxy.coding import MAX_DECODED_BYTES, Decoder
from tocsin.cli.proxy.command import _listener
from tocsin.cli.proxy.headers import Caller, passed_up
from tocsin.cli.proxy.members import WHOLE_BYTES, Members
from tocsin.cli.proxy.operations import Operation, operation_of
from tocsin.cli.proxy.sight import Sight

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
PATHS = {
    "/v1/chat/completions": chat_stream(),
    "/v1/messages": message_stream(),
    "/v1/responses": response_stream(),
}


def operation(path: str) -> Operation:
    found = operation_of("POST", path)
    assert found is not None
    return found


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def whole(value: Any) -> bytes:
    return json.dumps(value).encode()


def large(value: dict[str, Any]) -> bytes:
    """Return it as the text of an object that is too large to be kept."""
    filler = {"filler": ['\\" }],:{[' * 8, {"model": "another"}] * (WHOLE_BYTES // 60)}
    return whole({"before": '"model":"not this"'} | filler | value)


@given(
    st.dictionaries(st.sampled_from(["model", "usage", "x", 'a"b', "\u00e9"]), VALUES),
    st.integers(1, 5_000),
)
def test_members_are_found_in_any_chunks(value: dict[str, Any], size: int) -> None:
    members = Members({"model", "usage"}, exact=True)
    text = whole(value)
    for chunk in cut(text, size):
        members.feed(chunk)
    assert members.read() == json.loads(text)


@pytest.mark.parametrize("size", [1, 7, 65_536])
def test_members_of_a_large_object_are_found(size: int) -> None:
    value = {"usage": {"a": [1, {"b": "}"}]}, "x": 1, "model": 'm"\\', "empty": {}}
    members = Members({"model", "usage", "stream"})
    head, tail = large(value)[: WHOLE_BYTES + 9], large(value)[WHOLE_BYTES + 9 :]
    members.feed(head)
    for chunk in cut(tail[-1_000:] if size == 1 else tail, size) if size > 1 else cut(tail, 997):
        members.feed(chunk)
    assert members.read() == {"model": 'm"\\', "usage": value["usage"]}


def test_large_members_are_passed_over() -> None:
    members = Members({"model", "usage"})
    members.feed(large({"usage": "x" * 100_000, "model": "m"}))
    assert members.read() == {"model": "m"}


@given(st.binary(max_size=300))
def test_what_is_no_object_has_no_members(data: bytes) -> None:
    members = Members({"model"})
    members.feed(b" " * (WHOLE_BYTES + 1))
    members.feed(data)
    assert set(members.read()) <= {"model"}


brotli: Any = import_module("brotli")  # which has no types
CODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=1),
    "zstd": zstd.compress,
    "identity": lambda data: data,
    "gzip, br": lambda data: brotli.compress(gzip.compress(data), quality=1),
}


@pytest.mark.parametrize("coding", CODERS)
@pytest.mark.parametrize("size", [1, 100, 1_000_000])
def test_codings_are_decoded_in_any_chunks(coding: str, size: int) -> None:
    data = large({}) if size > 1_000 else whole(CHAT)
    decoder = Decoder(coding)
    found = b"".join(
        piece for chunk in cut(CODERS[coding](data), size) for piece in decoder.feed(chunk)
    )
    assert found == data
    assert not decoder.broken


def test_several_members_and_bare_deflate() -> None:
    decoder = Decoder("x-gzip")
    assert b"".join(decoder.feed(gzip.compress(b"a") + gzip.compress(b"b"))) == b"ab"
    bare = zlib.compressobj(wbits=-15)
    assert b"".join(Decoder("deflate").feed(bare.compress(b"abc") + bare.flush())) == b"abc"


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_bomb_is_not_read_to_its_end(coding: str) -> None:
    data = CODERS[coding](b"\0" * (2 * MAX_DECODED_BYTES))
    decoder = Decoder(coding)
    sizes = [len(piece) for piece in decoder.feed(data)]
    assert decoder.broken
    assert sum(sizes) <= MAX_DECODED_BYTES
    assert max(sizes) <= 1024 * 1024


@given(st.sampled_from(["gzip", "deflate", "br", "zstd", "x"]), st.binary(max_size=300))
def test_what_is_not_in_its_coding_is_not_read(coding: str, data: bytes) -> None:
    decoder = Decoder(coding)
    for chunk in (data, data):
        b"".join(decoder.feed(chunk))


@pytest.mark.parametrize("path", PATHS)
@given(st.integers(1, 400))
def test_a_stream_is_read_in_any_chunks(path: str, size: int) -> None:
    told = []
    for each in (size, 100_000):
        answer = Answer(bodies=True)
        sight = Sight(operation(path), "text/event-stream; charset=utf-8", None, answer)
        for chunk in cut(b"".join(PATHS[path]), each):
            sight.feed(chunk)
        sight.finish()
        told.append(answer)
    assert told[0] == told[1]
    assert told[0].ended
    assert told[0].text == "the-answer-secret"


def test_an_event_that_is_too_long_is_left_out() -> None:
    answer = Answer()
    sight = Sight(operation("/v1/responses"), "text/event-stream", None, answer)
    sight.feed(b"data: " + b"x" * (3 * WHOLE_BYTES) + b"\n\n")
    sight.feed(b"".join(response_stream()))
    assert answer.total == 123
    assert answer.ended


@pytest.mark.parametrize("path", [*PATHS, "/v1/embeddings", "/v1/messages/count_tokens"])
@given(value=VALUES, stream=st.booleans())
def test_no_answer_is_too_odd(path: str, value: Any, stream: bool) -> None:
    for odd in (value, *({name: value} for name in RESPONSE | CHAT), {"choices": [value]}):
        media_type = "text/event-stream" if stream else "application/json"
        sight = Sight(operation(path), media_type, None, Answer(bodies=True))
        sight.feed(b"data: " + whole(odd) + b"\n\n" if stream else whole(odd))
        sight.finish()
        assert not sight.unread


def test_what_is_kept_of_an_endless_answer_is_bounded() -> None:
    answer = Answer(bodies=True)
    sight = Sight(operation("/v1/chat/completions"), "text/event-stream", None, answer)
    for number in range(1_000):
        call = {"index": number, "id": f"c{number}", "function": {"arguments": "y" * 1_000}}
        delta = {"content": "x" * 1_000, "tool_calls": [call]}
        sight.feed(b"data: " + whole({"choices": [{"delta": delta}]}) + b"\n\n")
    assert len(answer.tools) <= 256
    assert len(answer.text) + sum(len(tool.arguments) for tool in answer.tools.values()) < 100_000
    assert answer.cut


def test_who_is_meant_by_a_path() -> None:
    bases = Bases(Base.of("https://api.groq.com/openai/v1/"), Base.of("mine=http://[::1]:9"))
    assert bases.target("/v1/chat/completions?x=1", {})[1:] == (
        bases.openai,
        "https://api.groq.com/openai/v1/chat/completions?x=1",
    )
    assert bases.target("/chat/completions", {})[2].endswith("/openai/v1/chat/completions")
    assert bases.target("/v1/messages/batches", {})[::2] == (
        Vendor.ANTHROPIC,
        "http://[::1]:9/v1/messages/batches",
    )
    assert bases.target("/v1/models", {"anthropic-version": "x"})[0] is Vendor.ANTHROPIC
    assert bases.target("/v1/models", {})[0] is Vendor.OPENAI
    assert (bases.openai.provider, bases.anthropic.provider) == ("groq", "mine")
    assert Base.of("https://x.openai.azure.com/openai/v1").provider == "azure.ai.openai"
    assert Base.of("https://evilapi.openai.com.example").provider == "evilapi.openai.com.example"


@pytest.mark.parametrize("text", ["", "api.openai.com", "ftp://x", "http://u@x", "http://x?a=1"])
def test_a_base_is_a_url(text: str) -> None:
    with pytest.raises(ValueError, match=r"base|URL"):
        Base.of(text)


def test_hop_by_hop_headers_end_here() -> None:
    raw = [
        (b"Connection", b"keep-alive, X-Hop"),
        (b"X-Hop", b"1"),
        (b"TE", b"trailers"),
        (b"X-Tocsin-Agent", b"a"),
        (b"X-Kept", b"\xe9"),
        (b"X-Kept", b"2"),
    ]
    assert [name for name, _ in passed_up(raw)] == ["X-Kept", "X-Kept"]


def test_odd_names_and_traces_say_nothing() -> None:
    caller = Caller.of({"x-tocsin-agent": "", "traceparent": "00-xyz"}, "a", "s")
    assert (caller.agent, caller.session, caller.trace) == ("a", "s", None)
    assert len(Caller.of({"x-tocsin-session": "s" * 1_000}, None, "s").session) == 256


def test_a_token_does_not_wait_for_the_one_before_it() -> None:
    async def delayed() -> int:
        made = asyncio.get_running_loop().create_future()
        listener = _listener("127.0.0.1", 0)
        server = await asyncio.start_server(
            lambda _, writer: made.set_result(writer), sock=listener
        )
        async with server:
            _, mine = await asyncio.open_connection(*listener.getsockname())
            theirs = await made
            option = theirs.get_extra_info("socket").getsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY
            )
            for writer in (mine, theirs):
                writer.close()
            return int(option)

    assert asyncio.run(delayed())


def test_a_port_that_is_taken() -> None:
    with _listener("127.0.0.1", 0) as taken, pytest.raises(Failure, match="can't listen"):
        _listener("127.0.0.1", taken.getsockname()[1])
