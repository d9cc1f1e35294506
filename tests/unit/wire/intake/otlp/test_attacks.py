"""Hostile and odd requests: refused as a whole, or by the record, at no more than their size."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue

from tocsin.domain.canonical import canonical
from tocsin.domain.errors import Malformed, Refused, TooLarge
from tocsin.domain.limits import (
    MAX_BODY_BYTES,
    MAX_DEPTH,
    MAX_EVENT_BYTES,
    MAX_EVENTS_PER_BATCH,
    MAX_NAME_CHARS,
)
from tocsin.domain.reports import call_key
from tocsin.wire.intake.incoming import Incoming
from tocsin.wire.intake.otlp.formats import JSON, PROTOBUF, Signal, format_of
from tocsin.wire.intake.otlp.record import MAX_ATTRIBUTES, MAX_VALUES

type Read = Callable[[bytes], Incoming]


def reader(signal: Signal, media_type: str) -> Read:
    parse = format_of(signal, media_type).read
    return lambda body: parse(body, partial=True)


TRACES_JSON, TRACES = reader(Signal.TRACES, JSON), reader(Signal.TRACES, PROTOBUF)
LOGS_JSON, LOGS = reader(Signal.LOGS, JSON), reader(Signal.LOGS, PROTOBUF)
METRICS_JSON, METRICS = reader(Signal.METRICS, JSON), reader(Signal.METRICS, PROTOBUF)
ALL = (TRACES_JSON, TRACES, LOGS_JSON, LOGS, METRICS_JSON, METRICS)


def varint(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def field(number: int, content: bytes) -> bytes:
    """Return a length-delimited field of a protobuf message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def request(*spans: bytes, resource: bytes = b"") -> bytes:
    scope = b"".join(field(2, span) for span in spans)
    return field(1, field(1, resource) + field(2, scope))


def span_json(**fields: Any) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}).encode()


def nested(levels: int) -> AnyValue:
    value = AnyValue(int_value=1)
    for _ in range(levels):
        value = AnyValue(array_value=ArrayValue(values=[value]))
    return value


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",  # no tag
        b"\x0a\xff\xff\xff\xff\x7f",  # a length far beyond the end
        b"\x0a\x80",  # a varint without its end
        b"\x08" + b"\xff" * 11,  # a varint of more than ten bytes
        b"\x0b" * 200,  # groups in groups that never end
        b"\x0c",  # the end of a group that never began
        field(1, field(2, field(2, b"\x2a\x02\xff\xfe"))),  # a name that is not UTF-8
        field(1, b"\x1a\x02\xff\xfe" + field(2, field(2, b""))),  # a schema_url that is not
        request(field(9, field(1, b"k") + field(2, field(1, b"\xed\xa0\x80")))),  # a surrogate
        request(b"\x39\x00"),  # half a fixed64
        b"{}",
    ],
)
def test_bytes_that_are_no_request_are_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        TRACES(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"resourceSpans": {}}',
        b'{"resourceSpans": [1]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": ["x"]}]}]}',
        b'{"resourceSpans": [{"resource": [], "scopeSpans": [{"spans": [{}]}]}]}',
        span_json(name=1),
        span_json(startTimeUnixNano="now"),
        span_json(startTimeUnixNano=True),
        span_json(startTimeUnixNano=1.5),
        span_json(startTimeUnixNano="1" * 5_000),
        span_json(attributes=[{"key": "a", "value": "text"}]),
        span_json(attributes=[{"key": "a", "value": {"boolValue": "yes"}}]),
        span_json(attributes=[{"key": "a", "value": {"doubleValue": "much"}}]),
        span_json(attributes=[{"key": "a", "value": {"bytesValue": "%"}}]),
        span_json(attributes=[{"key": 1, "value": {"intValue": 1}}]),
        b'{"a": "\\ud800"}',
        b'{"a": NaN}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_json_that_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        TRACES_JSON(body)


@pytest.mark.parametrize("read", ALL)
def test_a_request_of_nothing_is_taken(read: Read) -> None:
    body = b"{}" if read in (TRACES_JSON, LOGS_JSON, METRICS_JSON) else b""
    assert read(body).events == []


