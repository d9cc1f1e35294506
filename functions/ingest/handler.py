"""Parse the HTTP request, call the ingest use case, answer."""

from base64 import b64decode
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tocsin.bootstrap.ingest import wire
from tocsin.domain.errors import Malformed, TocsinError
from tocsin.services.intake.ingest import IngestRequest
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
    body = (event.body or "").encode(errors="surrogatepass")  # is refused, as not UTF-8
    answer = service()(
        IngestRequest(
            authorization=event.headers.get("authorization"),
            content_type=event.headers.get("content-type"),
            content_encoding=event.headers.get("content-encoding"),
            idempotency_key=event.headers.get("idempotency-key"),
            partial=boolean("partial", query.get("partial")),
            body=b64decode(body) if event.is_base64_encoded else body,
            wait=bool(wait),
            backfill=boolean("backfill", query.get("backfill")),
        )
    )
    return Response(200, "application/json", answer.decode())


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
