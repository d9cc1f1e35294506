"""The body of the ingest route, as Igris documents it, and what Tocsin refuses."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain import canonical
from tocsin.domain.errors import Forbidden, Invalid, Malformed, Refused, TooLarge
from tocsin.domain.limits import (
    MAX_DETAILS_PER_EVENT,
    MAX_DETAILS_PER_REFUSAL,
    MAX_IGNORED_NAMES,
    MAX_LABELS,
    MAX_NAME_CHARS,
)
from tocsin.wire.event import IncomingEvent
from tocsin.wire.intake.raw import boolean, parse
from tocsin.wire.problems import problem

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
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span_id": "00f067aa0ba902b7",
        "parent_id": "evt_03kz1b4m5os6p7r8t9u0v2x3y",
        "tool_call_id": "toolu_01A",
        "prompt_id": "p1",
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
    beside = parse(b'{"events":[{"type":"custom","toolName":"t","x":1}],"session_id":"s"}')
    assert (beside.ignored, len(beside.events)) == ({"x", "session_id"}, 1)


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


GOOD = json.dumps(IGRIS_EVENT)


@pytest.mark.parametrize(
    ("event", "field", "message"),
    [
        ('{"type":"a.b","metadata":{"start_ns":1774000000123456789}}', "metadata.start_ns", "2^53"),
        ('{"type":"a.b","data":[0,{"x":NaN}]}', "data[1].x", "not JSON"),
        ('{"type":"a.b","data":1e400}', "data", "double"),
        ('{"type":"a.b","data":1e-400}', "data", "close to zero"),
        ('{"type":"a.b","data":"\\ud800"}', "data", "lone surrogate"),
        ('{"type":"a.b","\\udfff":1}', "\\udfff", "lone surrogate"),
        ('{"type":"a.b","data":{"a":1,"a":1}}', "data", "stands twice"),
        ('{"type":"a.b","type":"a.c"}', "", "stands twice"),
        ('{"type":"a.b","data":' + "[" * 63 + "]" * 63 + "}", "", ""),
        ('{"type":"a.b","data":' + "[" * 64 + "]" * 64 + "}", "", "64 levels"),
        (
            '{"type":"a.b","data":' + '[{"a":' * 100_000 + "0" + "}]" * 100_000 + "}",
            "",
            "64 levels",
        ),
        ('{"type":{}}', "type", "string"),
        ('{"type":["tool_call"]}', "type", "string"),
        ('{"type":"tocsin.\\ud800"}', "type", "lone surrogate"),
        ("[]", "", "Expected object"),
    ],
    ids=lambda text: text[:40],
)
def test_an_event_is_refused_for_itself_alone(event: str, field: str, message: str) -> None:
    body = f'{{"events":[{GOOD},{event},{GOOD}]}}'.encode()
    parsed = parse(body, partial=True)
    if not message:
        assert len(parsed.events) == 3
        return
    assert len(parsed.events) == 2 and parsed.places == [0, 2]
    ((index, details),) = [(each.index, each.details) for each in parsed.rejected]
    path = f"events[1].{field}".removesuffix(".")
    assert index == 1 and details[0]["field"] == path and message in details[0]["message"]
    with pytest.raises(Refused) as caught:
        parse(body)
    assert message in str(caught.value) or message in caught.value.details[0]["message"]


def test_what_is_wrong_beside_the_events_refuses_them_all() -> None:
    with pytest.raises(Malformed, match="NaN"):
        parse(f'{{"events":[{GOOD}],"pad":[NaN]}}'.encode(), partial=True)
    with pytest.raises(Malformed, match="stands twice"):
        parse(f'{{"events":[{GOOD}],"events":[{GOOD}]}}'.encode(), partial=True)


@pytest.mark.parametrize("action", ["allow", "deny", "alert", "log", "ask", "watch"])
def test_what_was_decided_is_what_was_done_unless_that_is_said(action: str) -> None:
    decided = one({"type": "audit", "decision": {"action": action}})
    assert decided == {"type": "audit", "decision": {"action": action}, "action": action}
    said = one({"type": "audit", "decision": {"action": action}, "action": "allow"})
    assert said["action"] == "allow"
    assert one({"type": "audit", "action": action})["action"] == action


@pytest.mark.parametrize("action", ["always_allowed", "DENY", "x" * 1_000])
def test_a_decision_that_is_no_action_stays_where_it_is(action: str) -> None:
    assert "action" not in one({"type": "audit", "decision": {"action": action}})


def test_a_decision_keeps_what_is_not_ours() -> None:
    decision = {"action": "deny", "id": "d1", "toolName": "t", "matchedPolicies": ["p"]}
    assert one({"type": "audit", "decision": decision})["decision"] == {
        "action": "deny",
        "id": "d1",
        "toolName": "t",
        "matched_policies": ["p"],
    }
    twice = {"matched_policies": ["a"], "matchedPolicies": ["b"]}
    assert refused({"type": "audit", "decision": twice})[0][0] == "decision.matchedPolicies"


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "1"])
def test_yes_is_yes_however_it_is_spelled(text: str) -> None:
    assert boolean("partial", text)


def test_no_is_no_and_the_rest_is_refused() -> None:
    assert not any(boolean("partial", text) for text in (None, "", "False", "0"))
    with pytest.raises(Malformed, match="partial: send true or false"):
        boolean("partial", "yes")


class TestBounds:
    """What a request costs, and what its refusal says, is bounded however many faults it has."""

    def test_a_list_of_a_million_wrong_items_is_one_fault(self) -> None:
        body = b'{"type":"audit","pii_types":[' + b"1," * 1_000_000 + b"1]}"
        with pytest.raises(Invalid) as caught:
            parse(body)
        assert len(caught.value.details) == 1

    @pytest.mark.parametrize("field", ["pii_types", "matched_policies", "suggestions"])
    def test_lists_are_bounded(self, field: str) -> None:
        def event(count: int) -> dict[str, Any]:
            labels = {field: ["x"] * count}
            return {"type": "audit"} | (labels if field == "pii_types" else {"decision": labels})

        assert one(event(MAX_LABELS))
        ((where, message),) = refused(event(MAX_LABELS + 1))
        assert field in where and str(MAX_LABELS) in message

    def test_a_large_object_with_a_key_that_stands_twice(self) -> None:
        pairs = ",".join(f'"{number}":0' for number in range(300_000))
        with pytest.raises(Malformed, match="'299999' stands twice"):
            parse(f'{{"type":"audit","data":{{{pairs},"299999":0}}}}'.encode())

    def test_ignored_fields_are_named_up_to_a_number_and_a_length(self) -> None:
        event = {"type": "audit", **{f"{number:06}{'x' * 300}": 0 for number in range(5_000)}}
        ignored = parse(json.dumps(event).encode()).ignored
        assert len(ignored) == MAX_IGNORED_NAMES
        assert {len(name) for name in ignored} == {MAX_NAME_CHARS}

    def test_faults_are_told_up_to_a_number(self) -> None:
        wrong: dict[str, Any] = {
            name: [] for name in ("toolName", *(f"{n}_id" for n in ("agent", "user", "run")))
        }
        wrong |= {name: [] for name in ("model", "provider", "status", "direction", "action")}
        wrong |= {"type": "custom", "latency_ms": "", "cost_usd": "x", "threshold": [], "data": 1}
        (only, *_) = parse(json.dumps({"events": [wrong] * 20}).encode(), partial=True).rejected
        assert len(only.details) == MAX_DETAILS_PER_EVENT
        assert len(refused({"events": [wrong] * 20})) == MAX_DETAILS_PER_REFUSAL

    @pytest.mark.parametrize("item", ["1e999", "NaN", '"\\ud800"', '{"a":0,"a":0}'])
    def test_a_body_full_of_flaws(self, item: str) -> None:
        flaws = ",".join([item] * 200_000)
        body = f'{{"events":[{{"type":"audit","data":[{flaws}]}},{{"type":"audit"}}]}}'.encode()
        parsed = parse(body, partial=True)
        assert [each.index for each in parsed.rejected] == [0] and len(parsed.events) == 1
        assert len(json.dumps(parsed.rejected[0].details)) < 1_000


@pytest.mark.parametrize(
    ("sent", "stored"),
    [("1e16", b"10000000000000000"), ("-1e20", b"-100000000000000000000"), ("1e21", b"1e+21")],
)
def test_a_large_number_is_accepted_again_as_it_comes_back(sent: str, stored: bytes) -> None:
    for text in (sent, stored.decode()):
        parsed = parse(f'{{"type":"a.b","data":{text}}}'.encode())
        entry = canonical.canonical(parsed.events[0], plain=parsed.plain)
        assert entry == b'{"data":' + stored + b',"type":"a.b"}'


@pytest.mark.parametrize("sent", ["9007199254740993.0", "12345678901234567890.0", "1" + "0" * 400])
def test_an_integer_that_would_be_rounded_is_refused_however_it_is_written(sent: str) -> None:
    with pytest.raises(Malformed, match="send it as a string"):
        parse(f'{{"type":"a.b","data":{sent}}}'.encode())


@given(
    st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.integers(-(10**22), 10**22).map(str)
    | st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
)
def test_any_number_that_is_accepted_is_accepted_again_as_it_comes_back(sent: str) -> None:
    def stored(text: str) -> bytes:
        parsed = parse(f'{{"type":"a.b","data":{text}}}'.encode())
        return canonical.canonical(parsed.events[0], plain=parsed.plain)

    try:
        first = stored(sent)
    except Malformed:
        return
    text = first.removeprefix(b'{"data":').removesuffix(b',"type":"a.b"}').decode()
    assert float(text) == float(sent)
    assert stored(text) == first


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
    body = json.dumps({"type": "acme.x", "metadata": metadata}).encode()
    parsed = parse(body)
    stored = canonical.canonical(parsed.events[0], plain=parsed.plain)
    assert stored == canonical.canonical(parsed.events[0])
    # All numbers of JSON are doubles (RFC 8785), however many digits an integral one is written in.
    assert json.loads(stored, parse_int=float)["metadata"] == json.loads(
        json.dumps(metadata), parse_int=float
    )


NUMBERS = ["0", "-0", "1e16", "1e20", "1e400", "1e-400", "9007199254740993", "NaN", "-Infinity"]
STRINGS = ['""', '"x"', '"\\ud800"', '"\\ud83d\\ude00"', '"\U0001f600"', '"\\u0000"', '"%d"']
NAMES = [
    *map(json.dumps, IncomingEvent.__annotations__),
    '"toolName"',
    '"events"',
    '"id"',
    *STRINGS,
]
TYPES = ['"tool_call"', '"a.b"', '"tocsin.\\udfff"', '"anomaly"', "{}", "[]", "1", "null"]
json_texts = st.recursive(
    st.sampled_from([*NUMBERS, *STRINGS, *TYPES, "true", "null"]),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(st.sampled_from(NAMES), inner), max_size=4).map(
            lambda pairs: f"{{{','.join(f'{name}:{value}' for name, value in pairs)}}}"
        )
    ),
    max_leaves=8,
)
event_texts = st.builds(
    lambda kind, fields: f'{{"type":{kind}{"".join(f",{n}:{v}" for n, v in fields)}}}',
    st.sampled_from(TYPES),
    st.lists(st.tuples(st.sampled_from(NAMES), json_texts), max_size=4),
)


@given(
    json_texts
    | event_texts
    | st.lists(event_texts).map(lambda es: f'{{"events":[{",".join(es)}]}}'),
    st.booleans(),
)
def test_a_body_is_taken_or_refused_in_words(text: str, partial: bool) -> None:
    try:
        parsed = parse(text.encode(), partial=partial)
    except Refused as error:
        answer = problem(error)
        assert answer.status < 500 and json.loads(answer.content)["error"]
        return
    for event in parsed.events:
        stored = canonical.canonical(event, plain=parsed.plain)
        assert stored == canonical.canonical(event)
        (again,) = parse(stored).events
        assert canonical.canonical(again) == stored
    assert len(parsed.places) == len(parsed.events)