def test_fields_that_the_protocol_does_not_have_are_passed_over() -> None:
    [event] = TRACES_JSON(span_json(name="n", someday={"a": [1]}, trace_id="not in JSON")).events
    assert event["metadata"]["name"] == "n" and "trace_id" not in event
    [event] = TRACES(request(field(5, b"n") + field(99, b"x"))).events
    assert event["metadata"]["name"] == "n"


_MANY: dict[str, Callable[[], bytes]] = {
    "records": lambda: field(1, field(2, field(2, b"") * 1_300_000)),
    "scopes": lambda: field(1, field(2, b"") * 1_300_000),
    "resources": lambda: field(1, b"") * 1_300_000,
    "attributes of a span": lambda: request(field(9, b"") * 1_000_000),
    "attributes of a log record": lambda: request(field(6, b"") * 1_000_000),
    "attributes of a resource": lambda: request(b"", resource=field(1, b"") * 1_000_000),
    "attributes of a scope": lambda: field(
        1, field(2, field(1, field(3, b"") * 1_000_000) + field(2, b""))
    ),
    "events": lambda: request(field(11, b"") * 1_000_000),
    "an array": lambda: request(field(9, field(2, field(5, field(1, b"") * 1_000_000)))),
    "arrays in every span": lambda: request(
        *[field(9, field(2, field(5, field(1, b"") * 2_000)))] * 1_000
    ),
    "parts of one message": lambda: request(field(15, b"") * 1_000_000),
    "unknown fields": lambda: request(field(99, b"") * 1_000_000),
    "data points": lambda: field(1, field(2, field(2, field(5, field(1, b"") * 1_000_000)))),
    "metrics": lambda: field(1, field(2, field(2, b"") * 1_000_000)),
}


