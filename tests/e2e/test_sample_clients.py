"""The documents' curl, Python, Go and Node clients, as they are printed, on the running product."""

import json

import pytest

from support.samples import Visitor
from support.streams import decode

pytestmark = pytest.mark.xdist_group("product")

CALL = {"type": "tool_call", "toolName": "exec", "action": "allow"}
DENIED = {"type": "tool_call", "toolName": "rm", "action": "log", "decision": {"action": "deny"}}


# Igris


def test_igris_curl_sees_what_igris_curl_sends(visitor: Visitor) -> None:
    watching = visitor.shell("igris_curl.sh")
    watching.until_line("id: 0")
    for sample, count in (("igris_ingest_one.sh", 1), ("igris_ingest_batch.sh", 2)):
        sending = visitor.shell(sample)
        assert sending.wait() == 0
        answer = json.loads(sending.output)
        assert answer["data"] == {"ingested": count, "rejected": 0}
        assert answer["meta"]["remainingQuota"] > 0
        watching.until_line(f"id: {1 if count == 1 else 3}")
    watching.until(lambda: watching.output.count("data: ") == 3, "three events")
    messages = decode(watching.output.encode())
    assert [(message.event, message.fields["toolName"]) for message in messages] == [
        ("tool_call", "generate_report"),
        ("completion", "claude-sonnet-4-20250514"),
        ("tool_call", "search_database"),
    ]
    first = messages[0].fields
    assert first["metadata"]["model"] == "gpt-4o"
    assert (first["action"], first["latencyMs"]) == ("allow", 340)


def test_igris_curl_sees_the_documented_types(visitor: Visitor) -> None:
    watching = visitor.shell("igris_curl.sh")
    watching.until_line("id: 0")
    anomaly = {"type": "anomaly", "anomaly_type": "rate_spike", "current_rate": 150}
    visitor.org.emit(anomaly, {"type": "session_update", "session_id": "s", "status": "suspended"})
    watching.until(lambda: watching.output.count("data: ") == 2, "two events")
    spike, session = decode(watching.output.encode())
    assert (spike.event, spike.fields["anomalyType"]) == ("anomaly", "rate_spike")
    assert (session.event, session.fields["status"]) == ("session_update", "suspended")


# Govrix Scout


def test_govrix_curl(visitor: Visitor) -> None:
    watching = visitor.shell("govrix_curl.sh")
    watching.until_line("id: 0")
    visitor.org.post({"type": "completion", "toolName": "m", "model": "gpt-4o", "costUsd": 0.1})
    watching.until(lambda: "data: " in watching.output, "an event")
    (message,) = decode(watching.output.encode())
    assert message.event == "agent_event"
    assert (message.fields["model"], message.fields["cost_usd"]) == ("gpt-4o", 0.1)
    assert message.fields["lineage_hash"].startswith("sha256:")
    assert message.fields.keys() >= {"session_id", "timestamp", "compliance_tag", "pii_detected"}


# Rampart


@pytest.mark.parametrize("sample", ["rampart_curl.sh", "rampart_curl_token.sh"])
def test_rampart_curl(visitor: Visitor, sample: str) -> None:
    watching = visitor.shell(sample)
    watching.until_line('data: {"type":"connected"}')
    visitor.org.post(CALL)
    watching.until(lambda: '"type":"audit"' in watching.output, "an audit event")
    visitor.org.emit({"type": "approval.created"})
    watching.until_line('data: {"type":"approvals"}')
    _, audit, _ = decode(watching.output.encode())
    event = audit.fields["event"]
    assert (event["tool"], event["decision"]["action"]) == ("exec", "allow")
    assert len(event["prev_hash"]) == len(event["hash"]) == 64


def test_rampart_approval_notifications(visitor: Visitor) -> None:
    told = visitor.shell("rampart_approvals.sh")
    visitor.org.post(CALL)

    def created() -> bool:
        visitor.org.emit({"type": "approval.created"})
        return bool(told.output)

    told.until(created, "a notification")
    assert set(told.lines) == {"Approval queue changed — check dashboard"}


def test_rampart_python(visitor: Visitor) -> None:
    client = visitor.python(visitor.sample("rampart.py"))
    client.until_line("Connected to Rampart")
    visitor.org.post(CALL, DENIED)
    client.until_line("rm: deny")
    visitor.org.emit({"type": "approval.created"})
    client.until_line("Approval queue changed")
    assert client.lines == [
        "Connected to Rampart",
        "exec: allow",
        "rm: deny",
        "Approval queue changed",
    ]


def test_rampart_python_forwards_what_is_denied(visitor: Visitor) -> None:
    """The sample goes on where the other has its response, and names a function of its user's."""
    connected, _, _ = visitor.sample("rampart.py").partition("for line in")
    forward = "def send_to_monitoring(event):\n    print('forwarded', event['tool'])\n"
    client = visitor.python(connected + forward + visitor.sample("rampart_monitoring.py"))
    visitor.org.until_watched(lambda: bool(client.lines), **DENIED)
    before = len(client.lines)
    visitor.org.post(CALL, CALL | {"action": "deny", "toolName": "last"})
    client.until_line("forwarded last")
    assert "forwarded exec" not in client.lines
    assert before < len(client.lines)


def test_rampart_go_reads_on_after_an_event_beyond_its_scanner(visitor: Visitor) -> None:
    """``bufio.Scanner`` drops the rest of a stream after a line of 64 KiB or more."""
    client = visitor.go("rampart.go")
    client.until_line("Event: connected")
    sizes = (1_000, 59_000, 64_000, 66_000, 250_000)
    for part in ("request", "metadata"):
        visitor.org.post(*(CALL | {part: {"text": "x" * size}} for size in sizes))
    visitor.org.emit({"type": "approval.created"}, {"type": "approval.bulk_resolved"})
    client.until_line("Event: audit_batch")
    audits = ["Event: audit"] * (2 * len(sizes))
    assert client.lines == ["Event: connected", *audits, "Event: approvals", "Event: audit_batch"]


# KavachOS


def test_kavach_node_as_printed_is_told_that_it_has_no_token(visitor: Visitor) -> None:
    """``eventsource`` takes no ``headers`` any more: not since it exports ``EventSource`` by name.

    So the printed program sends no token, gets the documented error event, and the end.
    """
    client = visitor.node(visitor.sample("kavach_node.mjs"))
    client.until(lambda: client.errors.count("Connection lost") >= 2, "an error and the end")
    assert client.output == ""


def test_kavach_node_ported(visitor: Visitor) -> None:
    """Ported in two places.

    The token comes by a ``fetch`` of one's own, as today's ``eventsource`` takes it. And the
    listener is for a named type, as in the document's browser sample: ``onmessage`` gets messages
    without a name alone, and KavachOS' have one.
    """
    client = visitor.node(visitor.sample("kavach_node_today.mjs"))
    created = {"type": "agent.created", "toolName": "kavach", "data": {"agentId": "agt_1"}}
    visitor.org.until_watched(lambda: bool(client.lines), **created)
    assert client.lines[0] == "Event: agent.created {"
    client.until_line("  agentId: 'agt_1',")
    assert client.errors == ""
