"""What the cost model reads from the constructs' sources is what their templates say."""

import json

import pytest

from bench.cost.deployed import ALARMS, Deployed
from infra.config import Config
from support.templates import Synthesize, Templates

SETTINGS = {
    "default": Config(tracing=True),
    "small": Config(stream="lambda", bus="ledger"),
}


@pytest.mark.parametrize("fixture", SETTINGS)
def test_functions_have_the_memory_that_is_paid_for(
    request: pytest.FixtureRequest, fixture: str
) -> None:
    templates: Templates = request.getfixturevalue(fixture)
    deployed = Deployed.read(SETTINGS[fixture])
    found = {}
    for _, _, resource in templates.everything():
        if resource["Type"] == "AWS::Lambda::Function":
            properties = resource["Properties"]
            variables = properties.get("Environment", {}).get("Variables", {})
            if name := variables.get("POWERTOOLS_SERVICE_NAME"):
                found[name] = properties["MemorySize"]
                level = properties["LoggingConfig"]["SystemLogLevel"]
                assert (level != "WARN") is deployed.platform_logs
    assert {"ingest", "api", "fanout", "project", "detect", "sweeper", "checkpoint"} <= found.keys()
    assert found.items() <= deployed.memory_mb.items()


def test_windows_and_periods(default: Templates) -> None:
    deployed = Deployed.read(SETTINGS["default"])
    mapping = "AWS::Lambda::EventSourceMapping"
    fanout = default.one("pipeline", mapping, "FanoutJournal")
    project = default.one("pipeline", mapping, "ProjectLedger")
    assert fanout["MaximumBatchingWindowInSeconds"] == deployed.fanout_window_seconds
    assert fanout["BatchSize"] == deployed.fanout_records
    assert project["MaximumBatchingWindowInSeconds"] == deployed.project_window_seconds
    detect = default.one("pipeline", mapping, "DetectLedger")
    assert detect["MaximumBatchingWindowInSeconds"] == deployed.detect_window_seconds
    rule = default.one("pipeline", "AWS::Events::Rule", "Sweeper")
    assert rule["ScheduleExpression"] == f"rate({deployed.sweep_seconds / 60:g} minutes)"
    rule = default.one("pipeline", "AWS::Events::Rule", "Checkpoint")
    assert rule["ScheduleExpression"] == f"rate({deployed.checkpoint_seconds / 60:g} minute)"


def test_the_stream_service(default: Templates, small: Templates) -> None:
    deployed = Deployed.read(SETTINGS["default"])
    task = default.one("stream-fargate", "AWS::ECS::TaskDefinition")
    assert (int(task["Cpu"]), int(task["Memory"])) == (
        1024 * deployed.task_vcpu,
        1024 * deployed.task_gb,
    )
    function = small.one("stream-lambda", "AWS::Lambda::Function", "StreamFunction")
    seconds = function["Environment"]["Variables"]["TOCSIN_STREAM_MAX_SECONDS"]
    assert float(seconds) == deployed.stream_seconds


def test_the_access_log_has_the_fields_that_are_paid_for(default: Templates) -> None:
    stage = default.one("api", "AWS::ApiGatewayV2::Stage")
    format = json.loads(stage["AccessLogSettings"]["Format"])
    assert format.keys() == json.loads(Deployed.read(SETTINGS["default"]).access_line).keys()


@pytest.mark.parametrize(("stream", "bus"), ALARMS)
def test_every_alarm_is_counted(synthesize: Synthesize, stream: str, bus: str) -> None:
    templates = synthesize(stream=stream, bus=bus, tracing=(stream, bus) == ("fargate", "valkey"))
    found = [
        resource["Properties"]
        for _, _, resource in templates.everything()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    ]
    # Beside them an expression has itself; what is paid for is each of its metrics.
    metrics = sum(max(1, len(each.get("Metrics", [])) - 1) for each in found)
    assert metrics == ALARMS[stream, bus]