@pytest.mark.parametrize("what", _MANY)
def test_a_million_messages_of_two_bytes_are_not_built(what: str) -> None:
    body = _MANY[what]()
    assert len(body) <= MAX_BODY_BYTES
    calls = 0

    def count(_: Any, event: str, __: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    for read in (TRACES, LOGS, METRICS):
        sys.setprofile(count)
        try:
            with suppress(TooLarge):
                read(body)
        finally:
            sys.setprofile(None)
    assert calls < 20 * MAX_VALUES


def test_the_memory_that_hostile_requests_take_is_bounded() -> None:
    """Google's parser has memory of its own, so the process's is looked at."""
    bodies = [str(len(_MANY)), *_MANY]
    answer = subprocess.run(  # noqa: S603 (this interpreter, this module)
        [sys.executable, __file__, *bodies], check=True, stdout=subprocess.PIPE, timeout=300
    ).stdout
    grown = json.loads(answer)
    assert grown.keys() == _MANY.keys()
    assert max(grown.values()) < 40 * MAX_BODY_BYTES, grown


@pytest.mark.parametrize("media_type", [JSON, PROTOBUF])
def test_what_a_resource_says_is_not_multiplied_beyond_what_a_batch_may_hold(
    media_type: str,
) -> None:
    said = "x" * 100_000
    if media_type == PROTOBUF:
        attribute = KeyValue(key="k", value=AnyValue(string_value=said)).SerializeToString()
        body = request(*[b""] * 1_000, resource=field(1, attribute))
    else:
        resource = {"attributes": [{"key": "k", "value": {"stringValue": said}}]}
        spans = {"resource": resource, "scopeSpans": [{"spans": [{}] * 1_000}]}
        body = json.dumps({"resourceSpans": [spans]}).encode()
    with pytest.raises(TooLarge, match="resource and scope"):
        reader(Signal.TRACES, media_type)(body)


@pytest.mark.parametrize("media_type", [JSON, PROTOBUF])
def test_a_thousand_records_are_taken_and_one_more_is_not(media_type: str) -> None:
    def body(count: int) -> bytes:
        if media_type == PROTOBUF:
            return request(*[b""] * (count - 1)) + request(b"")
        scopes: list[Any] = [{"spans": [{}] * (count - 1)}, {"spans": [{}]}]
        return json.dumps({"resourceSpans": [{"scopeSpans": scopes}]}).encode()

    read = reader(Signal.TRACES, media_type)
    assert len(read(body(MAX_EVENTS_PER_BATCH)).events) == MAX_EVENTS_PER_BATCH
    with pytest.raises(TooLarge, match="OTEL_BSP_MAX_EXPORT_BATCH_SIZE"):
        read(body(MAX_EVENTS_PER_BATCH + 1))


@pytest.mark.parametrize("levels", [30, MAX_DEPTH - 3, MAX_DEPTH - 2, 1_000])
def test_a_value_nested_too_deep_costs_its_record_alone(levels: int) -> None:
    value: Any = {"intValue": 1}
    for _ in range(min(levels, 300)):
        value = {"arrayValue": {"values": [value]}}
    spans = [{"attributes": [{"key": "a", "value": value}]}, {"name": "kept"}]
    read = TRACES_JSON(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode())
    assert read.events[-1]["metadata"]["name"] == "kept"
    assert [rejection.index for rejection in read.rejected] == (
        [0] if levels > MAX_DEPTH - 3 else []
    )
    assert all("nested deeper" in each.details[0]["message"] for each in read.rejected)


def test_protobuf_is_read_to_no_depth_that_could_end_the_process() -> None:
    content = field(1, b"x")
    for _ in range(10_000):
        content = field(5, field(1, content))
    with pytest.raises(Refused):
        LOGS(field(1, field(2, field(2, field(5, content)))))
    deep = KeyValue(key="a", value=nested(40)).SerializeToString()
    [event] = TRACES(request(field(9, deep))).events
    assert json.dumps(event).count("[") == 40


@pytest.mark.parametrize("media_type", [JSON, PROTOBUF])
def test_a_record_with_too_many_attributes_or_bytes_costs_itself_alone(media_type: str) -> None:
    if media_type == PROTOBUF:
        many = field(9, field(1, b"k")) * (MAX_ATTRIBUTES + 1)
        large = field(9, field(1, b"k") + field(2, field(1, b"x" * MAX_EVENT_BYTES)))
        body = request(many, large, field(5, b"kept"))
    else:
        attribute = {"key": "k", "value": {"intValue": 1}}
        spans = [{"attributes": [attribute] * (MAX_ATTRIBUTES + 1)}, {"name": "kept"}]
        body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()
    read = reader(Signal.TRACES, media_type)(body)
    assert [event["metadata"]["name"] for event in read.events] == ["kept"]
    assert "attributes" in read.rejected[0].details[0]["message"]


def test_names_that_stand_twice_are_both_kept() -> None:
    pairs = [("k", 1), ("k", 2), ("k#1", 3), ("k", 4)]
    attributes = [{"key": name, "value": {"intValue": value}} for name, value in pairs]
    [event] = TRACES_JSON(span_json(attributes=attributes)).events
    kept = event["metadata"]["attributes"]
    assert sorted(kept.values()) == [1, 2, 3, 4] and kept["k"] == 1


@pytest.mark.parametrize(
    ("start", "end", "timestamp", "latency_ms", "kept"),
    [
        (0, 0, None, None, {}),
        (10**18, 10**18 + 1_500_000, "2001-09-09T01:46:40.000Z", 1.5, {}),
        (10**18, 10**18 - 1, "2001-09-09T01:46:40.000Z", None, {"end_unix_nano": str(10**18 - 1)}),
        (10**18 + 7, 0, "2001-09-09T01:46:40.000Z", None, {"start_unix_nano": str(10**18 + 7)}),
        (1, 2, None, 1e-06, {"start_unix_nano": "1"}),
        (2**64 - 1, 2**64 - 1, "2554-07-21T23:34:33.709Z", 0, {"start_unix_nano": f"{2**64 - 1}"}),
        (0, 10**18, None, None, {"end_unix_nano": str(10**18)}),
        (-(10**18), 10**18, None, None, {"start_unix_nano": f"-{10**18}"}),
    ],
)
def test_a_wild_clock_is_kept_as_it_was_sent(
    start: int, end: int, timestamp: str | None, latency_ms: float | None, kept: dict[str, str]
) -> None:
    body = span_json(startTimeUnixNano=str(start), endTimeUnixNano=str(end))
    [event] = TRACES_JSON(body).events
    assert (event.get("timestamp"), event.get("latency_ms")) == (timestamp, latency_ms)
    assert event["metadata"] | kept == event["metadata"]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"intValue": "9223372036854775807"}, "9223372036854775807"),
        ({"intValue": 2**53 - 1}, 2**53 - 1),
        ({"intValue": -(2**63)}, str(-(2**63))),
        ({"doubleValue": "NaN"}, "nan"),
        ({"doubleValue": "-Infinity"}, "-inf"),
        ({"doubleValue": 1e300}, 1e300),
        ({"bytesValue": "AAECAw=="}, "AAECAw=="),
        ({"stringValue": "\0\u2028\U0001d4b3"}, "\0\u2028\U0001d4b3"),
        ({}, None),
        ({"stringValue": ""}, ""),
    ],
)
def test_values_that_json_cannot_say_are_text(value: dict[str, Any], kept: Any) -> None:
    read = TRACES_JSON(span_json(attributes=[{"key": "a", "value": value}]))
    [event] = read.events
    assert event["metadata"]["attributes"] == {"a": kept}
    assert json.loads(canonical(event, plain=read.plain)) == event


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("approval.created", "otel.log"),
        ("tocsin.sealed", "otel.log"),
        ("anomaly", "otel.log"),
        ("agent.revoked", "otel.log"),  # KavachOS': it means something here
        ("no namespace", "otel.log"),
        ("x" * 200 + ".y", "otel.log"),
        ("shop.checkout", "shop.checkout"),
    ],
)
def test_no_name_of_an_event_makes_it_one_of_tocsin_s(name: str, kind: str) -> None:
    logs = [{"eventName": name}, {"attributes": [{"key": "event.name", "value": _text(name)}]}]
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": logs}]}]}).encode()
    first, second = LOGS_JSON(body).events
    assert (first["type"], second["type"]) == (kind, kind)
    assert name in json.dumps(first) and name in json.dumps(second)


