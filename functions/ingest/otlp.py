"""OTLP's three routes: an exporter's request, and the answer that it understands."""

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from functions.ingest.request import request_of
from tocsin.domain.errors import TocsinError
from tocsin.services.intake.ingest import Ingest
from tocsin.wire.intake.otlp.answers import refusal
from tocsin.wire.intake.otlp.formats import JSON, PROTOBUF, Signal, format_of
from tocsin.wire.parameters import known

__all__ = ["export"]


def export(
    signal: Signal, event: APIGatewayProxyEvent, ingest: Ingest, metrics: Metrics
) -> Response[str | bytes]:
    """Take a signal's request; what is refused is told as exporters know it."""

    def counted(points: int) -> None:
        metrics.add_metric("OtlpDataPoints", MetricUnit.Count, points)

    sent_as = (event.headers.get("content-type") or "").partition(";")[0].strip().lower()
    media_type = PROTOBUF if sent_as == PROTOBUF else JSON
    headers: dict[str, str] = {}
    try:
        known(event.query_string_parameters.items(), ())
        request = request_of(event, partial=True)
        status, body = 200, ingest(request, format_of(signal, media_type, counted))
    except TocsinError as error:
        status, body, headers = refusal(error, protobuf=media_type == PROTOBUF)
        metrics.add_metric(f"Refused{status}", MetricUnit.Count, 1)
    # Bytes leave as base64, text as it is.
    return Response(status, media_type, body if media_type == PROTOBUF else body.decode(), headers)
