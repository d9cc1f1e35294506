"""OpenTelemetry's own exporters and instrumentations, against the deployed handler over HTTP."""

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from google.rpc.error_details_pb2 import BadRequest  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from openinference.instrumentation.anthropic import AnthropicInstrumentor as OpenInference
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor as OpenLLMetry
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

from functions.ingest import handler as deployed
from support.databases import Database, Stores
from support.exporting import Endpoint, answering, endpoint
from tocsin.bootstrap.ingest import wire
from tocsin.domain.errors import Invalid
from tocsin.domain.keys import Scope, mint
from tocsin.domain.limits import MAX_EVENT_BYTES
from tocsin.domain.org import Org
from tocsin.settings import IngestSettings
from tocsin.wire.intake.otlp.answers import refusal

EVENTS = Path(__file__).parents[2] / "events"
PROTOBUF = "application/x-protobuf"
RESOURCE = Resource.create({"service.name": "reviewer"})

MESSAGES = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [
        {"type": "tool_use", "id": "toolu_01A", "name": "weather", "input": {"city": "Paris"}}
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 12,
        "output_tokens": 34,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 50,
    },
}
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Rain"}}
    ],
    "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25},
}


@pytest.fixture
def stores(database: Database, monkeypatch: pytest.MonkeyPatch) -> Stores:
    on, settings = database.stores()
    for name, value in database.env.items():
        monkeypatch.setenv(name, value)
    wired = wire(IngestSettings(**settings.model_dump()))
    monkeypatch.setattr(deployed, "service", lambda: wired)
    on.orgs.put(Org("acme", 1_000))
    return on


@pytest.fixture
def key(stores: Stores) -> str:
    return new_key(stores)


def new_key(stores: Stores, agent: str = "") -> str:
    token, key = mint("acme", frozenset({Scope.INGEST}), "test", 1, agent=agent)
    stores.keys.put(key)
    return token


@pytest.fixture
def tocsin(stores: Stores) -> Iterator[Endpoint]:
    with endpoint(deployed.handler) as found:
        yield found


@pytest.fixture(scope="module")
def vendor() -> Iterator[str]:
    with answering({"/v1/messages": MESSAGES, "/v1/chat/completions": CHAT}) as url:
        yield url


def stored(on: Stores) -> list[dict[str, Any]]:
    found = [each.unpack() for each in on.journal.between("acme", "", "z", 1_000)]
    return [json.loads(entry) for each in found for entry in each.entries]  # type: ignore[union-attr]


def exporter(tocsin: Endpoint, key: str, **options: Any) -> OTLPSpanExporter:
    headers = {"authorization": f"Bearer {key}"}
    return OTLPSpanExporter(f"{tocsin.url}/v1/traces", headers=headers, timeout=30, **options)


def post(
    tocsin: Endpoint, key: str, path: str, body: bytes, media_type: str = "application/json"
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": media_type}
    return httpx.post(f"{tocsin.url}/v1/{path}", headers=headers, content=body)


def sample(name: str) -> bytes:
    return (EVENTS / f"otlp-{name}.json").read_bytes()


def calls_anthropic(vendor: str) -> None:
    with anthropic.Anthropic(base_url=vendor, api_key="k") as client:
        client.messages.create(
            model="claude-of-tests",  # none whose end the SDK warns of
            max_tokens=10,
            messages=[{"role": "user", "content": "Weather in Paris?"}],
        )


def calls_openai(vendor: str) -> None:
    with openai.OpenAI(base_url=f"{vendor}/v1", api_key="k") as client:
        client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "Weather in Paris?"}]
        )


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
@pytest.mark.parametrize(
    ("instrumentor", "call", "counted"),
    [
        (OpenAIInstrumentor, calls_openai, (20, 5)),
        (OpenInference, calls_anthropic, (162, 34)),
        (OpenLLMetry, calls_anthropic, (162, 34)),
    ],
)
def test_a_call_of_a_real_sdk_is_one_completion(
    tocsin: Endpoint,
    stores: Stores,
    key: str,
    vendor: str,
    instrumentor: Callable[[], Any],
    call: Callable[[str], None],
    counted: Sequence[int],
    compression: Compression,
) -> None:
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(BatchSpanProcessor(exporter(tocsin, key, compression=compression)))
    instrumentation = instrumentor()
    instrumentation.instrument(tracer_provider=provider)
    try:
        with provider.get_tracer("agent").start_as_current_span("turn"):
            call(vendor)
    finally:
        instrumentation.uninstrument()
        provider.shutdown()
    [(status, headers, body)] = tocsin.answers
    assert (status, headers["Content-Type"], body) == (200, PROTOBUF, b"")
    completion, turn = stored(stores)
    assert (completion["type"], turn["type"]) == ("completion", "otel.span")
    assert (completion["prompt_tokens"], completion["completion_tokens"]) == tuple(counted)
    assert completion["agent_id"] == turn["agent_id"] == "reviewer"
    assert completion["trace_id"] == turn["trace_id"]
    assert completion["parent_id"] == turn["span_id"]
    assert 0 < completion["latency_ms"] <= turn["latency_ms"]


