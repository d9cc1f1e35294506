"""Alarms and the dashboard."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.templates import Synthesize, Templates

ROOT = Path(__file__).resolve().parents[3]


EVERYWHERE = {
    "IteratorAge",
    "Errors",
    "Throttles",
    "Invocations",
    "5xx",
    "ingest Refused503",
    "api Refused503",
    "fanout SetAside",
    "fanout BrokenOrgs",
    "fanout SealConflicts",
    "project BrokenOrgs",
    "project WaitingOrgs",
    "detect BrokenOrgs",
    "deliver PausedEndpoints",
    "deliver GivenUp",
    "deliver BrokenOrgs",
    "expire BrokenOrgs",
    "expire LateMs",
    "checkpoint BrokenOrgs",
    "fanout SealedEvents, checkpoint Checkpoints",
    "ApproximateAgeOfOldestMessage",
    "ApproximateNumberOfMessagesVisible",
    "sweeper SealedEvents",
    "sweeper SetAside",
    "sweeper BrokenOrgs",
    "sweeper SealConflicts",
    "stream StreamLagMs",
}


def _alarms(templates: Templates) -> list[Any]:
    alarms = templates.of("operations", "AWS::CloudWatch::Alarm").values()
    return [alarm["Properties"] for alarm in alarms]


def _metrics(alarm: Any) -> list[Any]:
    """Return what it is about: a metric, or those of its expression."""
    if "MetricName" in alarm:
        return [alarm]
    return [each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each]


def _watched(alarm: Any) -> str:
    """Return the names of its metrics, after the service's where they are our own."""
    return ", ".join(map(_name, _metrics(alarm)))


def _name(metric: Any) -> str:
    own = {each["Name"]: each["Value"] for each in metric["Dimensions"]}.get("service", "")
    return f"{own} {metric['MetricName']}".strip()


@pytest.mark.parametrize(
    ("fixture", "metrics"),
    [
        (
            "default",
            {"fanout Unpublished", "sweeper Unpublished", "ThrottledCmds", "AuthenticationFailures"}
            | {"CommandAuthorizationFailures"}
            | {"stream Connections", "HealthyHostCount", "HTTPCode_Target_5XX_Count"},
        ),
        ("small", set()),
    ],
)
def test_alarms_cover_every_part(
    request: pytest.FixtureRequest, fixture: str, metrics: set[str]
) -> None:
    alarms = _alarms(request.getfixturevalue(fixture))
    assert {_watched(alarm) for alarm in alarms} == EVERYWHERE | metrics


def test_alarms_say_what_they_mean_and_tell_somebody(default: Templates) -> None:
    [topic] = default.of("operations", "AWS::SNS::Topic")
    for alarm in _alarms(default):
        assert len(alarm["AlarmDescription"]) > 20, alarm
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": topic}]


@pytest.mark.parametrize("name", ["Timers", "Wakes", "SlowWakes", "Tails"])
def test_a_queue_that_nobody_takes_from_and_its_dead_letters_are_alarms(
    default: Templates, name: str
) -> None:
    watched = {
        (alarm["MetricName"], alarm["Statistic"])
        for alarm in _alarms(default)
        for dimension in alarm.get("Dimensions", [])
        if f"FnGetAtt{name}" in json.dumps(dimension["Value"])
    }
    assert watched == {
        ("ApproximateAgeOfOldestMessage", "Maximum"),
        ("ApproximateNumberOfMessagesVisible", "Maximum"),
    }


def test_no_message_is_old_while_it_waits_as_it_was_told_to(default: Templates) -> None:
    """A message's age counts from when it was sent, also where it is delayed, or tried again."""
    longest = {"Timers": 900, "Wakes": 900, "SlowWakes": 900, "Tails": 30}
    for name, delay_seconds in longest.items():
        queue = default.one("data", "AWS::SQS::Queue", f"{name}Queue")
        [age] = [
            alarm["Threshold"]
            for alarm in _alarms(default)
            if alarm.get("MetricName") == "ApproximateAgeOfOldestMessage"
            and f"FnGetAtt{name}Queue" in json.dumps(alarm["Dimensions"])
        ]
        retried = queue["VisibilityTimeout"] if delay_seconds > 60 else 0
        assert age > delay_seconds + retried


