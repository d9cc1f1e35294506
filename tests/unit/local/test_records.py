"""Stream records in the shape that Lambda gives them."""

import json
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path

from tocsin.local.invocations import Discarded, Record
from tocsin.local.records import discarded_message, lambda_record

EVENTS = Path(__file__).parents[3] / "events"


def test_a_record_becomes_lambdas_event_with_bytes_in_base64() -> None:
    expected = json.loads((EVENTS / "dynamodb-journal-insert.json").read_bytes())["Records"][0]
    source = json.loads(json.dumps(expected))  # as boto3's GetRecords returns it
    arn = source.pop("eventSourceARN")
    change = source["dynamodb"]
    change["ApproximateCreationDateTime"] = datetime(2026, 3, 20, 9, 46, 40, tzinfo=UTC)
    change["NewImage"]["entries"]["B"] = b64decode(change["NewImage"]["entries"]["B"])

    record = lambda_record(source, arn)

    assert json.loads(record.json) == expected
    assert record.sequence_number == change["SequenceNumber"]
    assert record.event_name == "INSERT"
    assert record.created_at_ms == 1_774_000_000_000


def test_the_on_failure_message_says_where_the_records_are_and_not_what_they_hold() -> None:
    records = [
        Record(str(number), "INSERT", 1_573_690_759_000 + number, b"secret") for number in (1, 2, 3)
    ]
    given_up = Discarded(records, 4, "RetryAttemptsExhausted")

    raw = discarded_message(given_up, "fanout", "arn:stream", "shard", 1_573_690_789_717)

    message = json.loads(raw)
    assert b"secret" not in raw
    assert message["timestamp"] == "2019-11-14T00:19:49.717Z"
    assert message["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert message["requestContext"]["approximateInvokeCount"] == 4
    assert message["requestContext"]["functionArn"].endswith(":function:fanout")
    assert message["DDBStreamBatchInfo"] == {
        "shardId": "shard",
        "startSequenceNumber": "1",
        "endSequenceNumber": "3",
        "approximateArrivalOfFirstRecord": "2019-11-14T00:19:19.001Z",
        "approximateArrivalOfLastRecord": "2019-11-14T00:19:19.003Z",
        "batchSize": 3,
        "streamArn": "arn:stream",
    }