def test_a_call_that_fails_is_an_error(
    tocsin: Endpoint, stores: Stores, key: str, vendor: str
) -> None:
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(exporter(tocsin, key)))
    instrumentation = OpenAIInstrumentor()  # type: ignore[no-untyped-call]
    instrumentation.instrument(tracer_provider=provider)
    try:
        with pytest.raises(openai.BadRequestError):
            calls_openai(f"{vendor}/nowhere")
    finally:
        instrumentation.uninstrument()
        provider.shutdown()
    [event] = stored(stores)
    assert (event["type"], event["status"]) == ("completion", "error")
    assert event["metadata"]["attributes"]["error.type"] == "BadRequestError"


def test_log_records_of_a_real_logger(tocsin: Endpoint, stores: Stores, key: str) -> None:
    provider = LoggerProvider(resource=RESOURCE)
    sender = OTLPLogExporter(f"{tocsin.url}/v1/logs", headers={"authorization": f"Bearer {key}"})
    provider.add_log_record_processor(SimpleLogRecordProcessor(sender))
    logger = provider.get_logger("agent")
    logger.emit(
        body="it rains in Paris",
        severity_text="WARN",
        severity_number=SeverityNumber.WARN,
        event_name="weather.told",
        attributes={"session.id": "ses_1", "cities": ["Paris"]},
    )
    provider.shutdown()
    [event] = stored(stores)
    assert (event["type"], event["session_id"]) == ("weather.told", "ses_1")
    assert event["metadata"]["body"] == "it rains in Paris"
    assert event["metadata"]["severity"] == "WARN"
    assert event["metadata"]["attributes"] == {"cities": ["Paris"]}


def test_data_points_are_answered_and_not_stored(
    tocsin: Endpoint, stores: Stores, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sender = OTLPMetricExporter(
        f"{tocsin.url}/v1/metrics", headers={"authorization": f"Bearer {key}"}
    )
    provider = MeterProvider([PeriodicExportingMetricReader(sender)], resource=RESOURCE)
    provider.get_meter("agent").create_counter("claude_code.cost.usage").add(0.5, {"model": "m"})
    assert provider.force_flush()
    provider.shutdown()
    assert {status for status, _, _ in tocsin.answers} == {200}
    assert stored(stores) == []
    assert '"OtlpDataPoints":[1' in capsys.readouterr().out.replace(" ", "")


def test_a_batch_whose_answer_is_lost_is_stored_once(
    tocsin: Endpoint, stores: Stores, key: str
) -> None:
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(exporter(tocsin, key)))
    tocsin.lose = 1
    with provider.get_tracer("agent").start_as_current_span("turn"):
        pass
    provider.shutdown()
    assert len(tocsin.requests) == 2 and tocsin.requests[0][2] == tocsin.requests[1][2]
    assert [status for status, _, _ in tocsin.answers] == [200, 200]
    assert len(stored(stores)) == 1
    assert deployed.service()._allowance.left("acme") == 999


@pytest.mark.parametrize("media_type", ["application/json", PROTOBUF])
def test_the_same_request_is_stored_once_however_it_is_compressed(
    tocsin: Endpoint, stores: Stores, key: str, media_type: str
) -> None:
    body = sample("trace") if media_type != PROTOBUF else b"\n\x06\x12\x04\x12\x02\x2a\x00"
    headers = {"Authorization": f"Bearer {key}", "Content-Type": media_type}
    for content, encoding in ((body, "identity"), (gzip.compress(body), "gzip")):
        httpx.post(
            f"{tocsin.url}/v1/traces",
            headers=headers | {"Content-Encoding": encoding},
            content=content,
        ).raise_for_status()
    assert len(stored(stores)) == 1


def test_json_by_hand_is_answered_in_json(tocsin: Endpoint, stores: Stores, key: str) -> None:
    for signal, name in (("traces", "trace"), ("logs", "claude-code"), ("metrics", "metrics")):
        answer = post(tocsin, key, signal, sample(name), "application/json; charset=utf-8")
        assert (answer.status_code, answer.json()) == (200, {})
        assert answer.headers["Content-Type"] == "application/json"
    assert len(stored(stores)) == 1 + 8


