"""What becomes of calls while a Tocsin over HTTP decides about them: they pass, wait or fail."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from support.fake_tocsin import ALLOWED, API_KEY, Answer, FakeTocsin, fake_tocsin
from support.waiting import until
from tocsin.cli.mcp import held
from tocsin.cli.mcp.calls import Calls, Recording
from tocsin.cli.mcp.desk import MAX_HELD, Desk, Rules
from tocsin.cli.mcp.guard import Guard
from tocsin.cli.mcp.held import Elicit
from tocsin.cli.mcp.policies import Policies
from tocsin.cli.mcp.recorder import Recorder
from tocsin.cli.mcp.rulings import REFUSED
from tocsin.cli.mcp.spool import Spool

APPROVE_KEY = "tocsin_acme_person"
MODERN: dict[str, Any] = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
ASKS_USERS: dict[str, Any] = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}


@pytest.fixture(scope="module")
def listening() -> Iterator[FakeTocsin]:
    with fake_tocsin() as server:
        yield server


@pytest.fixture
def tocsin(listening: FakeTocsin) -> Iterator[FakeTocsin]:
    listening.decide = lambda tool, body: ALLOWED
    listening.asked.clear()
    listening.approvals.clear()
    listening.awaited.clear()
    listening.resolutions.clear()
    yield listening
    if not listening.running:
        listening.start()


class Client:
    """The client of a server that hears what passes."""

    def __init__(self, policies: Policies, home: Path, **rules: Any) -> None:
        self.answers: list[Any] = []
        self.heard: list[Any] = []
        recording = Recording(session="sess_1", command="server", agent="an-agent")
        self.calls = Calls(recording, lambda: datetime.now(UTC), time.monotonic)
        self.spool = Spool(home / "spool", 10**6)
        self.recorder = Recorder(self.calls, self.spool, lambda line: None)
        self.desk = Desk(self.calls, self.recorder, Rules(lambda: False, policies, **rules))
        self.guard = Guard(self.desk, self._answer, self._hear)

    def _answer(self, line: bytes) -> None:
        assert line.endswith(b"\n") and line.count(b"\n") == 1
        self.answers.append(json.loads(line))

    def _hear(self, line: bytes) -> None:
        self.recorder.from_client(line)
        self.heard.append(json.loads(line))

    def says(self, *messages: Any) -> None:
        for message in messages:
            content = message if isinstance(message, bytes) else json.dumps(message).encode()
            passed = self.guard(content + b"\n")
            if passed:
                self._hear(passed)

    def server_says(self, message: Any) -> None:
        self.recorder.from_server(json.dumps(message).encode() + b"\n")

    def answer(self, id: Any = 1) -> Any:
        """Wait for the answer to a request."""

        def answered() -> list[Any]:
            return [each for each in self.answers if each.get("id") == id and "method" not in each]

        until(lambda: bool(answered()), f"an answer to {id}")
        assert len(answered()) == 1
        return answered()[0]

    def refusal(self, id: Any = 1) -> tuple[str, str]:
        """Wait for an error; return its reason and its message."""
        error = self.answer(id)["error"]
        assert error["code"] == REFUSED
        return error["data"]["reason"], error["message"]

    def hears(self, count: int = 1) -> Any:
        until(lambda: len(self.heard) >= count, "a message at the server")
        return self.heard[-1]

    def told(self) -> list[dict[str, Any]]:
        """Return the events, without those that wait in the relay."""
        self.recorder.finish()
        self.spool.finish()
        found = list[dict[str, Any]]()
        while (batch := self.spool.take()) is not None:
            found += [json.loads(event) for event in batch.events]
            self.spool.remove(batch)
        return found


type Connect = Callable[..., Client]


@pytest.fixture(scope="module")
def policies(listening: FakeTocsin) -> Iterator[Policies]:
    asking = Policies(listening.url, API_KEY, APPROVE_KEY)
    yield asking
    asking.close()


@pytest.fixture
def connect(policies: Policies, tocsin: FakeTocsin, tmp_path: Path) -> Iterator[Connect]:
    clients: list[Client] = []

    def connect_one(**rules: Any) -> Client:
        clients.append(Client(policies, tmp_path, **rules))
        return clients[-1]

    yield connect_one
    for client in clients:
        client.desk.close()
        client.spool.close()


def call(id: Any = 1, tool: str = "rm", meta: Any = None, **more: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": {"command": "rm -rf build"}} | more
    if meta is not None:
        params["_meta"] = meta
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}


def asks_until_approved(tocsin: FakeTocsin) -> Callable[[str, dict[str, Any]], Answer]:
    """Decide as Tocsin does where a policy asks: an approval is for one call, once."""
    used = set[str]()

    def decide(tool: str, body: dict[str, Any]) -> Answer:
        id = f"apr_{body['tool_call_id']}"
        status = tocsin.approvals.get(id, {}).get("status")
        if status == "denied":
            return denies("a person has said no")
        if status == "approved" and id not in used:
            used.add(id)
            return ALLOWED
        return tocsin.ask(id)

    return decide


def denies(message: str, **more: Any) -> Answer:
    said = {"allowed": False, "decision": "deny", "message": message}
    return Answer(403, body=said | more)


def waiting(tocsin: FakeTocsin) -> str:
    """Wait for an approval that waits; return its id."""

    def pending() -> list[str]:
        return [id for id, each in tocsin.approvals.items() if each["status"] == "pending"]

    until(lambda: bool(pending()), "an approval")
    return pending()[0]


def awaited(tocsin: FakeTocsin) -> str:
    """Wait until somebody waits for a decision; return the approval's id."""
    until(lambda: bool(tocsin.awaited), "somebody who waits")
    return tocsin.awaited[0]


