"""OTLP through the ingest handler, in spans a second of CPU time.

The deployed handler gets API Gateway proxy events of protobuf (and JSON) requests as an exporter
makes them; behind the ports are the tests' fakes. The baseline is what a first version of an OTLP
endpoint is: FastAPI, ``ParseFromString`` and ``MessageToJson``, a line of JSON a span into a file's
buffer. It is called as an ASGI application, without a server: neither has a network here.
"""

import json
from base64 import b64encode
from collections.abc import Callable
from io import BytesIO
from itertools import cycle
from typing import Any

from fastapi import FastAPI, Request, Response
from google.protobuf.json_format import MessageToDict, MessageToJson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from bench import lambdas
from bench.asgi import post
from bench.lambdas import Tenant
from bench.report import number, ratio, show
from bench.timing import Variant, measure
from fakes.stores import FakeJournal
from tocsin.adapters.clock import SystemClock

__all__ = ["main"]

BATCHES = (1, 32, 512)
BODIES = 8  # different ones of each size, taken in turn
_PROTOBUF = "application/x-protobuf"


def main() -> None:
    """Measure and print."""
    lambdas.prepare()
    rows = []
    for size in BATCHES:
        measured = measure(_variants(size))
        theirs = measured["FastAPI"]
        for name, told in (("protobuf", "Tocsin protobuf"), ("JSON", "Tocsin JSON")):
            ours = measured[told]
            rows.append(
                (
                    name,
                    str(size),
                    number(ours.typical),
                    number(theirs.typical),
                    ratio(ours.over(theirs)),
                )
            )
    show(
        "OTLP: spans a second of CPU time (model calls and tool calls, mixed)",
        ("", "batch", "Tocsin", "FastAPI + protobuf", "Tocsin is"),
        rows,
        (
            "FastAPI + protobuf: ParseFromString, MessageToJson, a line into memory; always in",
            "  protobuf. It knows no keys, quota, limits, conventions or repetitions.",
            "Tocsin: the Lambda handler, from API Gateway's event to the result.",
        ),
    )


def _variants(size: int) -> dict[str, Variant]:
    from functions.ingest import handler as deployed

    context = lambdas.context("ingest")
    journal = FakeJournal()
    tenant = Tenant(journal)
    requests = [_request(size, number) for number in range(BODIES)]
    fresh = cycle(range(1, 2**31))

    def handle(media_type: str) -> Callable[[], None]:
        turns = cycle(requests)

        def call() -> None:
            request = next(turns)
            # Another span id, or it would be a repetition.
            span = request.resource_spans[0].scope_spans[0].spans[0]
            span.span_id = next(fresh).to_bytes(8)
            if media_type == _PROTOBUF:
                body = request.SerializeToString()
            else:
                body = prepared[id(request)].replace(
                    b"f00df00df00df00d", span.span_id.hex().encode()
                )
            event = tenant.event(b"{}")
            event |= {"path": "/v1/traces", "resource": "/v1/traces", "pathParameters": None}
            event["headers"] = {**event["headers"], "Content-Type": media_type}
            event["body"] = b64encode(body).decode() if media_type == _PROTOBUF else body.decode()
            event["isBase64Encoded"] = media_type == _PROTOBUF
            deployed.service = lambda: tenant.ingest  # type: ignore[assignment]
            result = deployed.handler(event, context)
            if result["statusCode"] != 200 or len(journal.batches) != 1:
                raise RuntimeError(f"not accepted: {result}")
            journal.batches.clear()

        return call

    prepared = {id(request): _as_json(request) for request in requests}
    bodies = cycle([request.SerializeToString() for request in requests])
    application = _application()

    def theirs() -> None:
        post(application, "/v1/traces", next(bodies), _PROTOBUF)

    return {
        "Tocsin protobuf": Variant(handle(_PROTOBUF), size),
        "Tocsin JSON": Variant(handle("application/json"), size),
        "FastAPI": Variant(theirs, size),
    }


def _application() -> FastAPI:
    app, kept = FastAPI(), BytesIO()

    @app.post("/v1/traces")
    async def traces(request: Request) -> Response:
        message = ExportTraceServiceRequest()
        message.ParseFromString(await request.body())
        kept.seek(0)
        for resource in message.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    kept.write(MessageToJson(span, indent=None).encode() + b"\n")
        return Response(ExportTraceServiceResponse().SerializeToString(), media_type=_PROTOBUF)

    return app


def _request(size: int, number: int) -> ExportTraceServiceRequest:
    """Return a batch as an instrumented agent makes it."""
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    for key, text in (
        ("service.name", "reviewer"),
        ("service.version", "1.4.2"),
        ("host.name", f"worker-{number}"),
        ("telemetry.sdk.name", "opentelemetry"),
    ):
        resource.resource.attributes.add(key=key).value.string_value = text
    scope = resource.scope_spans.add()
    scope.scope.name = "opentelemetry.instrumentation.openai_v2"
    now_ns = SystemClock().now_ms() * 10**6
    for at in range(size):
        model = at % 2 == 0
        span = scope.spans.add(
            trace_id=number.to_bytes(4) * 4,
            span_id=(1 + at).to_bytes(8),
            parent_span_id=(1).to_bytes(8),
            kind=3,
            name="chat gpt-4o-mini" if model else "execute_tool search",
            start_time_unix_nano=now_ns + at * 1_000_003,
            end_time_unix_nano=now_ns + at * 1_000_003 + 81_234_567,
        )
        said: dict[str, Any] = {
            "gen_ai.operation.name": "chat" if model else "execute_tool",
            "gen_ai.conversation.id": f"conv_{number}",
        }
        if model:
            said |= {
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o-mini",
                "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
                "gen_ai.response.id": f"chatcmpl-{at}",
                "gen_ai.usage.input_tokens": 400 + at,
                "gen_ai.usage.output_tokens": 40 + at % 9,
                "server.address": "api.openai.com",
            }
        else:
            said |= {
                "gen_ai.tool.name": "search",
                "gen_ai.tool.call.id": f"call_{number}_{at}",
                "gen_ai.tool.call.arguments": json.dumps({"query": f"weather {at}", "limit": 5}),
            }
        for key, value in said.items():
            attribute = span.attributes.add(key=key)
            if isinstance(value, int):
                attribute.value.int_value = value
            else:
                attribute.value.string_value = value
    return message


def _as_json(request: ExportTraceServiceRequest) -> bytes:
    """Return the request in JSON, with a mark where the first span's id is."""
    value = MessageToDict(request, use_integers_for_enums=True)
    for resource in value["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for at, span in enumerate(scope["spans"]):
                span |= {"traceId": "1" * 32, "spanId": f"{at + 1:016x}", "parentSpanId": "2" * 16}
            scope["spans"][0]["spanId"] = "f00df00df00df00d"
    return json.dumps(value).encode()
