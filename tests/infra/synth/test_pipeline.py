"""From the journal to the ledger."""

import json
from typing import Any

import pytest

from support.templates import Templates

INSERT = {"eventName": ["INSERT"]}
SEGMENT = {"dynamodb": {"Keys": {"pk": {"S": [{"prefix": "segment#"}]}}}}


@pytest.mark.parametrize(
    ("function", "pattern", "window"),
    [
        ("FanoutJournal", INSERT, 1),
        ("ProjectLedger", {**INSERT, **SEGMENT}, 30),
        ("DetectLedger", {**INSERT, **SEGMENT}, 5),
    ],
)
def test_streams_reach_their_functions_until_they_have_taken_them(
    default: Templates, function: str, pattern: dict[str, Any], window: int
) -> None:
    mapping = default.one("pipeline", "AWS::Lambda::EventSourceMapping", function)
    [found] = mapping["FilterCriteria"]["Filters"]
    assert json.loads(found["Pattern"]) == pattern
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["MaximumRetryAttempts"] == -1
    assert mapping["MaximumRecordAgeInSeconds"] == -1
    assert mapping["ParallelizationFactor"] == 1
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["MaximumBatchingWindowInSeconds"] == window


def test_a_shard_has_no_more_readers_than_lambda_allows(default: Templates) -> None:
    """Two at most read a shard of a DynamoDB stream without being throttled:

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
    """
    mappings = default.of("pipeline", "AWS::Lambda::EventSourceMapping").values()
    sources = [json.dumps(each["Properties"]["EventSourceArn"]) for each in mappings]
    streams = [each for each in sources if "StreamArn" in each]
    assert sorted(map(streams.count, set(streams))) == [1, 2]


def test_detection_looks_for_silence_every_minute(default: Templates) -> None:
    rule = default.one("pipeline", "AWS::Events::Rule", "Detect")
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert rule["Targets"][0]["Input"] == "{}"


def test_the_sweeper_runs_every_five_minutes_and_its_own_next_run_is_its_retry(
    default: Templates,
) -> None:
    rule = default.one("pipeline", "AWS::Events::Rule", "Sweeper")
    assert rule["ScheduleExpression"] == "rate(5 minutes)"
    assert rule["Targets"][0]["Input"] == "{}"
    assert (
        default.one("pipeline", "AWS::Lambda::EventInvokeConfig", "Sweeper")["MaximumRetryAttempts"]
        == 0
    )


@pytest.mark.parametrize("name", ["Fanout", "Sweeper"])
def test_who_publishes_is_beside_valkey_and_nowhere_else(
    default: Templates, small: Templates, name: str
) -> None:
    inside = default.one("pipeline", "AWS::Lambda::Function", name)
    subnets = json.dumps(inside["VpcConfig"]["SubnetIds"])
    assert subnets.count("IsolatedSubnet") == 2
    assert "VpcConfig" not in small.one("pipeline", "AWS::Lambda::Function", name)