# Decided at once


def test_what_is_allowed_passes_as_it_came(connect: Connect, tocsin: FakeTocsin) -> None:
    client = connect()
    line = b'{ "id":1,"method" : "tools/call","params":{"name":"rm","arguments":{"a":1.50}}}'
    client.says(line)
    assert client.hears() == json.loads(line)
    ((tool, asked),) = tocsin.asked
    assert tool == "rm"
    assert asked.pop("tool_call_id").startswith("call_")
    assert asked == {
        "agent": "an-agent",
        "session": "sess_1",
        "params": {"a": 1.5},
        "server": "server",
        "annotations": {},
    }
    client.server_says({"jsonrpc": "2.0", "id": 1, "result": {}})
    (event,) = client.told()
    assert (event["action"], event["metadata"]["outcome"]) == ("allow", "ok")
    assert event["metadata"]["held_ms"] > 0


def test_policies_see_what_the_server_declares_of_a_tool(
    connect: Connect, tocsin: FakeTocsin
) -> None:
    client = connect()
    client.says({"jsonrpc": "2.0", "id": 0, "method": "tools/list"})
    declared = {"destructiveHint": True, "title": "Remove", "n": 5, "": True, "long": "x" * 257}
    tools = [{"name": "rm", "annotations": declared}, {"name": "ls", "annotations": [1]}]
    client.server_says({"jsonrpc": "2.0", "id": 0, "result": {"tools": tools}})
    client.says(call(1), call(2, tool="ls"))
    client.hears(3)
    asked = {tool: body["annotations"] for tool, body in tocsin.asked}
    assert asked == {"rm": {"destructiveHint": True, "title": "Remove"}, "ls": {}}


def test_what_is_denied_does_not_pass_and_the_error_says_why(
    connect: Connect, tocsin: FakeTocsin
) -> None:
    tocsin.decide = lambda tool, body: denies("It removes.", suggestions=["move it"])
    client = connect()
    client.says(call())
    assert client.refusal() == ("denied", "Tocsin denies this call: It removes. Instead: move it.")
    assert client.heard == []
    (event,) = client.told()
    assert (event["action"], event["metadata"]["outcome"]) == ("deny", "denied")
    assert event["toolCallId"] == tocsin.asked[0][1]["tool_call_id"]


