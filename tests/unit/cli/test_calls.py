"""Which events the messages between a client and a server make."""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson
import pytest

from tocsin.cli.mcp.calls import (
    CANCELLED_SECONDS,
    MAX_PENDING,
    Begun,
    Calls,
    Ended,
    Noted,
    Recording,
    Step,
)
from tocsin.cli.mcp.definitions import MAX_TOLD, MAX_TOOLS


class Peers:
    """Two peers, and a clock that stands unless it is moved."""

    def __init__(self, **recording: Any) -> None:
        self.seconds = 0.0
        start = datetime(2026, 3, 19, 10, tzinfo=UTC)
        self.calls = Calls(
            Recording(session="sess_1", command="server.py", **recording),
            lambda: start + timedelta(seconds=self.seconds),
            lambda: self.seconds,
        )

    def asks(self, id: Any, method: str, **params: Any) -> list[dict[str, Any]]:
        return self.client({"jsonrpc": "2.0", "id": id, "method": method, "params": params})

    def client(self, message: Any) -> list[dict[str, Any]]:
        return ended(self.calls.from_client(json.dumps(message).encode()))

    def server(self, message: Any) -> list[dict[str, Any]]:
        return ended(self.calls.from_server(json.dumps(message).encode()))

    def finish(self) -> list[dict[str, Any]]:
        return ended(self.calls.finish())

    def answers(self, id: Any, **answer: Any) -> list[dict[str, Any]]:
        return self.server({"jsonrpc": "2.0", "id": id} | (answer or {"result": {}}))


def noted(steps: list[Step]) -> list[dict[str, Any]]:
    return [via_mcp(step.event) for step in steps if isinstance(step, Noted)]


def ended(steps: list[Step]) -> list[dict[str, Any]]:
    return [via_mcp(step.event) for step in steps if isinstance(step, Ended)]


