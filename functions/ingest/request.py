"""From API Gateway's event to the use case's request."""

from base64 import b64decode

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from tocsin.services.intake.ingest import IngestRequest

__all__ = ["request_of"]


def request_of(
    event: APIGatewayProxyEvent, *, partial: bool, wait: bool = False, backfill: bool = False
) -> IngestRequest:
    """Return what the headers and the body say."""
    body = (event.body or "").encode(errors="surrogatepass")  # is refused, as not UTF-8
    return IngestRequest(
        authorization=event.headers.get("authorization"),
        content_type=event.headers.get("content-type"),
        content_encoding=event.headers.get("content-encoding"),
        idempotency_key=event.headers.get("idempotency-key"),
        partial=partial,
        body=b64decode(body) if event.is_base64_encoded else body,
        wait=wait,
        backfill=backfill,
    )