def test_a_suspended_session_is_called_so(connect: Connect, tocsin: FakeTocsin) -> None:
    tocsin.decide = lambda tool, body: denies("the session is suspended", suspended=True)
    client = connect()
    client.says(call())
    assert client.refusal()[0] == "session_suspended"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500),
        Answer(503, {"Retry-After": "0"}, {"error": "busy"}),
        Answer(200, body={}),
        Answer(200, body=[]),
        Answer(200, body={"allowed": True}),
        Answer(200, body={"allowed": "yes", "decision": "allow"}),
        Answer(200, body={"allowed": False, "decision": "allow"}),
        Answer(200, body={"allowed": True, "decision": "perhaps"}),
        Answer(204),
        Answer(302, {"Location": "https://example.com/"}),
        Answer(202, body={"allowed": False, "decision": "ask"}),
        Answer(401, body={"error": "no such key"}),
        Answer(403, body={"error": "another agent's"}),
        Answer(413, body={"error": "too large"}),
        Answer(429, {"Retry-After": "9"}, {"error": "a budget is used up"}),
    ],
    ids=lambda answer: f"{answer.status}-{answer.body}",
)
@pytest.mark.parametrize("fail_open", [False, True])
def test_nothing_passes_that_no_answer_allows(
    connect: Connect, tocsin: FakeTocsin, answer: Answer, fail_open: bool
) -> None:
    tocsin.decide = lambda tool, body: answer
    client = connect(fail_open=fail_open)
    client.says(call())
    if fail_open and answer.status in (200, 204, 302, 500, 503):  # Tocsin says nothing
        client.hears()
        return
    assert client.refusal()[0] in ("undecided", "denied")
    assert client.heard == []


def test_with_tocsin_away_calls_are_refused_or_pass_as_it_is_set(
    connect: Connect, tocsin: FakeTocsin
) -> None:
    tocsin.stop()
    closed, opened = connect(), connect(fail_open=True)
    closed.says(call(), {"jsonrpc": "2.0", "id": 2, "method": "ping"})
    reason, message = closed.refusal()
    assert reason == "undecided" and "call again when Tocsin can be reached" in message
    assert closed.heard == [{"jsonrpc": "2.0", "id": 2, "method": "ping"}]
    opened.says(call())
    opened.hears()


# What can't be read in one way alone


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":1,"method":"ping","method":"tools/call","params":{"name":"rm"}}',
        b'{"id":1,"method":"tools/call","params":{"name":"ls","name":"rm"}}',
        b'{"id":1,"method":"tools/call","params":{"name":"ls","Name":"rm"}}',
        b'{"id":1,"method":"ping","Method":"tools/call","params":{"name":"rm"}}',
        '{"id":1,"method":"ping","param\u017f":{},"params":{}}'.encode(),
        b'{"id":1,"method":"ping","x":\r{"id":2,"method":"tools/call","params":{}}\r}',
        b'{"id":1,"method":"ping"}\r{"id":2,"method":"tools/call","params":{"name":"rm"}}',
        b'{"id":1,"method":"ping"} {"id":2,"method":"tools/call","params":{"name":"rm"}}',
        b'\xef\xbb\xbf{"id":1,"method":"tools/call","params":{"name":"rm"}}',
        '{"id":1,"method":"tools/call","params":{"name":"rm"}}'.encode("utf-16"),
        b'{"id":1,"method":"tools/call","params":{"name":"rm","arguments":{"n":NaN}}}',
        b'{"id":1,"method":"tools/call","params":{"name":"rm","arguments":{"n":1e999}}}',
        b'{"id":1,"method":"tools/call","params":{"name":"r\\ud800m"}}',
        b'{"id":1,"method":"tools/call","params":{"name":"rm"},}',
        b'{"id":1,"method":"tools/call","params":{"name":"rm","arguments":[1]}}',
        b'{"id":1,"method":"tools/call","params":{"name":""}}',
        b'{"id":1,"method":"tools/call","params":{"name":["rm"]}}',
        b'{"id":1,"method":"tools/call"}',
        b'{"id":null,"method":"tools/call","params":{"name":"rm"}}',
        b'{"id":true,"method":"tools/call","params":{"name":"rm"}}',
        b'{"method":"tools/call","params":{"name":"rm"}}',
        b'[{"id":1,"method":"tools/call","params":{"name":"rm"}},{"id":2,"method":"ping"}]',
        b'[[{"id":1,"method":"tools/call","params":{"name":"rm"}}]]',
        b'"tools/call"',
        b"{" * 100_000,
        b'{"id":1,"method":"tools/call","params":{"name":"rm","x":' + b"[" * 99 + b"]" * 99 + b"}}",
        b'{"id":1,"method":"tools/call","params":{"name":"rm","x":"' + b"x" * 600_000 + b'"}}',
        b'{"id":1,"method":"tools/call","params":{"name":"' + b"x" * 257 + b'"}}',
    ],
    ids=lambda line: line[:60].decode(errors="replace"),
)
def test_what_could_hide_a_call_does_not_pass(
    connect: Connect, tocsin: FakeTocsin, line: bytes
) -> None:
    tocsin.decide = lambda tool, body: denies("no")
    client = connect()
    client.says(line, {"jsonrpc": "2.0", "id": 99, "method": "ping"})
    assert client.hears() == {"jsonrpc": "2.0", "id": 99, "method": "ping"}
    client.desk.close()
    assert len(client.heard) == 1
    assert all(each["toolName"] != "" and each["action"] == "deny" for each in client.told())


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"2.0","id":"x","method":"resources/read","params":{"uri":"a\\u2028b"}}\r',
        '{"jsonrpc":"2.0","method":"notifications/x","params":{"é":"\u2028"}}'.encode(),
        b'{"jsonrpc":"2.0","id":1,"result":{"method":"tools/call"}}',
        b'[{"id":1,"method":"ping"}]',
        b" ",
    ],
)
def test_all_else_passes_as_it_is(connect: Connect, line: bytes) -> None:
    client = connect()
    assert client.guard(line + b"\n") == line + b"\n"
    assert client.answers == []


