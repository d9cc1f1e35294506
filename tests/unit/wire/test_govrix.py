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
