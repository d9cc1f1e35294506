"""Every function's variables are what its settings class reads, and no other.

The settings are asked in a process of their own, with the deployed layers: infra and runtime never
import each other.
"""

import json

import pytest

from support.layers import run

SETTINGS = {
    ("default", "api", "Api"): "ApiSettings",
    ("default", "api", "Ingest"): "IngestSettings",
    ("default", "pipeline", "Fanout"): "FanoutSettings",
    ("default", "pipeline", "Project"): "ProjectSettings",
    ("default", "pipeline", "Detect"): "DetectSettings",
    ("default", "pipeline", "Expire"): "ExpireSettings",
    ("default", "pipeline", "Deliver"): "DeliverSettings",
    ("default", "pipeline", "Checkpoint"): "CheckpointSettings",
    ("telling", "pipeline", "Checkpoint"): "CheckpointSettings",
    ("telling", "api", "Api"): "ApiSettings",
    ("telling", "pipeline", "Deliver"): "DeliverSettings",
    ("small", "pipeline", "Deliver"): "DeliverSettings",
    ("localstack", "pipeline", "Deliver"): "DeliverSettings",
    ("localstack", "pipeline", "Project"): "ProjectSettings",
    ("default", "pipeline", "Sweeper"): "FanoutSettings",
    ("default", "stream-fargate", "StreamTask"): "StreamSettings",
    ("small", "pipeline", "Fanout"): "FanoutSettings",
    ("small", "pipeline", "Sweeper"): "FanoutSettings",
    ("small", "stream-lambda", "StreamFunction"): "StreamSettings",
    ("localstack", "api", "Api"): "ApiSettings",
    ("localstack", "api", "Ingest"): "IngestSettings",
    ("localstack", "pipeline", "Fanout"): "FanoutSettings",
}
READ = """
import json
from tocsin.settings import {settings}
print(json.dumps(list({settings}().model_dump())))
"""
NOT_READ_YET: set[str] = set()
# Of others, by who reads them.
POWERTOOLS = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE"}
SDK = {"AWS_REGION", "AWS_DEFAULT_REGION"}
WEB_ADAPTER = {
    "AWS_LAMBDA_EXEC_WRAPPER",
    "AWS_LWA_PORT",
    "AWS_LWA_INVOKE_MODE",
    "AWS_LWA_READINESS_CHECK_PROTOCOL",
    "AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH",
}


@pytest.mark.parametrize("function", SETTINGS, ids="-".join)
def test_variables_are_what_the_settings_read(
    request: pytest.FixtureRequest, function: tuple[str, str, str]
) -> None:
    variables = _variables(request, *function)
    code = READ.format(settings=SETTINGS[function])
    fields = json.loads(run(code, lock="functions", environment=variables))
    read = {f"TOCSIN_{field.upper()}" for field in fields}
    ours = {name for name in variables if name.startswith("TOCSIN_")}
    assert ours - read <= NOT_READ_YET
    assert not read & NOT_READ_YET, "the template waits for nothing: empty NOT_READ_YET"
    assert set(variables) - ours <= POWERTOOLS | SDK | WEB_ADAPTER


@pytest.mark.parametrize("function", SETTINGS, ids="-".join)
def test_metrics_carry_the_service_that_alarms_look_at(
    request: pytest.FixtureRequest, function: tuple[str, str, str]
) -> None:
    variables = _variables(request, *function)
    service = variables.get("POWERTOOLS_SERVICE_NAME", "stream")
    assert service in function[2].lower()
    own = "TOCSIN" if service == "stream" else "POWERTOOLS"  # who emits what it counts
    assert variables[f"{own}_METRICS_NAMESPACE"] == "tocsin-dev"


def _variables(
    request: pytest.FixtureRequest, fixture: str, part: str, prefix: str
) -> dict[str, str]:
    templates = request.getfixturevalue(fixture)
    if part == "stream-fargate":
        [container] = templates.one(part, "AWS::ECS::TaskDefinition")["ContainerDefinitions"]
        pairs = {each["Name"]: each["Value"] for each in container["Environment"]}
    else:
        function = templates.one(part, "AWS::Lambda::Function", prefix)
        pairs = function["Environment"]["Variables"]
    return {name: _resolved(value) for name, value in pairs.items()}


def _resolved(value: object) -> str:
    """Stand in for what CloudFormation fills in."""
    if isinstance(value, dict) and "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(_resolved(part) for part in parts)
    return value if isinstance(value, str) else "filled-in"
