"""The body of the ingest route, as Igris documents it, and what Tocsin refuses."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.errors import Forbidden, Invalid, Malformed, TooLarge
from tocsin.wire.intake.raw import parse

IGRIS_EVENT = {
    "type": "tool_call",
    "toolName": "generate_report",
    "action": "allow",
    "timestamp": "2026-03-19T10:00:00.000Z",
    "metadata": {"model": "gpt-4o", "userId": "user_42", "latencyMs": 340},
}


def one(event: dict[str, Any]) -> dict[str, Any]:
    (parsed,) = parse(json.dumps(event).encode()).events
    return parsed


def refused(body: object, **options: bool) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        parse(json.dumps(body).encode(), **options)
    return [(detail["field"], detail["message"]) for detail in caught.value.details]


def test_igris_single_event() -> None:
    assert one(IGRIS_EVENT) == {
        "type": "tool_call",
        "tool_name": "generate_report",
        "action": "allow",
        "timestamp": "2026-03-19T10:00:00.000Z",
        "metadata": {"model": "gpt-4o", "userId": "user_42", "latencyMs": 340},
        "model": "gpt-4o",
        "user_id": "user_42",
        "latency_ms": 340,
    }


def test_igris_batch() -> None:
    parsed = parse(json.dumps({"events": [IGRIS_EVENT, IGRIS_EVENT]}).encode())
    assert len(parsed.events) == 2 and parsed.rejected == []


def test_camel_case_and_snake_case_are_one_field() -> None:
    camel = one({"type": "custom", "toolName": "t", "sessionId": "s", "costUsd": 0.5})
    snake = one({"type": "custom", "tool_name": "t", "session_id": "s", "cost_usd": 0.5})
    assert camel == snake


def test_a_field_in_both_spellings_is_refused() -> None:
    assert refused({"type": "custom", "toolName": "a", "tool_name": "b"}) == [
        ("tool_name", "Given twice: toolName and tool_name are the same field")
    ]


def test_every_document_s_fields_are_taken() -> None:
    sent = {
        "type": "audit",
        "timestamp": "2026-03-03T10:15:30Z",
        "id": "01J9K8L7M6N5",
        "server_id": "db-production",
        "agent_id": "claude-code",
        "session_id": "myapp/main",
        "user_id": "u",
        "tool_name": "exec",
        "action": "deny",
        "direction": "response",
        "model": "gpt-4o",
        "provider": "openai",
        "prompt_tokens": 512,
        "completion_tokens": 128,
        "total_tokens": 640,
        "cost_usd": 0.00384,
        "latency_ms": 12,
        "compliance_tag": "pci",
        "pii_detected": True,
        "pii_types": ["email"],
        "request": {"command": "git status"},
        "decision": {
            "action": "deny",
            "matched_policies": ["p"],
            "evaluation_time_us": 8,
            "message": "no",
            "suggestions": ["ask"],
        },
        "run_id": "run_01J",
        "status": "suspended",
        "data": {"agentId": "a"},
        "anomaly_type": "rate_spike",
        "current_rate": 150,
        "threshold": 45,
        "metadata": {"a": [1, None, "x"]},
    }
    expected = {**sent, "timestamp": "2026-03-03T10:15:30.000Z"}
    expected["source_id"] = expected.pop("id")
    assert one(sent) == expected


def test_what_has_no_place_is_named_and_not_stored() -> None:
    parsed = parse(b'{"type":"custom","toolName":"t","seq":1,"source":"tocsin","colour":"red"}')
    assert parsed.events == [{"type": "custom", "tool_name": "t"}]
    assert parsed.ignored == {"seq", "source", "colour"}


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2026-03-19T10:00:00Z", "2026-03-19T10:00:00.000Z"),
        ("2026-03-19T10:00:00.123456Z", "2026-03-19T10:00:00.123Z"),
        ("2026-03-19T10:00:00.500+02:00", "2026-03-19T08:00:00.500Z"),
        ("2026-03-19T10:00:00", "2026-03-19T10:00:00.000Z"),
        ("2026-03-19", "2026-03-19T00:00:00.000Z"),
    ],
)
def test_timestamps_are_stored_in_utc_with_milliseconds(sent: str, stored: str) -> None:
    assert one({**IGRIS_EVENT, "timestamp": sent})["timestamp"] == stored


@pytest.mark.parametrize("sent", ["soon", "2026-13-01", "0001-01-01T00:00:00+10:00", "1774000000"])
def test_other_timestamps_are_refused(sent: str) -> None:
    details = refused({**IGRIS_EVENT, "timestamp": sent})
    assert details == [("timestamp", "Invalid ISO 8601 datetime")]


def test_metadata_fills_only_what_is_absent_and_fits() -> None:
    event = {**IGRIS_EVENT, "model": "mine", "metadata": {"model": "x", "tokens": "many"}}
    assert one(event)["model"] == "mine"
    assert "total_tokens" not in one(event)
    assert one({**IGRIS_EVENT, "metadata": {"tokens": 500}})["total_tokens"] == 500


class TestTypes:
    @pytest.mark.parametrize("kind", ["tool_call", "completion", "embedding", "custom"])
    def test_igris_types_need_a_tool_name(self, kind: str) -> None:
        assert refused({"type": kind}) == [("toolName", "Required")]

    @pytest.mark.parametrize("kind", ["agent.created", "cost.recorded", "audit", "acme.deploy"])
    def test_other_types_need_no_tool_name(self, kind: str) -> None:
        assert one({"type": kind}) == {"type": kind}

    @pytest.mark.parametrize("kind", ["", "frobnicate", "a b.c", "x.y\n", ".x", "é.x"])
    def test_an_unknown_type_is_refused(self, kind: str) -> None:
        ((field, _),) = refused({"type": kind})
        assert field == "type"

    @pytest.mark.parametrize("kind", ["anomaly", "session_update", "approval.created", "tocsin.x"])
    def test_tocsin_s_own_are_forbidden(self, kind: str) -> None:
        with pytest.raises(Forbidden) as caught:
            parse(json.dumps({"events": [IGRIS_EVENT, {"type": kind}]}).encode())
        assert [detail["field"] for detail in caught.value.details] == ["events[1].type"]


class TestDetails:
    def test_igris_example(self) -> None:
        assert refused({"type": "tool_call"}) == [("toolName", "Required")]
        assert refused({"toolName": "x"}) == [("type", "Required")]

    def test_in_a_batch_the_field_says_where(self) -> None:
        batch = {"events": [IGRIS_EVENT] * 3 + [{"type": "custom"}]}
        assert refused(batch) == [("events[3].toolName", "Required")]

    def test_the_spelling_is_the_sender_s(self) -> None:
        fields = {"type": "custom", "toolName": "t", "cost_usd": "3", "latencyMs": []}
        assert [field for field, _ in refused(fields)] == ["cost_usd", "latencyMs"]

    def test_within_a_field(self) -> None:
        assert refused({"type": "audit", "decision": {"matched_policies": [1]}})[0][0] == (
            "decision.matched_policies[0]"
        )

    @pytest.mark.parametrize("body", [[], 1, "x", None])
    def test_neither_an_event_nor_a_batch(self, body: object) -> None:
        with pytest.raises(Malformed, match="JSON object"):
            parse(json.dumps(body).encode())

    @pytest.mark.parametrize("events", [[], {}, None])
    def test_a_batch_holds_events(self, events: object) -> None:
        assert refused({"events": events})[0][0] == "events"

    def test_an_event_is_an_object(self) -> None:
        assert refused({"events": [3]}) == [("events[0]", "Expected object")]


def test_partial_takes_the_valid_and_reports_the_rest_by_index() -> None:
    body = {"events": [{"type": "custom"}, IGRIS_EVENT, {"type": "anomaly"}]}
    parsed = parse(json.dumps(body).encode(), partial=True)
    assert len(parsed.events) == 1
    assert [rejection.index for rejection in parsed.rejected] == [0, 2]


class TestJson:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "not JSON"),
            (b"{", "not JSON"),
            (b"\xff", "UTF-8"),
            (b'{"type":"custom","toolName":"t","metadata":{"a":1,"a":1}}', "stands twice"),
            (b'{"type":"custom","toolName":"t","metadata":{"a":NaN}}', "not JSON"),
            (b'{"type":"custom","toolName":"t","metadata":{"a":1e400}}', "double"),
            (b'{"type":"custom","toolName":"t","metadata":{"a":9007199254740993}}', "string"),
            (b'{"type":"custom","toolName":"t","metadata":{"a":-9007199254740993}}', "string"),
        ],
    )
    def test_malformed(self, body: bytes, reason: str) -> None:
        with pytest.raises(Malformed, match=reason):
            parse(body)

    def test_the_largest_safe_integers_pass(self) -> None:
        limit = 2**53 - 1
        assert one({**IGRIS_EVENT, "metadata": {"a": [limit, -limit]}})["metadata"]["a"] == [
            limit,
            -limit,
        ]

    @given(st.integers(1, 200))
    def test_nesting_is_bounded(self, levels: int) -> None:
        value: Any = {}
        for _ in range(levels - 2):
            value = [value]
        body = json.dumps({"type": "acme.deep", "data": value}).encode()
        if max(levels, 2) <= 64:
            assert parse(body).events
        else:
            with pytest.raises(TooLarge, match="64 levels"):
                parse(body)

    def test_nesting_that_would_end_the_parser(self) -> None:
        with pytest.raises(TooLarge, match="64 levels"):
            parse(b'{"a":' * 200_000)

    def test_too_many_events(self) -> None:
        with pytest.raises(TooLarge, match="1,000"):
            parse(json.dumps({"events": [IGRIS_EVENT] * 1_001}).encode())


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values))
def test_metadata_is_the_same_json_value(metadata: dict[str, Any]) -> None:
    from tocsin.domain import canonical

    body = json.dumps({"type": "acme.x", "metadata": metadata}).encode()
    parsed = parse(body)
    stored = canonical.canonical(parsed.events[0], plain=parsed.plain)
    assert stored == canonical.canonical(parsed.events[0])
    # All numbers of JSON are doubles (RFC 8785), however many digits an integral one is written in.
    assert json.loads(stored, parse_int=float)["metadata"] == json.loads(
        json.dumps(metadata), parse_int=float
    )
