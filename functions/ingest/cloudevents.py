"""CloudEvents' routes: in which mode they come is in the headers, and who asks may send."""

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from functions.ingest.request import request_of
from tocsin.services.intake.ingest import Ingest
from tocsin.wire.intake.cloudevents.formats import format_of
from tocsin.wire.intake.raw import boolean
from tocsin.wire.parameters import known

__all__ = ["agree", "receive"]


def receive(event: APIGatewayProxyEvent, ingest: Ingest) -> Response[str]:
    """Take a request with one event or several, each once."""
    query = event.query_string_parameters
    known(query.items(), ("partial", "backfill"))
    request = request_of(
        event,
        partial=boolean("partial", query.get("partial")),
        backfill=boolean("backfill", query.get("backfill")),
    )
    several = event.multi_value_headers.items()
    headers = [(name, value) for name, values in several for value in values]
    answer = ingest(request, format_of(request.content_type, headers))
    return Response(200, "application/json", answer.decode())


def agree() -> Response[str]:
    """Answer a sender that asks first; what it sends needs a key all the same.

    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#4-abuse-protection
    """
    headers = {"Allow": "OPTIONS, POST", "WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"}
    return Response(200, headers=headers)
