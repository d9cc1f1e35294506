"""Parse the HTTP request, call the ingest use case, answer."""

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.ingest.cloudevents import agree, receive
from functions.ingest.otlp import export
from functions.ingest.request import request_of
from tocsin.bootstrap.ingest import wire
from tocsin.domain.errors import Malformed, TocsinError
from tocsin.wire.intake.otlp.formats import Signal
from tocsin.wire.intake.raw import boolean
from tocsin.wire.parameters import known
from tocsin.wire.problems import problem

logger = Logger()
metrics = Metrics()
app = APIGatewayRestResolver()
service = cache(wire)


@app.post("/api/v1/ingest/raw")
def ingest_raw() -> Response[str]:
    """Accept one event, or several."""
    event = app.current_event
    query = event.query_string_parameters
    known(query.items(), ("partial", "wait", "backfill"))
    wait = query.get("wait") or ""
    if wait not in ("", "sealed"):
        raise Malformed("wait: send sealed, or leave it out")
    answer = service()(
        request_of(
            event,
            partial=boolean("partial", query.get("partial")),
            wait=bool(wait),
            backfill=boolean("backfill", query.get("backfill")),
        )
    )
    return Response(200, "application/json", answer.decode())


@app.post("/v1/traces")
def traces() -> Response[str | bytes]:
    """Accept spans of OpenTelemetry."""
    return export(Signal.TRACES, app.current_event, service(), metrics)


@app.post("/v1/logs")
def logs() -> Response[str | bytes]:
    """Accept log records of OpenTelemetry."""
    return export(Signal.LOGS, app.current_event, service(), metrics)


@app.post("/v1/metrics")
def data_points() -> Response[str | bytes]:
    """Count data points of OpenTelemetry, which are not stored."""
    return export(Signal.METRICS, app.current_event, service(), metrics)


@app.post("/v1/cloudevents")
def cloudevents() -> Response[str]:
    """Accept one CloudEvent, or several."""
    return receive(app.current_event, service())


@app.route("/v1/cloudevents", method=["OPTIONS"])
def may_send() -> Response[str]:
    """Say that CloudEvents may be sent here."""
    return agree()


@app.exception_handler(TocsinError)  # type: ignore[untyped-decorator]
def refuse(error: TocsinError) -> Response[str]:
    """Answer an error by the table in ``tocsin.wire.problems``."""
    answer = problem(error)
    metrics.add_metric(f"Refused{answer.status}", MetricUnit.Count, 1)
    return Response(answer.status, "application/json", answer.content.decode(), answer.headers)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Serve one API Gateway proxy event (payload format 1.0)."""
    answer = app.resolve(event, context)
    if metrics.metric_set:  # a request that went well logs nothing: logs cost as much
        metrics.flush_metrics()
    return answer
