"""The functions of ``tocsin up`` are the deployed ones, with the same limits and the same callers.

What is otherwise on one's own machine is named ``…_here`` in the table.
"""

import json
from typing import Any

import pytest

from infra.stacks.edge import STREAMED
from support.templates import Templates
from tocsin.local import streamed as local
from tocsin.local.functions import FUNCTIONS

LAMBDA = "AWS::Lambda::Function"
MAPPING = "AWS::Lambda::EventSourceMapping"
QUEUE = "AWS::SQS::Queue"


@pytest.fixture(scope="module")
def names(default: Templates) -> dict[str, str]:
    """Return the functions that are deployed with a handler of ours, by their ids."""
    handlers = {
        id: resource["Properties"]["Handler"].split(".")
        for _, id, resource in default.everything()
        if resource["Type"] == LAMBDA
    }
    return {id: parts[1] for id, parts in handlers.items() if parts[0] == "functions"}


def test_the_same_functions_run(names: dict[str, str]) -> None:
    assert sorted(names.values()) == sorted(FUNCTIONS)


def test_their_limits_are_the_deployed_ones(default: Templates, names: dict[str, str]) -> None:
    deployed = {
        names[id]: (resource["Properties"]["Timeout"], resource["Properties"]["MemorySize"])
        for _, id, resource in default.everything()
        if id in names
    }
    here = {name: (each.timeout_seconds, each.memory_mb) for name, each in FUNCTIONS.items()}
    assert here == deployed


def test_their_streams_are_the_deployed_ones(default: Templates, names: dict[str, str]) -> None:
    deployed = {
        names[mapping["FunctionName"]["Ref"]]: mapping
        for _, _, resource in default.everything()
        if resource["Type"] == MAPPING
        for mapping in [resource["Properties"]]
        if "StartingPosition" in mapping
    }
    assert deployed.keys() == {name for name, each in FUNCTIONS.items() if each.consumes}
    for name, mapping in deployed.items():
        consumes = FUNCTIONS[name].consumes
        assert consumes is not None
        assert f"Tables{consumes.table.capitalize()}" in json.dumps(mapping["EventSourceArn"])
        settings = consumes.deployed
        assert settings.batch_size == mapping["BatchSize"]
        assert settings.maximum_batching_window_ms == (
            1_000 * mapping["MaximumBatchingWindowInSeconds"]
        )
        assert settings.maximum_retry_attempts == mapping["MaximumRetryAttempts"]
        assert settings.maximum_record_age_seconds == mapping["MaximumRecordAgeInSeconds"]
        assert settings.bisect_batch_on_function_error is mapping["BisectBatchOnFunctionError"]
        partial = mapping.get("FunctionResponseTypes") == ["ReportBatchItemFailures"]
        assert settings.report_batch_item_failures is partial
        assert _pattern(sorted(settings.event_names), consumes.key_prefix) == [
            json.loads(each["Pattern"]) for each in mapping["FilterCriteria"]["Filters"]
        ]


def test_their_queues_are_the_deployed_ones(default: Templates, names: dict[str, str]) -> None:
    deployed = set()
    for mapping in default.of("pipeline", MAPPING).values():
        if "StartingPosition" not in mapping["Properties"]:
            function = mapping["Properties"]["FunctionName"]["Ref"]
            source = json.dumps(mapping["Properties"]["EventSourceArn"])
            [id] = [each for each in default.of("data", QUEUE) if f"FnGetAtt{each}Arn" in source]
            variables = default.of("pipeline")[function]["Properties"]["Environment"]["Variables"]
            [variable] = [name for name, url in variables.items() if f"Ref{id}" in json.dumps(url)]
            visible = default.of("data")[id]["Properties"]["VisibilityTimeout"]
            batch = mapping["Properties"]["BatchSize"]
            deployed.add((names[function], variable, batch, visible))
    here = {
        (name, _variable(each.queue), each.batch_size, each.visibility_seconds)
        for name, function in FUNCTIONS.items()
        for each in function.receives
    }
    assert here == deployed


def _variable(queue: str) -> str:
    return f"TOCSIN_{queue.upper().replace('-', '_')}_QUEUE_URL"


def test_nobody_waits_longer_here_than_where_it_is_deployed() -> None:
    for function in FUNCTIONS.values():
        if consumes := function.consumes:
            assert consumes.here.maximum_batching_window_ms <= consumes.window_ms


def test_their_schedules_are_the_deployed_ones(default: Templates, names: dict[str, str]) -> None:
    deployed = {
        names[target["Arn"]["Fn::GetAtt"][0]]: (rule["ScheduleExpression"], target["Input"])
        for _, _, resource in default.everything()
        if resource["Type"] == "AWS::Events::Rule"
        for rule in [resource["Properties"]]
        for target in rule["Targets"]
    }
    here = {
        name: (f"rate({each.every.seconds / 60:g} minute{'s'[each.every.seconds == 60 :]})", "{}")
        for name, each in FUNCTIONS.items()
        if each.every
    }
    assert here == deployed


def test_their_routes_are_the_deployed_ones(default: Templates, names: dict[str, str]) -> None:
    api = default.of("api")
    deployed = set()
    for route in default.of("api", "AWS::ApiGatewayV2::Route").values():
        _, [_, integration] = route["Properties"]["Target"]["Fn::Join"]
        uri = api[integration["Ref"]]["Properties"]["IntegrationUri"]
        deployed.add((route["Properties"]["RouteKey"], names[uri["Fn::GetAtt"][0]]))
    here = {
        ("$default" if path == "/" else f"ANY {path}{'{proxy+}' if path[-1] == '/' else ''}", name)
        for name, each in FUNCTIONS.items()
        for path in each.routes
    }
    assert here == deployed


def test_the_same_paths_are_the_stream_services() -> None:
    assert local.STREAMED == STREAMED


def _pattern(event_names: list[str], key_prefix: str) -> list[dict[str, Any]]:
    keys = {"dynamodb": {"Keys": {"pk": {"S": [{"prefix": key_prefix}]}}}} if key_prefix else {}
    return [{"eventName": event_names, **keys}]
