import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.tenant import Tenant
from support.streams import decode
from tocsin.domain import chain
from tocsin.wire import rampart, sse

DOCUMENTED = {
    "agent_id": "claude-code",
    "session_id": "myapp/main",
    "tool_name": "exec",
    "timestamp": "2026-03-03T10:15:30.000Z",
    "request": {"command": "git status"},
    "decision": {
        "action": "allow",
        "matched_policies": ["allow-git"],
        "evaluation_time_us": 8,
        "message": "git command allowed",
    },
}


def lines(data: bytes) -> list[bytes]:
    """Split as Go's bufio.ScanLines does."""
    return [line.removesuffix(b"\r") for line in data.split(b"\n")]


def test_the_documented_connection_event_comes_first_and_tells_the_cursor() -> None:
    data = rampart.opening(41, 2_000)
    (message,) = decode(data)
    assert b'data: {"type":"connected"}' in lines(data)
    assert (message.event, message.id, message.fields) == ("message", "41", {"type": "connected"})


def test_the_documented_audit_event() -> None:
    first, second = Tenant().add(2, **DOCUMENTED)
    (message,) = decode(rampart.encode(second))
    assert (message.event, message.id) == ("message", "2")
    assert message.fields["type"] == "audit"
    event = message.fields["event"]
    assert event == {
        "id": second.parse()["id"],
        "timestamp": "2026-03-03T10:15:30.000Z",
        "agent": "claude-code",
        "session": "myapp/main",
        "tool": "exec",
        "request": {"command": "git status"},
        "decision": DOCUMENTED["decision"],
        "prev_hash": first.hash.hex(),
        "hash": second.hash.hex(),
        "type": "tool_call",
        "tool_name": "exec",
        "seq": 2,
    }


def test_what_links_a_call_to_others_is_carried() -> None:
    links = {name: f"{name}-1" for name in ("run_id", "tool_call_id", "prompt_id", "trace_id")}
    links |= {"span_id": "s-1", "parent_id": "evt_1"}
    linked, alone = Tenant().add(1, action="ask", **links), Tenant().add(1)
    (message,) = decode(rampart.encode(linked[0]))
    event = message.fields["event"]
    assert event.items() >= links.items()
    assert event["decision"]["action"] == "ask"
    (message,) = decode(rampart.encode(alone[0]))
    assert not links.keys() & message.fields["event"].keys()


def test_the_documented_suggestions_of_a_denial() -> None:
    decision = {"action": "deny", "suggestions": ["rampart allow 'rm *'"]}
    (event,) = Tenant().add(decision=decision)
    (message,) = decode(rampart.encode(event))
    assert message.fields["event"]["decision"].items() >= decision.items()


@pytest.mark.parametrize(
    "type", ["approval.created", "approval.expired", "approval", "approval.later"]
)
def test_the_documented_approvals_event(type: str) -> None:
    (event,) = Tenant().add(type=type)
    (message,) = decode(rampart.encode(event))
    assert (message.id, message.fields) == ("1", {"type": "approvals"})
    assert b'"type":"approvals"' in rampart.encode(event)  # as the documents' grep looks for it


def test_a_resolution_is_also_an_audit_event_and_the_first_has_the_id_of_a_part() -> None:
    (event,) = Tenant().add(type="approval.resolved", action="deny")
    data = rampart.encode(event)
    approvals, audit = decode(data)
    assert approvals.fields == {"type": "approvals"}
    assert audit.fields["event"]["decision"]["action"] == "deny"
    assert (approvals.id, audit.id) == ("1/1", "1")


def test_the_documented_audit_batch_event() -> None:
    (event,) = Tenant().add(type="approval.bulk_resolved", run_id="run_01J")
    (message,) = decode(rampart.encode(event))
    assert (message.id, message.fields) == ("1", {"type": "audit_batch", "run_id": "run_01J"})


def test_what_the_sample_clients_read_is_always_there() -> None:
    (event,) = Tenant().add(type="agent.created", tool_name="", action="alert")
    (message,) = decode(rampart.encode(event))
    assert message.fields["event"]["tool"] == ""
    assert message.fields["event"]["request"] == {}
    assert message.fields["event"]["decision"] == {"action": "alert", "matched_policies": []}


def test_the_hashes_are_the_ledgers() -> None:
    *_, event = Tenant().add(3)
    (message,) = decode(rampart.encode(event))
    (digest,) = chain.extend(
        bytes.fromhex(message.fields["event"]["prev_hash"]), [chain.leaf(event.entry)]
    )
    assert message.fields["event"]["hash"] == digest.hex()


def test_a_larger_request_is_replaced_by_a_link() -> None:
    (event,) = Tenant().add(request={"content": "x" * 100_000}, metadata={"kept": True})
    (message,) = decode(rampart.encode(event))
    sent = message.fields["event"]
    assert sent["request"] == {"href": f"/api/v1/events/{sent['id']}", "size_bytes": 100_014}
    assert sent["metadata"] == {"kept": True}


PART = st.text(st.sampled_from('x\u2028é\x00\n"'), max_size=4)


@given(request=PART, metadata=PART, message=PART, action=PART, name=st.text(max_size=256))
def test_lines_stay_below_what_gos_scanner_takes(
    request: str, metadata: str, message: str, action: str, name: str
) -> None:
    (event,) = Tenant().add(
        request={"text": request * 2_000},
        metadata={"text": metadata * 2_000},
        decision={
            "action": action * 2_000,
            "message": message * 2_000,
            "suggestions": [message * 2_000],
        },
        tool_name=name,
        agent_id=name,
        session_id=name,
    )
    data = rampart.encode(event)
    assert max(map(len, lines(data))) < rampart.MAX_LINE_BYTES
    (received,) = decode(data)
    sent = received.fields["event"]
    assert (sent["tool"], sent["agent"], sent["session"]) == (name, name, name)
    assert sent["decision"]["action"] in (action * 2_000, "log")


@pytest.mark.parametrize("missing", [-1, 0, 1])
def test_only_what_does_not_fit_is_replaced(missing: int) -> None:
    (event,) = Tenant().add(request={"text": ""})
    room = rampart.MAX_LINE_BYTES - 1 - max(map(len, lines(rampart.encode(event))))
    (event,) = Tenant().add(request={"text": "x" * (room + missing)})
    (message,) = decode(rampart.encode(event))
    assert ("href" in message.fields["event"]["request"]) == (missing > 0)


HOSTILE = st.text(st.sampled_from('\r\n\0\u2028\u2029\u0085 :adtei\ufeff{}"\\')) | st.text()


@given(text=HOSTILE, type=st.sampled_from(["tool_call", "approval.resolved", "anomaly"]))
def test_no_content_can_forge_a_message(text: str, type: str) -> None:
    (event,) = Tenant().add(
        type=type, tool_name=text, metadata={text: text}, request={text: text}, run_id=text
    )
    data = rampart.encode(event)
    *others, audit = decode(data)
    assert [other.fields for other in others] == [{"type": "approvals"}] * len(others)
    assert audit.fields["event"]["tool"] == text
    assert audit.fields["event"]["metadata"] == {text: text}
    assert len(data.decode().splitlines()) == data.count(b"\n")  # for who splits like Python


@given(text=HOSTILE)
def test_no_run_id_can_forge_a_message(text: str) -> None:
    (event,) = Tenant().add(type="approval.bulk_resolved", run_id=text)
    data = rampart.encode(event)
    (message,) = decode(data)
    assert message.fields["run_id"] == text
    assert next(sse.Decoder().feed(data)).id == "1"