def via_mcp(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without what stands in each."""
    assert event["metadata"]["via"] == "mcp"
    metadata = {name: value for name, value in event["metadata"].items() if name != "via"}
    return event | {"metadata": metadata}


def outcome(events: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    (event,) = events
    return event["toolName"], event["metadata"]


def test_an_answered_call_is_one_event() -> None:
    peers = Peers()
    peers.asks(0, "initialize", clientInfo={"name": "claude-code"})
    assert peers.answers(0, result={"serverInfo": {"name": "db"}}) == []
    assert peers.asks(1, "tools/call", name="read_users", arguments={"secret": 1}) == []
    peers.seconds += 0.0123456
    [event] = peers.answers(1)
    fingerprint = event["metadata"].pop("arguments_fingerprint")
    assert len(fingerprint) == 64
    assert [event] == [
        {
            "type": "tool_call",
            "toolName": "read_users",
            "serverId": "db",
            "sessionId": "sess_1",
            "agentId": "claude-code",
            "action": "allow",
            "timestamp": "2026-03-19T10:00:00.000Z",
            "latencyMs": 12.346,
            "metadata": {"outcome": "ok"},
        }
    ]
    assert peers.answers(1) == []
    assert peers.finish() == []


def test_names_come_from_meta_in_the_newer_protocol() -> None:
    peers = Peers()
    client = {"io.modelcontextprotocol/clientInfo": {"name": "agent"}}
    server = {"io.modelcontextprotocol/serverInfo": {"name": "db"}}
    peers.asks(1, "tools/call", name="t", _meta=client)
    (event,) = peers.answers(1, result={"_meta": server})
    assert (event["agentId"], event["serverId"]) == ("agent", "db")


def test_without_names_the_command_stands_for_the_server() -> None:
    peers = Peers()
    peers.asks(1, "tools/call", name="t")
    (event,) = peers.answers(1)
    assert event["serverId"] == "server.py"
    assert "agentId" not in event


def test_a_given_server_name_wins() -> None:
    peers = Peers(server="mine")
    peers.asks(1, "tools/call", name="t")
    assert peers.answers(1, result={"serverInfo": {"name": "db"}})[0]["serverId"] == "mine"


@pytest.mark.parametrize(
    ("answer", "metadata"),
    [
        ({"result": {"isError": False}}, {"outcome": "ok"}),
        ({"result": {"isError": True}}, {"outcome": "tool_error"}),
        ({"result": {"resultType": "input_required"}}, {"outcome": "input_required"}),
        ({"result": None}, {"outcome": "ok"}),
        (
            {"error": {"code": -32601, "message": "secret"}},
            {"outcome": "error", "errorCode": -32601},
        ),
        ({"error": "odd"}, {"outcome": "error", "errorCode": None}),
    ],
)
def test_outcomes(answer: dict[str, Any], metadata: dict[str, Any]) -> None:
    peers = Peers()
    peers.asks(1, "tools/call", name="t")
    assert outcome(peers.answers(1, **answer)) == ("t", metadata)


def test_ids_are_told_apart_by_type() -> None:
    peers = Peers()
    for id, tool in ((1, "number"), ("1", "text"), (2**70, "large"), ("\ud800", "odd")):
        peers.asks(id, "tools/call", name=tool)
    assert outcome(peers.answers("1"))[0] == "text"
    assert outcome(peers.answers(2**70))[0] == "large"
    assert outcome(peers.answers(1))[0] == "number"
    assert outcome(peers.answers("\ud800"))[0] == "odd"


@pytest.mark.parametrize(("asked", "answered"), [(7.0, 7), (7, 7.0), (-0.0, 0), (1e3, 1000)])
def test_an_id_may_come_back_in_another_spelling(asked: float, answered: float) -> None:
    peers = Peers()
    peers.asks(asked, "tools/call", name="t")
    assert outcome(peers.answers(answered)) == ("t", {"outcome": "ok"})


def test_true_is_not_the_id_one() -> None:
    peers = Peers()
    peers.asks(1, "tools/call", name="t")
    assert peers.answers(True) == []


def test_a_call_is_known_when_it_begins() -> None:
    peers = Peers()
    message = {"id": 1, "method": "tools/call", "params": {"name": "t"}}
    (begun,) = peers.calls.from_client(json.dumps(message).encode())
    assert isinstance(begun, Begun)
    assert via_mcp(begun.event) == peers.finish()[0]


def test_a_cancelled_call_is_recorded_soon_and_once() -> None:
    peers = Peers()
    peers.asks(1, "tools/call", name="a")
    assert not peers.calls.cancelling
    peers.client({"method": "notifications/cancelled", "params": {"requestId": 1}})
    assert peers.calls.cancelling
    assert peers.calls.overdue() == []
    peers.seconds += CANCELLED_SECONDS
    assert outcome(ended(peers.calls.overdue())) == (
        "a",
        {"outcome": "no_response", "cancelled": True},
    )
    assert not peers.calls.cancelling
    assert peers.answers(1) == []
    assert peers.finish() == []


TASK = {"taskId": "t1", "status": "working"}


@pytest.mark.parametrize("made", [{"task": TASK}, {"resultType": "task"} | TASK])
@pytest.mark.parametrize(
    ("end", "metadata"),
    [
        ({"status": "failed"}, {"outcome": "tool_error", "task": "failed"}),
        ({"status": "completed"}, {"outcome": "ok", "task": "completed"}),
        (
            {"status": "cancelled"},
            {"outcome": "no_response", "cancelled": True, "task": "cancelled"},
        ),
        (
            {"status": "failed", "error": {"code": -3}},
            {"outcome": "error", "errorCode": -3, "task": "failed"},
        ),
        (
            {"status": "completed", "result": {"isError": True}},
            {"outcome": "tool_error", "task": "completed"},
        ),
    ],
)
@pytest.mark.parametrize("by", ["tasks/get", "tasks/cancel", "notification"])
def test_a_task_counts_as_it_ends(
    made: dict[str, Any], end: dict[str, Any], metadata: dict[str, Any], by: str
) -> None:
    peers = Peers()
    peers.asks(1, "tools/call", name="t", task={"ttl": 1})
    assert peers.answers(1, result=made) == []
    assert peers.server({"method": "notifications/tasks/status", "params": TASK}) == []
    if by == "notification":
        status = {"taskId": "t1"} | end
        events = peers.server({"method": "notifications/tasks/status", "params": status})
    else:
        peers.asks(2, by, taskId="t1")
        assert peers.answers(2, error={"code": -1}) == []
        peers.asks(3, by, taskId="t1")
        events = peers.answers(3, result={"taskId": "t1"} | end)
    assert outcome(events) == ("t", metadata)
    assert peers.finish() == []


@pytest.mark.parametrize(
    ("answer", "outcome_"),
    [
        ({"result": {}}, "ok"),
        ({"result": {"isError": True}}, "tool_error"),
        ({"error": {"code": 1}}, "error"),
    ],
)
def test_a_tasks_result_is_its_end(answer: dict[str, Any], outcome_: str) -> None:
    peers = Peers()
    peers.asks(1, "tools/call", name="t", task={})
    peers.answers(1, result={"task": TASK})
    peers.asks(2, "tasks/result", taskId="t1")
    peers.seconds += 1
    (event,) = peers.answers(2, **answer)
    assert (event["metadata"]["outcome"], event["latencyMs"]) == (outcome_, 1000)


def test_a_task_that_never_ends_is_recorded_at_the_end() -> None:
    peers = Peers()
    peers.asks(1, "tools/call", name="t", task={})
    peers.answers(1, result={"task": TASK})
    assert outcome(peers.finish()) == ("t", {"outcome": "no_response", "task": "working"})


def test_answers_in_another_order_belong_to_their_calls() -> None:
    peers = Peers()
    for id in range(3):
        peers.asks(id, "tools/call", name=f"t{id}")
    assert [outcome(peers.answers(id))[0] for id in (2, 0, 1)] == ["t2", "t0", "t1"]


def test_batches_are_read_in_both_directions() -> None:
    peers = Peers()
    requests = [{"id": id, "method": "tools/call", "params": {"name": f"t{id}"}} for id in range(3)]
    assert peers.client([*requests, {"method": "notifications/initialized"}]) == []
    answers: list[dict[str, Any]] = [{"id": id, "result": {}} for id in (1, 0)]
    assert [event["toolName"] for event in peers.server(answers)] == ["t1", "t0"]
    assert [event["toolName"] for event in peers.finish()] == ["t2"]


def test_a_servers_own_requests_are_no_answers() -> None:
    peers = Peers()
    peers.asks(1, "tools/call", name="t")
    assert peers.server({"id": 1, "method": "sampling/createMessage", "params": {}}) == []
    assert peers.client({"id": 1, "result": {}}) == []
    assert outcome(peers.answers(1))[0] == "t"


def test_other_requests_make_no_events() -> None:
    peers = Peers()
    peers.asks(1, "tools/list")
    peers.client({"method": "tools/call", "params": {"name": "a notification"}})
    assert peers.answers(1) == []
    assert peers.finish() == []


def test_unanswered_calls_are_events_at_the_end() -> None:
    peers = Peers()
    peers.asks(1, "tools/call", name="a")
    peers.asks(2, "tools/call", name="b")
    peers.client({"method": "notifications/cancelled", "params": {"requestId": 1}})
    first, second = peers.finish()
    assert first["metadata"] == {"outcome": "no_response", "cancelled": True}
    assert second["metadata"] == {"outcome": "no_response"}
    assert (second["action"], "latencyMs" in second) == ("log", False)


def test_a_call_that_is_answered_though_cancelled() -> None:
    peers = Peers()
    peers.asks(1, "tools/call", name="a")
    peers.client({"method": "notifications/cancelled", "params": {"requestId": 1}})
    assert outcome(peers.answers(1)) == ("a", {"outcome": "ok", "cancelled": True})


def test_an_id_that_is_used_again_leaves_the_first_call_unanswered() -> None:
    peers = Peers()
    peers.asks(1, "tools/call", name="first")
    assert outcome(peers.asks(1, "tools/call", name="second"))[0] == "first"
    assert outcome(peers.answers(1))[0] == "second"


def test_what_is_held_is_bounded() -> None:
    peers = Peers()
    for id in range(MAX_PENDING):
        peers.asks(id, "tools/call", name=str(id))
    assert outcome(peers.asks(-1, "tools/call", name="last"))[0] == "0"
    assert len(peers.finish()) == MAX_PENDING


def test_arguments_and_results_are_kept_when_asked_for() -> None:
    peers = Peers(arguments=True, results=True)
    peers.asks(1, "tools/call", name="t", arguments={"n": 2**60})
    assert outcome(peers.answers(1, result={"content": []})) == (
        (
            "t",
            {"outcome": "ok", "arguments": '{"n":1152921504606846976}', "result": {"content": []}},
        )
    )
    peers.asks(2, "tools/call", name="t")
    assert outcome(peers.answers(2, error={"code": 1, "message": "m"}))[1] == {
        "outcome": "error",
        "errorCode": 1,
        "arguments": {},
    }


@pytest.mark.parametrize(
    "odd",
    [
        {"id": 1, "method": "tools/call"},
        {"id": 1, "method": "tools/call", "params": [1]},
        {"id": 1, "method": "tools/call", "params": {"name": 7}},
        {"id": [1], "method": "tools/call", "params": {"name": ""}},
        {"id": None, "method": "initialize", "params": {"clientInfo": "me"}},
        {"id": 1, "method": 7, "params": {"_meta": 3}},
        {"method": "notifications/cancelled", "params": {"requestId": {"a": 1}}},
    ],
)
def test_odd_messages_break_nothing(odd: dict[str, Any]) -> None:
    peers = Peers()
    peers.client(odd)
    peers.server({"id": odd.get("id"), "result": [1], "error": 3})
    assert all(event["toolName"] == "(unnamed)" for event in peers.finish())


def listed(peers: Peers, id: Any, *tools: Any, **result: Any) -> list[dict[str, Any]]:
    """Ask for the list of tools, and return what its answer tells of."""
    peers.asks(id, "tools/list")
    answer = {"jsonrpc": "2.0", "id": id, "result": {"tools": list(tools)} | result}
    return noted(peers.calls.from_server(json.dumps(answer).encode()))


def test_a_definition_is_told_once_while_it_stays_the_same() -> None:
    peers = Peers(agent="claude")
    peers.asks(0, "initialize")
    peers.answers(0, result={"serverInfo": {"name": "db"}})
    tool = {"name": "query", "inputSchema": {"b": 1.50, "a": "\u00e9"}}
    [event] = listed(peers, 1, tool)
    canonical = '{"inputSchema":{"a":"\u00e9","b":1.5},"name":"query"}'.encode()
    assert event == {
        "type": "mcp.tool_definition",
        "toolName": "query",
        "serverId": "db",
        "sessionId": "sess_1",
        "agentId": "claude",
        "action": "log",
        "timestamp": "2026-03-19T10:00:00.000Z",
        "metadata": {"definition_sha256": sha256(canonical).hexdigest()},
    }
    reordered = {"inputSchema": {"a": "\u00e9", "b": 1.5}, "name": "query"}
    assert listed(peers, 2, reordered) == []
    [changed] = listed(peers, 3, tool | {"description": "also deletes"})
    assert changed["metadata"] != event["metadata"]
    assert listed(Peers(), 1, tool)[0]["metadata"] == event["metadata"]


def test_each_page_of_a_list_is_read() -> None:
    peers = Peers()
    first = listed(peers, 1, {"name": "a"}, nextCursor="2")
    second = listed(peers, "2", {"name": "b"})
    assert [each["toolName"] for each in first + second] == ["a", "b"]


def test_only_an_answer_to_a_request_is_a_list() -> None:
    peers = Peers()
    answer = json.dumps({"id": 1, "result": {"tools": [{"name": "a"}]}}).encode()
    assert peers.calls.from_server(answer) == []
    peers.asks(1, "tools/list")
    assert len(noted(peers.calls.from_server(answer))) == 1
    assert peers.calls.from_server(answer) == []


@pytest.mark.parametrize(
    "tools", [None, 7, {}, "x", [None], [7], [{}], [{"name": 7}], [{"name": ""}], [[]]]
)
def test_what_is_no_list_of_tools_is_passed_over(tools: Any) -> None:
    assert listed(Peers(), 1, tools=tools) == []


def test_a_hostile_list_is_bounded() -> None:
    peers = Peers()
    many = [{"name": f"t{n}"} for n in range(100_000)]
    assert len(listed(peers, 1, *many)) == MAX_TOOLS
    assert listed(peers, 2, *many) == []
    twice = [{"name": "t0", "description": str(n)} for n in range(1_000)]
    assert len(listed(peers, 3, *twice)) == 1
    told = MAX_TOOLS + 1
    for salt in range(100):
        told += len(listed(peers, 4, *({"name": f"t{n}", "x": salt} for n in range(MAX_TOOLS))))
    assert told == MAX_TOLD


@pytest.mark.parametrize(
    "odd",
    [
        {"description": "x" * 10_000_000},
        {"x": float("nan")},
        {"x": 2**60},
        {"x": "\ud800"},
        {"name": "\U0001f600" * 300},
        {"x": json.loads("[" * 500 + "]" * 500)},
    ],
    ids=["10 MB", "NaN", "2^60", "surrogate", "long name", "deep"],
)
def test_an_odd_definition_is_known_again_and_told_as_tocsin_takes_it(odd: dict[str, Any]) -> None:
    peers, tool = Peers(), {"name": "t"} | odd
    [event] = listed(peers, 1, tool)
    assert len(orjson.dumps(event)) < 2_000
    assert len(event["metadata"]["definition_sha256"]) == 64
    assert listed(peers, 2, tool) == []
    assert len(listed(peers, 3, tool | {"description": "another"})) == 1


def fingerprint(peers: Peers, arguments: Any) -> str | None:
    peers.asks(1, "tools/call", name="t", arguments=arguments)
    [event] = peers.answers(1)
    found: str | None = event["metadata"].get("arguments_fingerprint")
    return found


def test_equal_arguments_have_one_fingerprint_within_a_relay_and_no_other() -> None:
    peers = Peers()
    one = fingerprint(peers, {"a": 1, "b": ["x"]})
    assert one == fingerprint(peers, {"b": ["x"], "a": 1})
    assert one and one != fingerprint(peers, {"a": 2, "b": ["x"]})
    assert one != fingerprint(Peers(), {"a": 1, "b": ["x"]})
    text = json.dumps({"a": 1, "b": ["x"]}, separators=(",", ":"))
    assert one != sha256(text.encode()).hexdigest()
    assert fingerprint(peers, {}) is None
    assert fingerprint(Peers(arguments=True), {"a": 1}) is None