def test_a_line_passes_when_it_is_whole_and_a_too_long_one_never(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.cli.mcp.guard.MAX_LINE_BYTES", 100)
    client = connect()
    assert client.guard(b'{"id":1,"met') == b""
    assert client.guard(b'hod":"ping"}\n{"i') == b'{"id":1,"method":"ping"}\n'
    assert client.guard(b"x" * 200) == client.guard(b"x" * 200) == b""
    assert client.guard(b'\n{"id":2,"method":"ping"}') == b""
    assert client.guard(b"") == b'{"id":2,"method":"ping"}\n'
    assert [each["error"]["code"] for each in client.answers] == [-32700]


# Where a policy asks


def test_a_call_waits_until_a_person_approves_it(connect: Connect, tocsin: FakeTocsin) -> None:
    tocsin.decide = asks_until_approved(tocsin)
    client = connect()
    client.says(call(meta={"progressToken": "p", "claudecode/toolUseId": "toolu_1"}))
    id = waiting(tocsin)
    client.says({"jsonrpc": "2.0", "id": 2, "method": "ping"})
    assert client.hears()["method"] == "ping"  # the rest goes on
    until(lambda: len(client.answers) > 0, "progress")
    progress = client.answers[0]
    assert progress["method"] == "notifications/progress"
    assert progress["params"]["progressToken"] == "p"
    assert f"tocsin approvals approve {id}" in progress["params"]["message"]
    tocsin.resolve(id, "approved")
    assert client.hears(2)["method"] == "tools/call"
    assert len(tocsin.asked) == 2
    assert tocsin.asked[0] == tocsin.asked[1]  # it is this very call that was approved
    client.server_says({"jsonrpc": "2.0", "id": 1, "result": {}})
    (event,) = client.told()
    assert (event["toolCallId"], event["metadata"]["outcome"]) == ("toolu_1", "ok")


def test_progress_grows(
    connect: Connect, tocsin: FakeTocsin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "_POLL_SECONDS", 0.01)
    tocsin.decide = asks_until_approved(tocsin)
    client = connect()
    client.says(call(meta={"progressToken": 0}))
    until(lambda: len(client.answers) > 3, "progress")
    tocsin.resolve(waiting(tocsin), "denied")
    client.refusal()
    shown = [each["params"]["progress"] for each in client.answers if "method" in each]
    assert shown == sorted(set(shown))
    assert shown[-1] < 0.01  # what the server says of its progress is more
    assert client.answers[-1].get("id") == 1  # nothing is told of a call that is answered


@pytest.mark.parametrize(
    ("status", "more", "reason", "words"),
    [
        ("denied", {"resolved_reason": "not today"}, "approval_denied", "not today"),
        ("expired", {}, "approval_expired", "call again"),
    ],
)
def test_a_call_that_is_not_approved_is_refused(
    connect: Connect,
    tocsin: FakeTocsin,
    status: str,
    more: dict[str, str],
    reason: str,
    words: str,
) -> None:
    tocsin.decide = asks_until_approved(tocsin)
    client = connect(fail_open=True)
    client.says(call())
    id = waiting(tocsin)
    tocsin.resolve(id, status, **more)
    found, message = client.refusal()
    assert found == reason and words in message
    assert client.answer()["error"]["data"]["approval"] == id
    assert client.heard == []
    (event,) = client.told()
    assert (event["action"], event["metadata"]["outcome"]) == ("deny", reason)
    assert event["metadata"]["approval_id"] == id


def test_an_approval_that_another_call_has_used_lets_none_pass(
    connect: Connect, tocsin: FakeTocsin
) -> None:
    tocsin.decide = lambda tool, body: tocsin.ask("apr_1")
    client = connect()
    client.says(call())
    tocsin.resolve(waiting(tocsin), "approved")
    assert client.refusal()[0] == "undecided"
    assert client.heard == []


def test_a_call_that_is_cancelled_never_passes_and_gets_no_answer(
    connect: Connect, tocsin: FakeTocsin
) -> None:
    tocsin.decide = asks_until_approved(tocsin)
    client = connect()
    client.says(call("a"))
    id = waiting(tocsin)
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
    client.says(cancelled | {"params": {"requestId": "other"}})
    client.says(cancelled | {"params": {"requestId": "a"}})
    tocsin.resolve(id, "approved")
    client.desk.close()
    assert [each["params"]["requestId"] for each in client.heard] == ["other"]
    assert client.answers == []
    (event,) = client.told()
    assert (event["action"], event["metadata"]["outcome"]) == ("deny", "cancelled")


def test_a_client_that_goes_waits_for_no_person(connect: Connect, tocsin: FakeTocsin) -> None:
    tocsin.decide = asks_until_approved(tocsin)
    client = connect()
    client.says(call())
    id = waiting(tocsin)
    assert client.guard(b"") == b""
    tocsin.resolve(id, "approved")
    (event,) = client.told()
    assert event["metadata"]["outcome"] == "cancelled"
    assert client.heard == []


def test_what_is_being_decided_when_the_client_goes_is_decided(
    connect: Connect, tocsin: FakeTocsin
) -> None:
    begun = Event()

    def decide(tool: str, body: dict[str, Any]) -> Answer:
        begun.set()
        return ALLOWED

    tocsin.decide = decide
    client = connect()
    client.says(call())
    client.guard(b"")
    assert begun.is_set()
    assert client.hears()["id"] == 1


def test_tocsin_may_go_and_come_back_while_a_call_waits(
    connect: Connect, tocsin: FakeTocsin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "_PAUSE_SECONDS", 0.01)
    tocsin.decide = asks_until_approved(tocsin)
    client = connect()
    client.says(call())
    id = awaited(tocsin)
    tocsin.stop()
    tocsin.start()
    tocsin.resolve(id, "approved")
    client.hears()


def test_a_tocsin_that_stays_away_while_a_call_waits_lets_it_never_pass(
    connect: Connect, tocsin: FakeTocsin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(held, "_AWAY_SECONDS", 0.1)
    tocsin.decide = asks_until_approved(tocsin)
    client = connect(fail_open=True)  # which is for calls that nobody has asked about
    client.says(call())
    awaited(tocsin)
    tocsin.stop()
    assert client.refusal()[0] == "undecided"
    assert client.heard == []


def test_a_tocsin_that_goes_when_it_has_approved_lets_none_pass(
    connect: Connect, tocsin: FakeTocsin
) -> None:
    asked = list[str]()

    def decide(tool: str, body: dict[str, Any]) -> Answer:
        asked.append(tool)
        return tocsin.ask("apr_1") if len(asked) == 1 else Answer(503)

    tocsin.decide = decide
    client = connect(fail_open=True)
    client.says(call())
    tocsin.resolve(waiting(tocsin), "approved")
    assert client.refusal()[0] == "undecided"
    assert client.heard == []


def test_so_many_calls_wait_at_once_and_no_more(
    connect: Connect, tocsin: FakeTocsin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.cli.mcp.desk.MAX_HELD", 3)
    assert MAX_HELD > 3
    tocsin.decide = asks_until_approved(tocsin)
    client = connect()
    client.says(*(call(id) for id in range(4)), call(0))
    assert "too many" in client.refusal(3)[1]
    assert "another call's" in client.refusal(0)[1]
    until(lambda: len(tocsin.approvals) == 3, "approvals")
    for id in list(tocsin.approvals):
        tocsin.resolve(id, "approved")
    client.hears(3)
    client.says(call(5))  # there is room again
    waiting(tocsin)
    client.desk.close()


# The client's user


def legacy(client: Client, capabilities: Any) -> None:
    params = {"capabilities": capabilities, "clientInfo": {"name": "c"}}
    client.says({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})


def asked_user(client: Client) -> dict[str, Any]:
    def found() -> list[Any]:
        return [each for each in client.answers if each.get("method") == "elicitation/create"]

    until(lambda: bool(found()), "a question to the user")
    return dict(found()[0])


@pytest.mark.parametrize("action", ["decline", "cancel"])
def test_a_user_who_says_no_has_the_call_refused(
    connect: Connect, tocsin: FakeTocsin, action: str
) -> None:
    tocsin.decide = asks_until_approved(tocsin)
    client = connect(elicit=Elicit.CONFIRM)
    legacy(client, {"elicitation": {}})
    client.says(call())
    question = asked_user(client)
    assert waiting(tocsin) in question["params"]["message"]
    client.says({"jsonrpc": "2.0", "id": question["id"], "result": {"action": action}})
    assert client.refusal()[0] == "declined"
    assert [each["method"] for each in client.heard] == ["initialize"]


def test_a_user_who_says_yes_is_no_approval(connect: Connect, tocsin: FakeTocsin) -> None:
    tocsin.decide = asks_until_approved(tocsin)
    client = connect(elicit=Elicit.CONFIRM)
    legacy(client, {"elicitation": {"form": {}}})
    client.says(call())
    question = asked_user(client)
    client.says({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}})
    id = waiting(tocsin)
    assert tocsin.resolutions == []
    client.says({"jsonrpc": "2.0", "id": 9, "method": "ping"})
    assert client.hears(2)["method"] == "ping"
    tocsin.resolve(id, "approved")
    assert client.hears(3)["method"] == "tools/call"


def test_a_user_with_a_key_of_their_own_decides(connect: Connect, tocsin: FakeTocsin) -> None:
    tocsin.decide = asks_until_approved(tocsin)
    client = connect(elicit=Elicit.DECIDE)
    legacy(client, {"elicitation": {}})
    client.says(call())
    question = asked_user(client)
    client.says({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}})
    assert client.hears(2)["method"] == "tools/call"
    ((_, authorization, body),) = tocsin.resolutions
    assert authorization == f"Bearer {APPROVE_KEY}"
    assert body["approved"] is True


@pytest.mark.parametrize("capabilities", [{}, {"elicitation": {"url": {}}}, None, []])
def test_a_client_that_can_t_ask_is_not_asked(
    connect: Connect, tocsin: FakeTocsin, capabilities: Any
) -> None:
    tocsin.decide = asks_until_approved(tocsin)
    client = connect(elicit=Elicit.CONFIRM)
    legacy(client, capabilities)
    client.says(call())
    tocsin.resolve(waiting(tocsin), "approved")
    client.hears(2)
    assert client.answers == []


def test_what_is_decided_elsewhere_takes_the_question_back(
    connect: Connect, tocsin: FakeTocsin
) -> None:
    tocsin.decide = asks_until_approved(tocsin)
    client = connect(elicit=Elicit.CONFIRM)
    legacy(client, {"elicitation": {}})
    client.says(call())
    question = asked_user(client)
    tocsin.resolve(waiting(tocsin), "approved")
    client.hears(2)
    assert client.answers[-1]["method"] == "notifications/cancelled"
    assert client.answers[-1]["params"]["requestId"] == question["id"]
    late = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}}
    client.says(late)  # it is no answer of the server's to have
    assert len(client.heard) == 2


