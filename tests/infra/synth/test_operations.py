"""Alarms and the dashboard."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.templates import Synthesize, Templates

ROOT = Path(__file__).resolve().parents[3]


def _alarms(templates: Templates) -> dict[str, Any]:
    return {
        resource["Properties"].get("MetricName", id): resource["Properties"]
        for id, resource in templates.of("operations", "AWS::CloudWatch::Alarm").items()
    }


@pytest.mark.parametrize(
    ("fixture", "metrics"),
    [
        (
            "default",
            {"IteratorAge", "SetAside", "SealConflicts", "BrokenLedgers", "Unpublished", "5xx"}
            | {"SweptEvents", "Errors", "Refused503", "Throttles", "ThrottledCmds", "Invocations"}
            | {"AuthenticationFailures", "HealthyHostCount", "HTTPCode_Target_5XX_Count"},
        ),
        (
            "small",
            {"IteratorAge", "SetAside", "SealConflicts", "BrokenLedgers", "5xx", "SweptEvents"}
            | {"Errors", "Refused503", "Throttles", "Invocations"},
        ),
    ],
)
def test_alarms_cover_every_part(
    request: pytest.FixtureRequest, fixture: str, metrics: set[str]
) -> None:
    assert set(_alarms(request.getfixturevalue(fixture))) == metrics


def test_alarms_say_what_they_mean_and_tell_somebody(default: Templates) -> None:
    [topic] = default.of("operations", "AWS::SNS::Topic")
    for name, alarm in _alarms(default).items():
        assert len(alarm["AlarmDescription"]) > 20, name
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": topic}]


def test_alarms_watch_metrics_that_the_functions_emit(default: Templates, small: Templates) -> None:
    sources = "".join(path.read_text() for path in (ROOT / "functions").glob("*/*.py"))
    for templates in (default, small):
        for name, alarm in _alarms(templates).items():
            if alarm.get("Namespace") == "Tocsin":
                [service] = [each["Value"] for each in alarm["Dimensions"]]
                assert (ROOT / "functions" / service).is_dir()
                assert re.search(rf'"{re.sub("[0-9]+$", "", name)}', sources), name


def test_silence_is_an_alarm_only_where_something_must_be_heard(default: Templates) -> None:
    loud = {
        name for name, alarm in _alarms(default).items() if alarm["TreatMissingData"] == "breaching"
    }
    assert loud <= {"Invocations", "HealthyHostCount"}


def test_somebody_can_be_mailed(default: Templates, synthesize: Synthesize) -> None:
    assert not default.of("operations", "AWS::SNS::Subscription")
    mailed = synthesize(alarm_email="ops@example.org")
    assert mailed.one("operations", "AWS::SNS::Subscription")["Endpoint"] == "ops@example.org"


def test_the_dashboard_shows_every_part(default: Templates) -> None:
    body = json.dumps(default.one("operations", "AWS::CloudWatch::Dashboard")["DashboardBody"])
    for title in (
        "Ingest: requests",
        "Sealed",
        "Project: runs",
        "Sweeper",
        "Valkey: units",
        "Streams: 5xx",
    ):
        assert title in body


def test_everything_is_tagged(default: Templates) -> None:
    for _, id, resource in default.everything():
        tags = resource.get("Properties", {}).get("Tags", [])
        if isinstance(tags, dict):
            tags = [{"Key": key, "Value": value} for key, value in tags.items()]
        found = {tag["Key"]: tag["Value"] for tag in tags}
        assert not found or found.items() >= {"project": "tocsin", "environment": "dev"}.items(), id
