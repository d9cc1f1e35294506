"""Which events the messages between a client and a server make."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.cli.mcp.calls import (
    CANCELLED_SECONDS,
    MAX_PENDING,
    Begun,
    Calls,
    Ended,
    Recording,
    Step,
)


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


def ended(steps: list[Step]) -> list[dict[str, Any]]:
    return [step.event for step in steps if isinstance(step, Ended)]


def outcome(events: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    (event,) = events
    return event["toolName"], event["metadata"]


def test_an_answered_call_is_one_event() -> None:
    peers = Peers()
    peers.asks(0, "initialize", clientInfo={"name": "claude-code"})
    assert peers.answers(0, result={"serverInfo": {"name": "db"}}) == []
    assert peers.asks(1, "tools/call", name="read_users", arguments={"secret": 1}) == []
    peers.seconds += 0.0123456
    assert peers.answers(1) == [
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
    assert begun.event == peers.finish()[0]


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