def _text(text: str) -> dict[str, str]:
    return {"stringValue": text}


def test_a_claude_code_event_of_any_name_stays_in_its_namespace() -> None:
    for name in ("", "....", "../..", "x" * 300, "a\0b", "é", "Approval.Created"):
        logs = [{"body": _text(f"claude_code.{name}")}]
        body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": logs}]}]}).encode()
        [event] = LOGS_JSON(body).events
        assert event["type"].startswith(("claude_code.", "otel.log"))


@pytest.mark.parametrize("name", ["", "execute_tool ", "x" * 1_000])
@pytest.mark.parametrize("operation", ["chat", "embeddings", "execute_tool"])
def test_a_call_without_any_name_is_an_event(name: str, operation: str) -> None:
    attributes = [{"key": "gen_ai.operation.name", "value": _text(operation)}]
    read = TRACES_JSON(span_json(name=name, attributes=attributes))
    assert read.rejected == [] and read.events[0]["tool_name"]


def test_a_span_of_claude_code_reports_a_call_if_it_says_which() -> None:
    said = {"model": "m", "gen_ai.request.model": "m", "input_tokens": "1", "tool_name": "Bash"}
    attributes = [{"key": key, "value": _text(value)} for key, value in said.items()]
    for name in ("claude_code.llm_request", "claude_code.tool", "claude_code.?"):
        [event] = TRACES_JSON(span_json(name=name, attributes=attributes)).events
        assert not {"model", "tool_name", "prompt_tokens", "cost_usd"} & event.keys()
        assert event["metadata"]["attributes"] == said
    attributes.append({"key": "request_id", "value": _text("req_1")})
    [event] = TRACES_JSON(span_json(name="claude_code.llm_request", attributes=attributes)).events
    assert (event["model"], event["metadata"]["response_id"]) == ("m", "req_1")
    assert "prompt_tokens" not in event, "the log record says what it took"


