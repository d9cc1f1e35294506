"""OpenTelemetry against the whole product: chunked requests, and parts that are killed."""

import gzip
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from support.orgs import NewOrg
from support.product import Product
from support.waiting import HANG_SECONDS, until

pytestmark = [pytest.mark.xdist_group("product")]

KILLED = ("ingest", "gateway")
SPANS = 60


def listed(org: NewOrg) -> list[dict[str, str]]:
    """Return the org's spans as a list has them."""
    answer = httpx.get(
        f"{org.product.url}/api/v1/events",
        params={"limit": 1_000, "type": "otel.span"},
        headers={"Authorization": f"Bearer {org.key}"},
        timeout=HANG_SECONDS,
    )
    answer.raise_for_status()
    found: list[dict[str, str]] = answer.json()
    return found


def test_a_chunked_request_in_gzip_is_taken(product: Product) -> None:
    org = NewOrg(product)
    message = ExportTraceServiceRequest()
    spans = message.resource_spans.add().scope_spans.add().spans
    for number in range(100):
        spans.add(name="n", trace_id=b"\1" * 16, span_id=number.to_bytes(8, "little") or b"\1")
    body = gzip.compress(message.SerializeToString())

    def chunks() -> Iterator[bytes]:
        for at in range(0, len(body), 64):
            yield body[at : at + 64]

    answer = httpx.post(
        f"{product.url}/v1/traces",
        headers={
            "Authorization": f"Bearer {org.key}",
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "gzip",
        },
        content=chunks(),
        timeout=HANG_SECONDS,
    )
    assert (answer.status_code, answer.content) == (200, b""), answer.content
    assert answer.headers["Content-Type"] == "application/x-protobuf"
    until(lambda: len(listed(org)) == 100, "all are sealed")


def test_no_span_is_lost_or_doubled_whatever_is_killed(product: Product) -> None:
    org = NewOrg(product)
    exporter = OTLPSpanExporter(
        f"{product.url}/v1/traces",
        headers={"authorization": f"Bearer {org.key}"},
        timeout=HANG_SECONDS,
        compression=Compression.Gzip,
    )
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("agent")
    for number in range(SPANS * len(KILLED)):
        if number % SPANS == SPANS // 2:
            product.kill(KILLED[number // SPANS])
        tracer.start_span(f"span {number}").end()
    provider.shutdown()
    product.until_ready()
    expected = {f"span {number}": 1 for number in range(SPANS * len(KILLED))}
    until(lambda: len(listed(org)) >= len(expected), "all are sealed")
    names = Counter(event["metadata"]["name"] for event in listed(org))  # type: ignore[index]
    assert names == expected