def span(**fields: Any) -> dict[str, Any]:
    return {"traceId": "1" * 32, "spanId": "2" * 16, "name": "n", **fields}


def spans(*each: dict[str, Any]) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": each}]}]}).encode()


def attribute(name: str, text: str) -> dict[str, Any]:
    return {"key": name, "value": {"stringValue": text}}


def test_what_is_too_large_costs_itself_alone_and_is_told(
    tocsin: Endpoint, stores: Stores, key: str
) -> None:
    body = spans(span(attributes=[attribute("a", "x" * MAX_EVENT_BYTES)]), span(name="kept"))
    answer = post(tocsin, key, "traces", body).json()["partialSuccess"]
    assert answer["rejectedSpans"] == "1"
    assert answer["errorMessage"].startswith("record 0: ") and "262,144" in answer["errorMessage"]
    assert [event["metadata"]["name"] for event in stored(stores)] == ["kept"]


def test_an_exporter_is_told_in_protobuf_what_was_left_out(
    tocsin: Endpoint, stores: Stores, key: str
) -> None:
    provider = TracerProvider(resource=RESOURCE)
    sender = exporter(tocsin, new_key(stores, agent="alice"))
    provider.add_span_processor(SimpleSpanProcessor(sender))
    tracer = provider.get_tracer("agent")
    tracer.start_span("of another", attributes={"gen_ai.agent.id": "bob"}).end()
    tracer.start_span("own", attributes={"gen_ai.agent.id": "alice"}).end()
    tracer.start_span("guessed").end()
    provider.shutdown()
    told = ExportTraceServiceResponse.FromString(tocsin.answers[0][2]).partial_success
    assert told.rejected_spans == 1
    assert "The key is for the agent 'alice'" in told.error_message
    assert [event["agent_id"] for event in stored(stores)] == ["alice", "alice"]


def refused(answer: httpx.Response) -> Any:
    assert answer.headers["Content-Type"] == PROTOBUF
    return Status.FromString(answer.content)


@pytest.mark.parametrize(
    ("body", "key_sent", "status", "code", "message"),
    [
        (b"\xff", None, 400, 3, "not OTLP in protobuf"),
        (b"", "wrong", 401, 16, ""),
        (b"\n\x06\x12\x04\x12\x02\x2a\x00" * 1_001, None, 413, 3, "OTEL_BSP_MAX_EXPORT"),
        (b"x" * (4 * 1024 * 1024 + 1), None, 413, 3, "4,194,304"),
    ],
)
def test_refusals_in_protobuf_are_statuses_that_no_exporter_repeats(
    tocsin: Endpoint,
    key: str,
    body: bytes,
    key_sent: str | None,
    status: int,
    code: int,
    message: str,
) -> None:
    answer = post(tocsin, key_sent or key, "traces", body, PROTOBUF)
    told = refused(answer)
    assert (answer.status_code, told.code) == (status, code)
    assert message in told.message and told.message


def test_other_media_types_are_415_and_the_quota_429_with_a_time(
    tocsin: Endpoint, stores: Stores, key: str
) -> None:
    answer = post(tocsin, key, "traces", b"x", "text/plain")
    assert (answer.status_code, answer.json()["code"]) == (415, 3)
    stores.orgs.put(Org("beta", 1))
    token, stored_key = mint("beta", frozenset({Scope.INGEST}), "test", 1)
    stores.keys.put(stored_key)
    answer = post(tocsin, token, "traces", spans(span(), span()))
    assert (answer.status_code, answer.json()["code"]) == (429, 8)
    assert int(answer.headers["Retry-After"]) > 0


def test_a_key_that_may_not_send_is_403(tocsin: Endpoint, stores: Stores) -> None:
    token, key = mint("acme", frozenset({Scope.READ}), "test", 1)
    stores.keys.put(key)
    answer = post(tocsin, token, "logs", b"{}")
    assert (answer.status_code, answer.json()["code"]) == (403, 7)


def test_what_a_refusal_is_about_is_in_its_details() -> None:
    error = Invalid([{"field": "events[0].\ud800", "message": "Required"}])
    _, body, _ = refusal(error, protobuf=True)
    status = Status.FromString(body)
    [detail] = status.details
    told = BadRequest()
    assert detail.Unpack(told)
    [violation] = told.field_violations
    assert (violation.field, violation.description) == ("events[0].\\ud800", "Required")
    _, body, _ = refusal(error, protobuf=False)
    assert json.loads(body)["details"][0]["fieldViolations"][0]["description"] == "Required"