def test_a_log_record_that_repeats_a_call_names_it() -> None:
    said = {"gen_ai.response.id": "chatcmpl-1", "gen_ai.response.model": "m"}
    attributes = [{"key": key, "value": _text(value)} for key, value in said.items()]
    record = {"eventName": "gen_ai.client.inference.operation.details", "attributes": attributes}
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()
    [event] = LOGS_JSON(body).events
    assert (event["metadata"]["response_id"], event["model"]) == ("chatcmpl-1", "m")
    assert call_key(event), "it counts with the span that has the same id"


def test_ids_of_other_lengths_are_kept() -> None:
    long = "ab" * MAX_NAME_CHARS
    [event] = TRACES_JSON(span_json(traceId=long, spanId="AbC", parentSpanId="0" * 16)).events
    assert (event["span_id"], event["metadata"]["trace_id"]) == ("abc", long)
    assert "parent_id" not in event and "trace_id" not in event


_SCALARS = (
    st.builds(lambda text: {"stringValue": text}, st.text())
    | st.builds(lambda number: {"intValue": str(number)}, st.integers(-(2**63), 2**63 - 1))
    | st.builds(lambda number: {"doubleValue": number}, st.floats(-(2**53), 2**53))
    | st.builds(lambda truth: {"boolValue": truth}, st.booleans())
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.builds(lambda each: {"arrayValue": {"values": each}}, st.lists(inner)),
    max_leaves=6,
)
_NAMES = st.sampled_from(
    [
        *("gen_ai.operation.name", "gen_ai.request.model", "gen_ai.usage.input_tokens"),
        *("gen_ai.tool.name", "gen_ai.tool.call.id", "gen_ai.conversation.id", "session.id"),
        *("openinference.span.kind", "llm.token_count.prompt", "mcp.method.name", "input.value"),
        *("traceloop.span.kind", "llm.request.type", "gen_ai.prompt.0.role", "gen_ai.prompt.00.x"),
        *("gen_ai.tool.call.arguments", "gen_ai.agent.id", "error.type", "llm.cost.total"),
    ]
) | st.text(max_size=3)
_SAID = st.sampled_from(
    ["chat", "embeddings", "execute_tool", "invoke_agent", "LLM", "TOOL", "tool", "tools/call", "{"]
)


@given(
    st.dictionaries(_NAMES, _VALUES | st.builds(_text, _SAID), max_size=8),
    st.text(max_size=20),
    st.booleans(),
)
def test_whatever_is_said_becomes_an_event_or_is_rejected(
    attributes: dict[str, Any], name: str, log: bool
) -> None:
    pairs = [{"key": key, "value": value} for key, value in attributes.items()]
    if log:
        record = {"eventName": name, "attributes": pairs, "body": _text(name)}
        told: Any = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
        read = LOGS_JSON(json.dumps(told).encode())
    else:
        read = TRACES_JSON(span_json(name=name, attributes=pairs))
    assert len(read.events) == 1, read.rejected
    assert read.ignored == set()
    assert json.loads(canonical(read.events[0], plain=read.plain)) == read.events[0]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for read in ALL:
        with suppress(Refused):
            read(body)


@given(st.data())
def test_a_request_with_flipped_bytes_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(_GENUINE)
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = TRACES(bytes(whole))
    except Refused:
        return
    for event in read.events:
        canonical(event, plain=read.plain)


def _genuine() -> bytes:
    message = ExportTraceServiceRequest()
    scope = message.resource_spans.add().scope_spans.add()
    span = scope.spans.add(name="chat gpt", trace_id=b"\1" * 16, span_id=b"\2" * 8)
    span.start_time_unix_nano, span.end_time_unix_nano = 10**18, 10**18 + 10**6
    for key, value in (("gen_ai.operation.name", "chat"), ("gen_ai.request.model", "gpt")):
        span.attributes.append(KeyValue(key=key, value=AnyValue(string_value=value)))
    span.attributes.append(KeyValue(key="deep", value=nested(3)))
    return bytes(message.SerializeToString())


_GENUINE = _genuine()


if __name__ == "__main__":
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sizes = {}
    for what, make in _MANY.items():
        body = make()
        for read in (TRACES, LOGS, METRICS):
            with suppress(Refused):
                read(body)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        sizes[what] = (after - before) * 1024
    print(json.dumps(sizes))
