"""DynamoDB Streams on moto's in-memory backend, corrected."""

from base64 import b64decode
from typing import Any, cast

from localstack.aws.api import RequestContext
from localstack.aws.api.dynamodbstreams import DynamodbstreamsApi, GetRecordsOutput
from localstack.aws.forwarder import ForwardingFallbackDispatcher
from localstack.services.plugins import Service

from localstack_process.database import one_at_a_time

__all__ = ["decoded", "service"]


def service() -> Service:
    """Return the provider: what is not here falls through to moto."""
    return Service.for_provider(
        Streams(),
        dispatch_table_factory=lambda api: ForwardingFallbackDispatcher(api, one_at_a_time),
    )


class Streams(DynamodbstreamsApi):
    """What moto's streams need."""

    def get_records(
        self,
        context: RequestContext,
        shard_iterator: str,
        limit: int | None = None,
        **kwargs: Any,
    ) -> GetRecordsOutput:
        """Decode binary values once more: moto keeps them as base64, and encodes that."""
        answer: Any = one_at_a_time(context)
        for record in answer["Records"]:
            change = record["dynamodb"]
            for image in ("Keys", "NewImage", "OldImage"):
                if image in change:
                    change[image] = decoded({"M": change[image]})["M"]
        return cast(GetRecordsOutput, answer)


def decoded(value: dict[str, Any]) -> dict[str, Any]:
    """Return an attribute value with the base64 in it decoded."""
    [(kind, content)] = value.items()
    match kind:
        case "B":
            return {kind: b64decode(content)}
        case "BS":
            return {kind: [b64decode(each) for each in content]}
        case "L":
            return {kind: [decoded(each) for each in content]}
        case "M":
            return {kind: {name: decoded(each) for name, each in content.items()}}
        case _:
            return value
