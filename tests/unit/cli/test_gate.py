"""What a relay's server hears while a session is suspended, and what it does not."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.cli.mcp.gate import Gate
from tocsin.cli.mcp.rulings import REFUSED

CALL = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "t"}}
PING = {"jsonrpc": "2.0", "id": 8, "method": "ping"}


class Client:
    """What passes, what is answered, what is recorded."""

    def __init__(self, *suspended: bool) -> None:
        self.suspended = list(suspended)  # each time that it is asked; the last one stays
        self.asked = 0
        self.answers: list[Any] = []
        self.refused: list[Any] = []
        self.gate = Gate("s", self._ask, self.refused.append, self._answer)

    def _ask(self) -> bool:
        self.asked += 1
        return self.suspended.pop(0) if len(self.suspended) > 1 else self.suspended[0]

    def _answer(self, line: bytes) -> None:
        assert line.endswith(b"\n") and line.count(b"\n") == 1
        self.answers.append(json.loads(line))

    def says(self, *chunks: bytes) -> bytes:
        return b"".join(map(self.gate, chunks))


def line(message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"


def cut(content: bytes, places: list[int]) -> list[bytes]:
    at = [0, *sorted(min(each, len(content)) for each in places), len(content)]
    return [part for a, b in pairwise(at) if (part := content[a:b])]


lines = st.lists(
    st.one_of(
        st.just(line(PING)),
        st.just(line(CALL)),
        st.just(b"\n"),
        st.just(b"{no json\n"),
        st.just(line([PING, 5])),
        st.binary(max_size=9).map(lambda each: each.replace(b"\n", b"") + b"\n"),
    ),
    max_size=6,
)
places = st.lists(st.integers(0, 400), max_size=8)


@given(lines, places, st.booleans())
def test_every_byte_passes_as_it_comes_while_nothing_is_suspended(
    said: list[bytes], at: list[int], ended: bool
) -> None:
    client, content = Client(False), b"".join(said) + (b"" if ended else b"part")
    for chunk in cut(content, at):
        assert client.says(chunk) == chunk
    assert client.says(b"") == b""
    assert client.answers == client.refused == []


@given(lines, places)
def test_only_calls_are_kept_back_however_what_is_said_is_cut(
    said: list[bytes], at: list[int]
) -> None:
    client = Client(True)
    client.says(line(CALL))  # since then it is known
    passed = client.says(*cut(b"".join(said), at), b"")
    calls = said.count(line(CALL))
    assert passed == b"".join(each for each in said if each != line(CALL))
    assert client.refused == [CALL] * (calls + 1)
    assert [each["id"] for each in client.answers] == [7] * (calls + 1)


def test_a_refusal_is_an_error_of_json_rpc() -> None:
    client = Client(True)
    assert client.says(line(CALL)) == b""
    assert client.answers == [
        {
            "jsonrpc": "2.0",
            "id": 7,
            "error": {
                "code": REFUSED,
                "message": "the session is suspended: a person has to resume it in Tocsin",
                "data": {"reason": "session_suspended", "session": "s"},
            },
        }
    ]


def test_only_calls_make_it_ask() -> None:
    client = Client(True)
    for _ in range(5):
        client.says(line(PING))
    assert client.asked == 0
    client.says(line(CALL))
    asked = client.asked
    client.says(line(PING), b'{"a": ')
    assert client.asked == asked


@pytest.mark.parametrize(
    "content",
    [
        line(CALL).replace(b"/", rb"\/"),
        line(CALL).replace(b'"method"', b'"m": NaN, "method"'),
        line(CALL | {"params": None}),
        b"  " + line(CALL),
        line(CALL)[:-1] + b"\r\n",
    ],
)
def test_a_call_is_known_however_it_is_written(content: bytes) -> None:
    client = Client(True)
    assert client.says(content) == b""
    assert len(client.answers) == 1


@pytest.mark.parametrize(
    "id", [0, -1, 1.5, "x", "\U0001f600", "\ud800", None, [], {"a": 1}, 10**30], ids=ascii
)
def test_the_answer_has_the_calls_id(id: Any) -> None:
    client = Client(True)
    assert client.says(line(CALL | {"id": id})) == b""
    assert client.answers[0]["id"] == id


def test_who_wants_no_answer_gets_none() -> None:
    client = Client(True)
    assert client.says(line({key: CALL[key] for key in ("jsonrpc", "method", "params")})) == b""
    assert (client.answers, len(client.refused)) == ([], 1)


def test_of_several_messages_at_once_those_that_may_pass() -> None:
    client = Client(True)
    assert client.says(line([CALL, PING, CALL | {"id": 9}])) == line([PING])
    assert [[each["id"] for each in answer] for answer in client.answers] == [[7, 9]]
    assert client.says(line([CALL])) == b""


def test_a_line_that_began_to_pass_passes_whole() -> None:
    client = Client(True)
    begun, rest = line(CALL)[:20], line(CALL)[20:]
    assert client.says(begun) == begun
    assert client.says(rest + line(CALL) + line(PING)) == rest + line(PING)
    assert len(client.refused) == 1


def test_what_was_held_passes_when_the_session_is_resumed() -> None:
    client = Client(True, True, False)
    assert client.says(line(CALL)) == b""
    assert client.says(line(CALL)[:20]) == b""
    assert client.says(line(CALL)[20:] + b"half") == line(CALL) + b"half"
    assert client.says(b" a line\n") == b" a line\n"


def test_the_last_line_may_lack_its_end() -> None:
    client = Client(True)
    client.says(line(CALL))
    assert client.says(line(PING)[:-1]) == b""
    assert client.says(b"") == line(PING)[:-1]
    assert client.says(line(CALL)[:-1], b"") == b""
    assert len(client.refused) == 2


def test_what_is_too_long_to_be_read_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.cli.mcp.gate.MAX_LINE_BYTES", 100)
    client = Client(True)
    client.says(line(CALL))
    assert client.says(b"x" * 101) == b"x" * 101
    assert client.says(b"y\n" + line(CALL) + line(PING)) == b"y\n" + line(PING)