def test_a_newer_client_is_told_to_ask_and_to_call_again(
    connect: Connect, tocsin: FakeTocsin
) -> None:
    tocsin.decide = asks_until_approved(tocsin)
    client = connect(elicit=Elicit.CONFIRM)
    client.says(call(1, meta=MODERN | ASKS_USERS))
    result = client.answer(1)["result"]
    assert result["resultType"] == "input_required"
    ((name, request),) = result["inputRequests"].items()
    assert request["method"] == "elicitation/create"
    answers = {name: {"action": "accept"}}
    again = {"requestState": result["requestState"], "inputResponses": answers}
    client.says(call(2, meta=MODERN | ASKS_USERS, **again))
    tocsin.resolve(waiting(tocsin), "approved")
    assert client.hears() == call(2, meta=MODERN | ASKS_USERS)  # without what is not the server's
    first, second = tocsin.asked
    assert first == second
    events = client.told()
    assert len({event["toolCallId"] for event in events}) == 1
    client.says(call(3, meta=MODERN | ASKS_USERS, **again))  # once
    assert client.refusal(3)[0] == "undecided"


@pytest.mark.parametrize(
    ("action", "changed", "reason"),
    [
        ("decline", {}, "declined"),
        (None, {}, "declined"),
        ("accept", {"arguments": {"command": "rm -rf /"}}, "undecided"),
        ("accept", {"name": "mkfs"}, "undecided"),
        ("accept", {"requestState": "tocsin:forged"}, "undecided"),
    ],
)
def test_a_newer_client_that_calls_something_else_is_refused(
    connect: Connect, tocsin: FakeTocsin, action: Any, changed: dict[str, Any], reason: str
) -> None:
    tocsin.decide = asks_until_approved(tocsin)
    client = connect(elicit=Elicit.CONFIRM)
    client.says(call(1, meta=MODERN | ASKS_USERS))
    state = client.answer(1)["result"]["requestState"]
    tocsin.resolve(waiting(tocsin), "approved")
    answers = {"inputResponses": {"tocsin": {"action": action}}}
    again = {"requestState": state} | answers | changed
    client.says(call(2, meta=MODERN | ASKS_USERS, **again))
    assert client.refusal(2)[0] == reason
    assert client.heard == []


