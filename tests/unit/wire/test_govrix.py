import json
from dataclasses import replace

from fakes.tenant import Tenant
from support.streams import decode
from tocsin.domain import canonical, chain
from tocsin.wire import govrix

DOCUMENTED = {
    "agent_id": "agt_01hx9z2k3mq4n5p6r7s8t9u0v",
    "session_id": "ses_07pa5f8q9tw0u1v2x3y4z5a6b",
    "timestamp": "2026-03-05T14:21:00.000Z",
    "direction": "request",
    "model": "gpt-4o",
    "provider": "openai",
    "prompt_tokens": 300,
    "completion_tokens": 90,
    "cost_usd": 0.00231,
    "compliance_tag": "default",
}


def test_the_documented_event() -> None:
    (event,) = Tenant().add(**DOCUMENTED)
    (message,) = decode(govrix.encode(event))
    assert message.event == "agent_event"
    assert message.id == "1"
    assert message.fields.items() >= DOCUMENTED.items()
    assert message.fields["pii_detected"] is False
    assert message.fields["lineage_hash"] == f"sha256:{event.hash.hex()}"
    assert {"id", "type", "tool_name", "action", "seq"} <= message.fields.keys()


def test_pii_that_was_reported_is_told() -> None:
    (event,) = Tenant().add(pii_detected=True, pii_types=["email"])
    (message,) = decode(govrix.encode(event))
    assert message.fields["pii_detected"] is True
    assert message.fields["pii_types"] == ["email"]


def test_absent_fields_are_left_out() -> None:
    (event,) = Tenant().add()
    (message,) = decode(govrix.encode(event))
    assert "model" not in message.fields
    assert None not in message.fields.values()


def test_a_subscriber_can_verify_what_it_sees() -> None:
    for event in Tenant().add(3, metadata={"text": "é\u2028"}, pii_detected=False):
        (message,) = decode(govrix.encode(event))
        given = {"seq", "prev_hash", "hash", "lineage_hash"}
        entry = {name: value for name, value in message.fields.items() if name not in given}
        leaf = chain.leaf(canonical.canonical(entry))
        (digest,) = chain.extend(bytes.fromhex(message.fields["prev_hash"]), [leaf])
        assert message.fields["hash"] == digest.hex()


LISTED = {
    "id", "agent_id", "session_id", "timestamp", "direction", "model", "provider",
    "prompt_tokens", "completion_tokens", "total_tokens", "cost_usd", "compliance_tag",
    "lineage_hash", "pii_detected", "pii_types",
}  # fmt: skip


def test_the_documented_object() -> None:
    (event,) = Tenant().add(**DOCUMENTED, total_tokens=390)
    listed = json.loads(govrix.encode_object(event))
    assert listed.items() >= DOCUMENTED.items()
    assert {name for name in listed if name in LISTED} == LISTED
    assert (listed["total_tokens"], listed["pii_detected"], listed["pii_types"]) == (390, False, [])
    assert listed["lineage_hash"] == f"sha256:{event.hash.hex()}"
    assert (listed["seq"], listed["type"], listed["tool_name"]) == (1, "tool_call", "tool-0")
    assert listed["metadata"] == {}


def test_an_object_has_every_documented_field_whatever_the_event_says() -> None:
    (event,) = Tenant().add()
    listed = json.loads(govrix.encode_object(event))
    assert listed.keys() >= LISTED | {"seq", "type", "tool_name", "metadata"}
    assert (listed["model"], listed["cost_usd"]) == (None, None)


def test_total_tokens_are_the_sum_of_what_is_known() -> None:
    tenant, none = Tenant(), {"tool_name": "t", "agent_id": "a"}
    for fields, total in [
        ({"prompt_tokens": 512, "completion_tokens": 128}, 640),
        ({"prompt_tokens": 512}, None),
    ]:
        entry = json.loads(tenant.add(**none, **fields)[0].entry)
        del entry["total_tokens"]
        event = replace(tenant.add()[0], entry=canonical.canonical(entry))
        assert json.loads(govrix.encode_object(event))["total_tokens"] == total


def test_pii_types_are_listed() -> None:
    (event,) = Tenant().add(pii_detected=True, pii_types=["email"])
    listed = json.loads(govrix.encode_object(event))
    assert (listed["pii_detected"], listed["pii_types"]) == (True, ["email"])


def test_an_array_is_whole_however_it_is_cut() -> None:
    events = Tenant().add(5)
    whole = [json.loads(govrix.encode_object(event)) for event in events]
    for groups in ([events], [[], events[:2], [], events[2:], []], [[each] for each in events]):
        pieces = list(govrix.array(groups))
        assert json.loads(b"".join(pieces)) == whole
        assert [bool(piece) for piece in pieces] == [*map(bool, groups), True]
    assert b"".join(govrix.array([[], []])) == b"[]"
