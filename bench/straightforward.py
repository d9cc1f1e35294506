"""The straightforward way to ingest, with which Tocsin's is compared.

One Pydantic model per event, one DynamoDB item per event, ``batch_write_item`` in chunks of 25. It
does nothing else that Tocsin does: no keys, no quota, no idempotency, no canonical bytes, no
limits. That is to its advantage.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from boto3.dynamodb.types import TypeSerializer
from botocore.serialize import create_serializer
from pydantic import AliasGenerator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["Event", "Write", "handler_of", "ingest", "items", "sending", "serialising"]

TABLE = "events"
CHUNK = 25  # what batch_write_item takes at once
_SERIALIZER = TypeSerializer()

type Write = Callable[[dict[str, Any]], object]
"""Takes the parameters of one ``batch_write_item`` call."""


class Event(BaseModel):
    """An event with every field that Tocsin's has."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(validation_alias=to_camel),
        validate_by_name=True,
        validate_by_alias=True,
        extra="ignore",
    )

    org: str = "bench"
    event_id: str = Field(default_factory=lambda: f"evt_{uuid4().hex}")
    source_id: str | None = Field(default=None, alias="id")
    type: str
    timestamp: datetime = Field(default_factory=lambda: datetime.now(UTC))
    received_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    source: str = "client"
    tool_name: str | None = None
    action: Literal["allow", "deny", "alert", "log"] = "log"
    server_id: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    run_id: str | None = None
    direction: str | None = None
    model: str | None = None
    provider: str | None = None
    status: str | None = None
    compliance_tag: str = "default"
    anomaly_type: str | None = None
    prompt_tokens: int | None = Field(default=None, ge=0)
    completion_tokens: int | None = Field(default=None, ge=0)
    total_tokens: int | None = Field(default=None, ge=0)
    cost_usd: float | None = Field(default=None, ge=0)
    latency_ms: float | None = Field(default=None, ge=0)
    current_rate: float | None = None
    threshold: float | None = None
    pii_detected: bool | None = None
    pii_types: list[str] | None = None
    decision: dict[str, Any] | None = None
    request: dict[str, Any] | None = None
    data: Any = None
    metadata: dict[str, Any] | None = None


def items(body: str | bytes) -> Iterator[dict[str, Any]]:
    """Yield the DynamoDB item of each event of a request body."""
    value = json.loads(body)
    for raw in value.get("events", [value]):
        event = Event.model_validate(raw).model_dump(mode="json", exclude_none=True)
        # DynamoDB has no float type, and boto3 refuses one: through JSON to Decimal.
        plain = json.loads(json.dumps(event), parse_float=Decimal)
        yield {name: _SERIALIZER.serialize(value) for name, value in plain.items()}


def ingest(body: str | bytes, write: Write) -> bytes:
    """Handle a request's body; return the answer's body."""
    made = list(items(body))
    for start in range(0, len(made), CHUNK):
        puts = [{"PutRequest": {"Item": item}} for item in made[start : start + CHUNK]]
        write({"RequestItems": {TABLE: puts}})
    return json.dumps({"data": {"ingested": len(made), "rejected": 0}}).encode()


def serialising() -> Write:
    """Return a ``write`` that ends with the request's bytes (botocore's checks and serialiser)."""
    client = boto3.client("dynamodb", region_name="us-east-1")
    operation = client.meta.service_model.operation_model("BatchWriteItem")
    serializer = create_serializer(client.meta.service_model.metadata["protocol"])
    return lambda parameters: serializer.serialize_to_request(parameters, operation)


def sending(client: "DynamoDBClient") -> Write:
    """Return a ``write`` that calls a client."""
    return lambda parameters: client.batch_write_item(**parameters)


def handler_of(write: Write) -> Callable[[Any, Any], Any]:
    """Return a Lambda handler with the same Powertools around it as Tocsin's."""
    logger, metrics, app = Logger(), Metrics(), APIGatewayRestResolver()

    @app.post("/api/v1/ingest/raw")
    def ingest_raw() -> Response[str]:
        content = ingest(app.current_event.body or "", write)
        return Response(200, "application/json", content.decode())

    @logger.inject_lambda_context
    @metrics.log_metrics
    def handler(event: Any, context: Any) -> Any:
        return app.resolve(event, context)

    return handler
