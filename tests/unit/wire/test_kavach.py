from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.tenant import Tenant
from support.streams import Received, decode
from tocsin.domain import canonical
from tocsin.wire import kavach, sse

DOCUMENTED = [
    "audit",
    "agent.created",
    "agent.revoked",
    "agent.rotated",
    "auth.signin",
    "auth.signout",
    "auth.failed",
    "delegation.created",
    "delegation.revoked",
    "budget.exceeded",
    "anomaly.detected",
    "cost.recorded",
]


def sent(asked: set[str] | None = None, **fields: Any) -> list[Received]:
    (event,) = Tenant().add(**fields)
    return decode(kavach.encode(event, None if asked is None else frozenset(asked)))


def test_the_documented_types_are_all_there_are() -> None:
    assert sorted(DOCUMENTED) == sorted(kavach.TYPES)


@pytest.mark.parametrize("type", DOCUMENTED)
def test_the_documented_types_go_by_their_names(type: str) -> None:
    (message,) = sent(type=type)
    assert (message.event, message.id, message.fields["type"]) == (type, "1", type)


def test_the_documented_emitted_event() -> None:
    (message,) = sent(
        type="agent.revoked",
        timestamp="2026-01-15T10:00:00.000Z",
        data={"agentId": "a", "reason": "manual-revocation"},
        agent_id="a",
        user_id="u",
        metadata={"k": 1},
    )
    id = message.fields.pop("id")
    assert id.startswith("evt_")
    assert message.fields == {
        "type": "agent.revoked",
        "timestamp": "2026-01-15T10:00:00.000Z",
        "data": {"agentId": "a", "reason": "manual-revocation"},
        "agentId": "a",
        "userId": "u",
        "tool_name": "tool-0",
        "metadata": {"k": 1},
        "seq": 1,
    }


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"agentId": "a", "userId": "u"}, {"agentId": "a", "userId": "u"}),
        ({"agentId": 7}, {}),
        ("agentId", {}),
        (None, {}),
    ],
)
def test_who_is_named_in_the_payload_alone_is_named_beside_it(
    data: Any, expected: dict[str, str]
) -> None:
    (event,) = Tenant().add(type="agent.created", data=data)
    fields = canonical.parse(event.entry)
    del fields["agent_id"]
    (message,) = decode(kavach.encode(replace(event, entry=canonical.canonical(fields))))
    assert {key: message.fields[key] for key in ("agentId", "userId") if key in message.fields} == (
        expected
    )


def test_an_anomaly_is_detected() -> None:
    (message,) = sent(type="anomaly", anomaly_type="rate_spike", current_rate=150, threshold=45)
    assert message.event == message.fields["type"] == "anomaly.detected"
    data = message.fields["data"]
    expected = {"type": "anomaly", "anomalyType": "rate_spike", "currentRate": 150, "threshold": 45}
    assert data.items() >= expected.items()


@pytest.mark.parametrize("type", ["tool_call", "session_update", "approval.created", "acme.login"])
def test_all_else_is_audited(type: str) -> None:
    (message,) = sent(type=type, server_id="db", data={"x": 1})
    assert message.event == message.fields["type"] == "audit"
    data = message.fields["data"]
    assert (data["type"], data["serverId"], data["data"]) == (type, "db", {"x": 1})


def test_absent_fields_are_left_out() -> None:
    (message,) = sent(type="auth.signin")
    assert not {"userId", "metadata"} & message.fields.keys()
    assert None not in message.fields.values()


def test_costs_are_told_to_those_who_ask() -> None:
    cost: dict[str, Any] = {"type": "completion", "cost_usd": 0.5, "model": "gpt-4o"}
    assert [message.event for message in sent(**cost)] == ["audit"]
    assert [message.event for message in sent({"audit"}, **cost)] == ["audit"]
    (message,) = sent({"cost.recorded"}, **cost)
    assert (message.event, message.id) == ("cost.recorded", "1")
    assert message.fields["data"]["costUsd"] == 0.5
    audit, recorded = sent({"audit", "cost.recorded"}, **cost)
    assert (audit.event, audit.id) == ("audit", "1/1")
    assert (recorded.event, recorded.id) == ("cost.recorded", "1")
    assert audit.fields["id"] == recorded.fields["id"]


def test_what_costs_nothing_records_no_cost() -> None:
    assert sent({"cost.recorded"}, cost_usd=0) == []
    assert sent({"cost.recorded"}) == []


def test_a_recorded_cost_is_sent_once() -> None:
    (message,) = sent({"cost.recorded"}, type="cost.recorded", cost_usd=0.1, data={"usd": 0.1})
    assert message.fields["data"] == {"usd": 0.1}


@pytest.mark.parametrize(
    ("type", "seen_as"),
    [("tool_call", "audit"), ("anomaly", "anomaly.detected"), ("agent.created", "agent.created")],
)
def test_types_that_are_not_asked_for_are_hidden(type: str, seen_as: str) -> None:
    assert [message.event for message in sent({seen_as}, type=type)] == [seen_as]
    assert sent(set(DOCUMENTED) - {seen_as}, type=type) == []


def test_who_asks_for_the_same_shares_a_dialect() -> None:
    (event,) = Tenant().add(cost_usd=1)
    one, other = (kavach.Asked(frozenset({"cost.recorded"})) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one(event) == kavach.encode(event, frozenset({"cost.recorded"}))


def test_the_documented_error_event() -> None:
    (message,) = decode(kavach.UNAUTHORIZED)
    assert message.event == "error"
    assert message.fields == {"code": "UNAUTHORIZED", "message": "Invalid token"}


def test_a_heartbeat_is_a_comment_and_one_line_feed() -> None:
    assert kavach.HEARTBEAT == b": heartbeat\n"
    assert decode(kavach.HEARTBEAT * 3) == []


HOSTILE = st.text(st.sampled_from('\r\n\0\u2028\u2029\u0085 :adtei\ufeff{}"\\')) | st.text()


@given(text=HOSTILE, type=st.sampled_from([*DOCUMENTED, "tool_call", "anomaly"]))
def test_no_content_can_forge_a_message(text: str, type: str) -> None:
    (event,) = Tenant().add(
        type=type, tool_name=text, agent_id=text, user_id=text, cost_usd=1, data={text: text}
    )
    data = kavach.encode(event, kavach.TYPES)
    messages = decode(data)
    for message in messages:
        assert message.event in DOCUMENTED
        assert message.fields["tool_name"] == message.fields["userId"] == text
    assert [message.id for message in messages] == ["1/1"] * (len(messages) - 1) + ["1"]
    assert len(data.decode().splitlines()) == data.count(b"\n")  # for who splits like Python


@given(type=HOSTILE)
def test_no_type_can_forge_a_message(type: str) -> None:
    (event,) = Tenant().add(type=type)
    data = kavach.encode(event)
    (message,) = decode(data)
    assert message.event in DOCUMENTED
    assert next(sse.Decoder().feed(data)).id == "1"


def test_events_go_by_their_senders_ids_where_that_is_wanted() -> None:
    (named,) = Tenant().add(type="audit", source_id="mine")
    (unnamed,) = Tenant().add(type="audit")
    own = kavach.Asked(None, own_ids=True)
    for event, id in ((named, "mine"), (unnamed, unnamed.parse()["id"])):
        (message,) = decode(own(event))
        assert (message.id, message.fields["id"]) == ("1", id)
        assert "sourceId" not in message.fields["data"]
    (message,) = decode(kavach.encode(named))
    assert message.fields["id"].startswith("evt_")