def test_a_call_that_the_server_asked_for_input_goes_on_once_without_a_person(
    connect: Connect, tocsin: FakeTocsin
) -> None:
    tocsin.decide = asks_until_approved(tocsin)
    client = connect()
    client.says(call(1, meta=MODERN))
    tocsin.resolve(waiting(tocsin), "approved")
    client.hears()
    result = {"resultType": "input_required", "requestState": "s", "inputRequests": {}}
    client.server_says({"jsonrpc": "2.0", "id": 1, "result": result})
    again: dict[str, Any] = {"requestState": "s", "inputResponses": {"n": {"action": "accept"}}}
    client.says(call(2, meta=MODERN, **again))
    assert client.hears(2)["params"]["requestState"] == "s"
    client.says(call(3, meta=MODERN, **again))  # a second time somebody has to be asked
    waiting(tocsin)
    client.desk.close()
    assert len(client.heard) == 2


def test_a_suspended_session_s_call_does_not_go_on(connect: Connect, tocsin: FakeTocsin) -> None:
    client = connect()
    client.says(call(1, meta=MODERN))
    client.hears()
    result = {"resultType": "input_required", "requestState": "s"}
    client.server_says({"jsonrpc": "2.0", "id": 1, "result": result})
    tocsin.suspended = {"sess_1"}
    client.says(call(2, meta=MODERN, requestState="s"))
    assert client.refusal(2)[0] == "session_suspended"
    tocsin.suspended = set()


def test_what_a_relay_that_dies_has_held_is_told_as_held(
    connect: Connect, tocsin: FakeTocsin, tmp_path: Path
) -> None:
    tocsin.decide = asks_until_approved(tocsin)
    client = connect()
    client.says(call())
    waiting(tocsin)
    (begun,) = (tmp_path / "spool").rglob("begun")
    _, _, event = begun.read_bytes().splitlines()[-1].partition(b"\t")
    assert json.loads(event)["action"] == "deny"
    assert json.loads(event)["metadata"]["outcome"] == "held"
    client.desk.close()
