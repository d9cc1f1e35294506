"""Payloads of the protocol's examples and of real instrumentations, in both encodings.

``events/otlp-trace.json``, ``otlp-logs``, ``otlp-metrics`` and ``otlp-events`` say what the
examples of https://github.com/open-telemetry/opentelemetry-proto say. Recorded were ``otlp-openai``
and ``otlp-openai-old`` from opentelemetry-instrumentation-openai-v2 (the latter by the conventions
of 1.30), ``otlp-openinference`` from openinference-instrumentation-anthropic and
``otlp-openllmetry`` from opentelemetry-instrumentation-anthropic. ``otlp-genai`` and
``otlp-claude-code`` are by the documents of the conventions and of Claude Code.
"""

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tocsin.domain.reports import call_key
from tocsin.wire.intake.otlp.formats import JSON, PROTOBUF, Signal, format_of

EVENTS = Path(__file__).parents[5] / "events"
MESSAGES = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
}
LOGS = ("logs", "events", "claude-code")
SPANS = ("trace", "genai", "openai", "openai-old", "openinference", "openllmetry")


def sample(name: str) -> bytes:
    return (EVENTS / f"otlp-{name}.json").read_bytes()


def signal_of(name: str) -> Signal:
    return Signal.LOGS if name in LOGS else Signal.TRACES


def as_protobuf(signal: Signal, body: bytes) -> bytes:
    """Return a request in the other encoding, by Google's own library."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: b64encode(bytes.fromhex(item)).decode()
                if name in ("traceId", "spanId", "parentSpanId")
                else {"values": plain(item)}
                if name == "kvlistValue" and isinstance(item, list)
                else plain(item)
                for name, item in value.items()
            }
        return [plain(item) for item in value] if isinstance(value, list) else value

    message = ParseDict(plain(json.loads(body)), MESSAGES[signal]())
    return bytes(message.SerializeToString())


def events(name: str) -> Sequence[dict[str, Any]]:
    read = format_of(signal_of(name), JSON).read(sample(name), partial=True)
    assert not read.rejected
    return read.events


@pytest.mark.parametrize("name", [*LOGS, *SPANS])
def test_both_encodings_say_the_same(name: str) -> None:
    signal = signal_of(name)
    body = as_protobuf(signal, sample(name))
    read = format_of(signal, PROTOBUF).read(body, partial=True)
    assert read.rejected == []
    assert read.events == events(name)


def within(value: Any) -> Iterator[Any]:
    """Yield a value and what it is made of."""
    yield value
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from within(item)


def sent(value: Any) -> Iterator[str]:
    """Yield the texts of a request; the names of attributes, which fields stand for, are none."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name != "key" and "UnixNano" not in name and value.get("key") != "event.timestamp":
                yield from sent(item)
    elif isinstance(value, list):
        for item in value:
            yield from sent(item)
    elif isinstance(value, str) and value:
        yield value


@pytest.mark.parametrize("name", [*LOGS, *SPANS])
def test_nothing_that_was_said_is_lost(name: str) -> None:
    """Every text of the payload is in its events: as it is, as a number, or as the JSON it is."""
    told = list(within(events(name)))
    ids = {each.lower() for each in told if isinstance(each, str)}
    for text in sent(json.loads(sample(name))):
        if text.lower() not in ids:
            assert json.loads(text) in told or json.loads(text) == 12, text  # input_tokens, added


def test_the_protocol_s_span() -> None:
    [event] = events("trace")
    assert event == {
        "type": "otel.span",
        "timestamp": "2018-12-13T14:51:00.000Z",
        "agent_id": "my.service",
        "trace_id": "5b8efff798038103d269b633813fc60c",
        "span_id": "eee19b7ec3c1b174",
        "parent_id": "eee19b7ec3c1b173",
        "latency_ms": 1_000,
        "metadata": {
            "via": "otlp",
            "name": "I'm a server span",
            "kind": "server",
            "attributes": {"my.span.attr": "some value"},
            "resource": {"service.name": "my.service"},
            "scope": {
                "name": "my.library",
                "version": "1.0.0",
                "attributes": {"my.scope.attribute": "some scope attribute"},
            },
        },
    }


def test_the_protocol_s_log_record() -> None:
    [event] = events("logs")
    assert (event["type"], event["timestamp"]) == ("otel.log", "2018-12-13T14:51:00.300Z")
    assert event["metadata"]["body"] == "Example log record"
    assert event["metadata"]["severity"] == "Information"
    assert event["metadata"]["attributes"] == {
        "string.attribute": "some string",
        "boolean.attribute": True,
        "int.attribute": 10,
        "double.attribute": 637.704,
        "array.attribute": ["many", "values"],
        "map.attribute": {"some.map.key": "some value"},
    }


def test_the_protocol_s_event_has_its_name_as_its_type() -> None:
    [event] = events("events")
    assert event["type"] == "browser.page_view"
    assert event["metadata"]["body"]["title"] == "Free Online GUID Generator"
    assert event["metadata"]["severity_number"] == 9


@pytest.mark.parametrize("media_type", [JSON, PROTOBUF])
def test_the_protocol_s_data_points_are_counted_and_no_events(media_type: str) -> None:
    counted: list[int] = []
    body = sample("metrics")
    if media_type == PROTOBUF:
        body = as_protobuf(Signal.METRICS, body)
    read = format_of(Signal.METRICS, media_type, counted.append).read(body, partial=True)
    assert (read.events, counted) == ([], [3])