def test_alarms_may_publish_and_nobody_in_the_clear(default: Templates) -> None:
    """A topic's policy takes the place of the default one, by which CloudWatch could publish.

    https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
    """
    [topic] = default.of("operations", "AWS::SNS::Topic")
    policy = default.one("operations", "AWS::SNS::TopicPolicy")
    assert policy["Topics"] == [{"Ref": topic}]
    statements = {each["Effect"]: each for each in policy["PolicyDocument"]["Statement"]}
    assert statements.keys() == {"Allow", "Deny"}
    allowed = statements["Allow"]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert (allowed["Action"], allowed["Resource"]) == ("sns:Publish", {"Ref": topic})
    mine = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert allowed["Condition"] == mine
    assert statements["Deny"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    # Encrypted with SNS' own key, CloudWatch could not publish either, and would say nothing.
    assert "KmsMasterKeyId" not in default.one("operations", "AWS::SNS::Topic")


def test_no_task_answers_only_when_no_zone_sees_one(default: Templates) -> None:
    """Each zone's node counts for itself.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
    """
    [gone] = [each for each in _alarms(default) if _watched(each) == "HealthyHostCount"]
    assert (gone["Statistic"], gone["Threshold"]) == ("Maximum", 1)


def _emitted(service: str, name: str) -> bool:
    """Whether a service's sources have the metric's name in them."""
    layer = ROOT / "layers" / "tocsin"
    if refused := re.fullmatch("Refused([A-Z].*)", name):
        return f"class {refused[1]}(" in (layer / "domain" / "errors.py").read_text()
    folders = ((ROOT / "functions" / service), (layer / "services"))
    sources = "".join(path.read_text() for folder in folders for path in folder.rglob("*.py"))
    return f'"{re.sub("[0-9]+$", "", name)}' in sources


def test_alarms_and_graphs_are_of_metrics_that_are_emitted(
    default: Templates, small: Templates
) -> None:
    for templates in (default, small):
        board = json.dumps(templates.one("operations", "AWS::CloudWatch::Dashboard"))
        graphs = re.findall(r'"tocsin-dev","(\w+)","service","(\w+)"', board.replace("\\", ""))
        metrics = [metric for alarm in _alarms(templates) for metric in _metrics(alarm)]
        alarms = [_name(each).split() for each in metrics if _own(each)]
        assert len(graphs) > len(alarms) > 5
        for service, name in [*alarms, *((service, name) for name, service in graphs)]:
            assert (ROOT / "functions" / service).is_dir()
            assert _emitted(service, name), (service, name)
    assert not _emitted("fanout", "Nonsense")


def _own(metric: Any) -> bool:
    return bool(metric["Namespace"] == "tocsin-dev")


def test_environments_of_one_account_do_not_hear_each_other(synthesize: Synthesize) -> None:
    templates = synthesize(environment="prod")
    namespaces = {each["Namespace"] for alarm in _alarms(templates) for each in _metrics(alarm)}
    assert {each for each in namespaces if not each.startswith("AWS/")} == {"tocsin-prod"}
    assert "tocsin-dev" not in json.dumps(templates.by_part)


def test_late_is_ten_seconds_beyond_what_the_fan_out_waits(synthesize: Synthesize) -> None:
    for settings, threshold_ms in (({}, 11_000), ({"batch_window_seconds": 5}, 15_000)):
        [lag] = [
            alarm
            for alarm in _alarms(synthesize(**settings))
            if _watched(alarm) == "stream StreamLagMs"
        ]
        assert (lag["Threshold"], lag["ExtendedStatistic"]) == (threshold_ms, "p90")


def test_a_task_is_full_at_four_fifths_of_what_it_takes(synthesize: Synthesize) -> None:
    for settings, limit in (
        ({"connections_per_task": 1_000}, 2_000),
        ({"stream_options": {"max_streams": "300"}}, 300),
    ):
        templates = synthesize(**settings)
        task = templates.one("stream-fargate", "AWS::ECS::TaskDefinition")
        variables = task["ContainerDefinitions"][0]["Environment"]
        assert {"Name": "TOCSIN_MAX_STREAMS", "Value": str(limit)} in variables
        [full] = [each for each in _alarms(templates) if _watched(each) == "stream Connections"]
        assert (full["Threshold"], full["Statistic"]) == (limit * 0.8, "Maximum")


def test_silence_is_an_alarm_only_where_something_must_be_heard(default: Templates) -> None:
    loud = {
        _watched(alarm) for alarm in _alarms(default) if alarm["TreatMissingData"] == "breaching"
    }
    assert loud <= {"Invocations", "HealthyHostCount"}


def test_it_is_an_alarm_when_events_are_sealed_and_nothing_is_signed(default: Templates) -> None:
    """By an expression over two metrics, each of which is there only while something happens."""
    [alarm] = [each for each in _alarms(default) if "Metrics" in each]
    [expression] = [each for each in alarm["Metrics"] if "Expression" in each]
    assert expression["Expression"] == "IF(FILL(sealed, 0) > 0 AND FILL(signed, 0) == 0, 1, 0)"
    sources = {
        each["Id"]: (_name(each["MetricStat"]["Metric"]), each["MetricStat"]["Period"])
        for each in alarm["Metrics"]
        if "MetricStat" in each
    }
    assert sources == {
        "sealed": ("fanout SealedEvents", 300),
        "signed": ("checkpoint Checkpoints", 300),
    }
    assert [each["Id"] for each in alarm["Metrics"] if each.get("ReturnData", True)] == [
        expression["Id"]
    ]
    assert (alarm["EvaluationPeriods"], alarm["Threshold"]) == (3, 0)


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
        "Detect: runs",
        "Tails",
        "Deliver: runs",
        "Wakes, and slow ones",
        "Sweeper",
        "Checkpoints: runs",
        "Valkey: units",
        "Streams: 5xx",
        "Streams: milliseconds from receipt",
    ):
        assert title in body


def test_everything_is_tagged(default: Templates) -> None:
    for _, id, resource in default.everything():
        tags = resource.get("Properties", {}).get("Tags", [])
        if isinstance(tags, dict):
            tags = [{"Key": key, "Value": value} for key, value in tags.items()]
        found = {tag["Key"]: tag["Value"] for tag in tags}
        assert not found or found.items() >= {"project": "tocsin", "environment": "dev"}.items(), id
