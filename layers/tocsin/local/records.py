"""DynamoDB stream records, as Lambda hands them to a function and reports those it gave up."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

import orjson

from tocsin.domain.times import iso_ms
from tocsin.local.invocations import Discarded, Record

__all__ = ["discarded_message", "lambda_record"]

_FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


def lambda_record(record: Mapping[str, Any], stream_arn: str) -> Record:
    """Return a record of boto3's GetRecords as Lambda's event has it: bytes become base64."""
    change = dict(record["dynamodb"])
    created: datetime = change["ApproximateCreationDateTime"]
    change["ApproximateCreationDateTime"] = created.timestamp()
    event = dict(record) | {"dynamodb": change, "eventSourceARN": stream_arn}
    return Record(
        sequence_number=change["SequenceNumber"],
        event_name=record["eventName"],
        created_at_ms=int(created.timestamp() * 1000),
        json=orjson.dumps(event, default=_base64),
    )


def discarded_message(
    discarded: Discarded, function: str, stream_arn: str, shard_id: str, now_ms: int
) -> bytes:
    """Return what Lambda sends to the on-failure queue: where the records are, not what they hold.

    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
    """
    first, last = discarded.records[0], discarded.records[-1]
    message = {
        "requestContext": {
            "requestId": str(uuid4()),
            "functionArn": _FUNCTION_ARN + function,
            "condition": discarded.condition,
            "approximateInvokeCount": discarded.attempts,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "version": "1.0",
        "timestamp": iso_ms(now_ms),
        "DDBStreamBatchInfo": {
            "shardId": shard_id,
            "startSequenceNumber": first.sequence_number,
            "endSequenceNumber": last.sequence_number,
            "approximateArrivalOfFirstRecord": iso_ms(first.created_at_ms),
            "approximateArrivalOfLastRecord": iso_ms(last.created_at_ms),
            "batchSize": len(discarded.records),
            "streamArn": stream_arn,
        },
    }
    return orjson.dumps(message)


def _base64(value: Any) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    raise TypeError(type(value).__name__)