COMPLETION = {
    "type": "completion",
    "model": "claude-sonnet-4-5-20250929",
    "tool_name": "claude-sonnet-4-5-20250929",
    "provider": "anthropic",
    "agent_id": "reviewer",
    "status": "ok",
    "prompt_tokens": 162,  # 12, and 100 and 50 of caches
    "completion_tokens": 34,
    "total_tokens": 196,
}


@pytest.mark.parametrize("name", ["openinference", "openllmetry"])
def test_an_anthropic_call_by_either_instrumentation(name: str) -> None:
    [event] = events(name)
    assert event | COMPLETION == event
    assert event["metadata"]["cache_read_input_tokens"] == 100
    assert event["metadata"]["cache_creation_input_tokens"] == 50
    assert event["metadata"]["response_id"] == "msg_1"
    assert event["request"]["messages"][-1]["role"] == "user"
    assert "get_weather" in json.dumps(event["data"]["messages"])


@pytest.mark.parametrize("name", ["openai", "openai-old"])
def test_openai_s_calls_by_the_conventions_of_any_age(name: str) -> None:
    chat, embedding = events(name)
    assert (chat["type"], chat["model"], chat["provider"]) == (
        "completion",
        "gpt-4o-mini-2024-07-18",
        "openai",
    )
    assert (chat["prompt_tokens"], chat["completion_tokens"], chat["total_tokens"]) == (20, 5, 25)
    assert chat["metadata"]["attributes"]["gen_ai.request.model"] == "gpt-4o-mini"
    assert (embedding["type"], embedding["prompt_tokens"]) == ("embedding", 8)
    if name == "openai":
        [part] = chat["data"]["messages"][0]["parts"]
        assert (part["id"], part["arguments"]) == ("call_1", {"city": "Paris"})


def test_an_agent_s_run_by_the_conventions() -> None:
    run, chat, tool, mcp = events("genai")
    assert run["type"] == "gen_ai.invoke_agent"
    assert "prompt_tokens" not in run, "its model calls count them"
    assert run["metadata"]["attributes"]["gen_ai.usage.input_tokens"] == 900
    for event in (run, chat, tool):
        assert (event["agent_id"], event["session_id"]) == ("asst_5j66", "conv_5j66")
    assert (chat["prompt_tokens"], chat["metadata"]["cache_read_input_tokens"]) == (450, 200)
    assert (tool["type"], tool["tool_name"], tool["status"]) == ("tool_call", "get_weather", "ok")
    assert tool["tool_call_id"] == "call_VSPygqKTWdrhaFErNvMV18Yl"
    assert (tool["request"], tool["data"]) == (
        {"input": {"location": "Paris"}},
        {"conditions": "rainy"},
    )
    assert tool["parent_id"] == run["span_id"] and tool["trace_id"] == run["trace_id"]
    assert (mcp["type"], mcp["tool_name"], mcp["status"]) == ("tool_call", "get_weather", "error")
    assert mcp["metadata"]["status_message"] == "Internal error"


def test_claude_code_s_events() -> None:
    found = events("claude-code")
    assert [event["type"] for event in found] == [
        "claude_code.user_prompt",
        "completion",
        "claude_code.tool_decision",
        "tool_call",
        "tool_call",
        "tool_call",
        "completion",
        "claude_code.permission_mode_changed",
    ]
    for event in found:
        assert event["session_id"] == "01999b1e-2f64-7b0e-a0f5-3a1d5c6f7e81"
        assert (event["agent_id"], event["metadata"]["via"]) == ("claude-code", "claude-code")
        assert event["prompt_id"] == "7f9b2f0e-26c4-4a10-9b6d-0d0c7c1f5e42"
    _, request, decided, result, rejected, failed, error, _ = found
    assert (request["prompt_tokens"], request["completion_tokens"]) == (12 + 18_000 + 512, 340)
    assert (request["cost_usd"], request["latency_ms"]) == (0.0123, 2_431)
    assert request["metadata"]["cache_read_input_tokens"] == 18_000
    assert (decided["action"], decided["tool_call_id"]) == ("allow", "toolu_01Bash")
    assert decided["tool_name"] == "Bash", "it may be the first to tell of the call"
    assert b"" != call_key(decided) == call_key(result), "which counts once"
    assert request["metadata"]["response_id"] == "req_011CQ"
    assert (result["tool_name"], result["tool_call_id"]) == ("Bash", "toolu_01Bash")
    assert (result["action"], result["status"], result["latency_ms"]) == ("allow", "ok", 153)
    assert result["request"]["input"]["command"] == "ls -la"
    assert (rejected["tool_name"], rejected["action"], rejected["server_id"]) == (
        "mcp__github__create_issue",
        "deny",
        "github",
    )
    assert (failed["tool_name"], failed["status"]) == ("Edit", "error")
    assert (error["status"], error["model"]) == ("529", "claude-sonnet-5")
    assert "total_tokens" not in error


def test_a_key_s_agent_takes_the_place_of_a_guess_alone() -> None:
    guessed = format_of(Signal.LOGS, JSON).read(sample("claude-code"), partial=True)
    guessed.belong_to("alice", partial=True)
    assert {event["agent_id"] for event in guessed.events} == {"alice"}
    named = format_of(Signal.TRACES, JSON).read(sample("genai"), partial=True)
    named.belong_to("alice", partial=True)
    assert [event["type"] for event in named.events] == ["tool_call"]  # the one without an agent
    assert [rejection.index for rejection in named.rejected] == [0, 1, 2]
