"""From the journal to the ledger."""

import json
from typing import Any

import pytest

from support.templates import Synthesize, Templates

INSERT = {"eventName": ["INSERT"]}
SEGMENT = {"dynamodb": {"Keys": {"pk": {"S": [{"prefix": "segment#"}]}}}}


@pytest.mark.parametrize(
    ("function", "pattern", "window"),
    [
        ("FanoutJournal", INSERT, 1),
        ("ProjectLedger", {**INSERT, **SEGMENT}, 1),
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


@pytest.mark.parametrize(
    ("mapping", "queue", "at_once"),
    [
        ("ExpireTimers", "TimersQueue", 10),
        ("ProjectTails", "TailsQueue", 10),
        ("DeliverWakes", "WakesQueue", 20),
        ("DeliverSlowWakes", "SlowWakesQueue", 10),
    ],
)
def test_queues_reach_their_functions(
    default: Templates, mapping: str, queue: str, at_once: int
) -> None:
    found = default.one("pipeline", "AWS::Lambda::EventSourceMapping", mapping)
    assert f"FnGetAtt{queue}" in json.dumps(found["EventSourceArn"])
    assert found["BatchSize"] == 10
    assert found["ScalingConfig"] == {"MaximumConcurrency": at_once}
    assert found["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@pytest.mark.parametrize(("at_once", "slow"), [(2, 2), (40, 20)])
def test_slow_endpoints_have_half_the_room_beside_the_others(
    synthesize: Synthesize, at_once: int, slow: int
) -> None:
    templates = synthesize(deliveries_at_once=at_once)
    for mapping, expected in (("DeliverWakes", at_once), ("DeliverSlowWakes", slow)):
        found = templates.one("pipeline", "AWS::Lambda::EventSourceMapping", mapping)
        assert found["ScalingConfig"] == {"MaximumConcurrency": expected}


def test_what_no_message_says_is_due_is_found_every_minute(default: Templates) -> None:
    rule = default.one("pipeline", "AWS::Events::Rule", "Deliver")
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert rule["Targets"][0]["Input"] == "{}"


@pytest.mark.parametrize("fixture", ["default", "small", "telling", "localstack"])
def test_who_delivers_reaches_the_internet_and_no_network_of_ours(
    request: pytest.FixtureRequest, fixture: str
) -> None:
    """A function in a VPC has no public address, and needs a NAT gateway to reach anybody.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc-internet.html
    """
    templates = request.getfixturevalue(fixture)
    assert "VpcConfig" not in templates.one("pipeline", "AWS::Lambda::Function", "Deliver")
    granted = json.dumps(
        [
            policy
            for id, policy in templates.of("pipeline", "AWS::IAM::Policy").items()
            if id.startswith("Deliver")
        ]
    )
    assert "ec2:" not in granted and "elasticache:" not in granted


def test_nothing_is_delivered_into_the_network_of_the_environment(
    default: Templates, small: Templates
) -> None:
    def denied(templates: Templates) -> Any:
        function = templates.one("pipeline", "AWS::Lambda::Function", "Deliver")
        return json.loads(function["Environment"]["Variables"]["TOCSIN_DENIED_NETWORKS"])

    assert denied(default) == [default.one("network", "AWS::EC2::VPC")["CidrBlock"]]
    assert denied(small) == []


@pytest.mark.parametrize("fixture", ["default", "small", "telling", "localstack"])
def test_no_template_lets_endpoints_be_on_the_functions_own_machine(
    request: pytest.FixtureRequest, fixture: str
) -> None:
    assert "LOOPBACK" not in json.dumps(request.getfixturevalue(fixture).by_part).upper()


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


def test_a_scheduled_run_that_fails_or_waits_is_left_to_the_next(default: Templates) -> None:
    """Those that found no free function would else come all at once, for hours.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """
    rules = default.of("pipeline", "AWS::Events::Rule").values()
    periods = {
        rule["Properties"]["Targets"][0]["Arn"]["Fn::GetAtt"][0]: rule["Properties"][
            "ScheduleExpression"
        ]
        for rule in rules
    }
    given_up = {
        config["Properties"]["FunctionName"]["Ref"]: (
            config["Properties"]["MaximumRetryAttempts"],
            config["Properties"]["MaximumEventAgeInSeconds"],
        )
        for config in default.of("pipeline", "AWS::Lambda::EventInvokeConfig").values()
    }
    seconds = {"rate(1 minute)": 60, "rate(5 minutes)": 300}
    assert len(periods) > 3
    assert given_up == {name: (0, seconds[period]) for name, period in periods.items()}


def test_checkpoints_are_made_every_minute_and_hardly_ever_two_at_once(default: Templates) -> None:
    rule = default.one("pipeline", "AWS::Events::Rule", "Checkpoint")
    assert (rule["ScheduleExpression"], rule["Targets"][0]["Input"]) == ("rate(1 minute)", "{}")
    function = default.one("pipeline", "AWS::Lambda::Function", "Checkpoint")
    assert function["Timeout"] <= 60
    assert "ReservedConcurrentExecutions" not in function


@pytest.mark.parametrize("name", ["Fanout", "Sweeper"])
def test_who_publishes_is_beside_valkey_and_nowhere_else(
    default: Templates, small: Templates, name: str
) -> None:
    inside = default.one("pipeline", "AWS::Lambda::Function", name)
    subnets = json.dumps(inside["VpcConfig"]["SubnetIds"])
    assert subnets.count("IsolatedSubnet") == 2
    assert "VpcConfig" not in small.one("pipeline", "AWS::Lambda::Function", name)
