from fakes.tenant import Tenant
from support.streams import decode
from tocsin.wire import igris


def test_the_documented_tool_call() -> None:
    (event,) = Tenant().add(
        server_id="db-production",
        session_id="sess_abc123",
        tool_name="read_users",
        action="allow",
        latency_ms=12,
        timestamp="2026-03-19T10:30:00.000Z",
    )
    (message,) = decode(igris.encode(event))
    documented = {
        "type": "tool_call",
        "serverId": "db-production",
        "sessionId": "sess_abc123",
        "toolName": "read_users",
        "action": "allow",
        "latencyMs": 12,
        "timestamp": "2026-03-19T10:30:00.000Z",
    }
    assert message.event == "tool_call"
    assert message.fields.items() >= documented.items()


def test_the_documented_anomaly() -> None:
    (event,) = Tenant().add(
        type="anomaly", anomaly_type="rate_spike", current_rate=150, threshold=45
    )
    (message,) = decode(igris.encode(event))
    documented = {"type": "anomaly", "anomalyType": "rate_spike", "currentRate": 150}
    assert message.event == "anomaly"
    assert message.fields.items() >= documented.items()


def test_the_documented_session_update() -> None:
    (event,) = Tenant().add(type="session_update", session_id="sess_abc123", status="suspended")
    (message,) = decode(igris.encode(event))
    documented = {"type": "session_update", "sessionId": "sess_abc123", "status": "suspended"}
    assert message.event == "session_update"
    assert message.fields.items() >= documented.items()


def test_every_message_says_its_place_and_the_compliance_fields() -> None:
    first, second = Tenant().add(2)
    (message,) = decode(igris.encode(second))
    assert message.id == "2"
    assert message.fields["seq"] == 2
    assert message.fields["id"].startswith("evt_")
    assert message.fields["lineageHash"] == f"sha256:{second.hash.hex()}"
    assert message.fields["complianceTag"] == "default"
    assert message.fields["sessionId"]
    assert message.fields["timestamp"]
    assert second.prev_hash == first.hash


def test_absent_fields_are_left_out() -> None:
    (event,) = Tenant().add()
    (message,) = decode(igris.encode(event))
    assert "serverId" not in message.fields
    assert None not in message.fields.values()


def test_metadata_is_the_same_value_as_was_sent() -> None:
    metadata = {"tool_name": "kept", "toolName": 1.5, "nested": [{"user_id": None}]}
    (event,) = Tenant().add(metadata=metadata)
    (message,) = decode(igris.encode(event))
    assert message.fields["metadata"] == metadata


def test_no_content_can_forge_a_message() -> None:
    evil = "x\n\nevent: forged\ndata: {}\n\n\r\r\u2028\u2029\u0085"
    (event,) = Tenant().add(tool_name=evil, metadata={evil: evil})
    data = igris.encode(event)
    (message,) = decode(data)
    assert message.fields["toolName"] == evil
    assert len(data.decode().splitlines()) == 4  # also for a client that splits like Python


def test_a_type_can_not_forge_a_line() -> None:
    (event,) = Tenant().add(type="a\r\ndata: {}\n\n\0b")
    (message,) = decode(igris.encode(event))
    assert message.event == "adata: {}b"
