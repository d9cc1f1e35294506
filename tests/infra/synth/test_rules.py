"""What others have found out about good templates: cdk-nag's AwsSolutions rules, and cfn-lint."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack, Validations
from aws_cdk import aws_sqs as sqs
from cdk_nag import AwsSolutionsChecks

from infra.config import Config
from infra.stacks import build

# CDK writes dependencies that a reference implies already.
REDUNDANT_DEPENDENCY = "W3005"


@pytest.mark.parametrize(
    "settings",
    [
        {"image": "codebuild", "tracing": True},
        {"stream": "lambda", "bus": "ledger"},
        {
            "mail_from": "tocsin@example.com",
            "export_buckets": ("acme-events", "acme-audit"),
            "archive_bucket": "acme-evidence",
        },
    ],
    ids=["fargate-valkey", "lambda-ledger", "mail-and-exports"],
)
def test_cdk_nag_finds_nothing(tmp_path: Path, settings: dict[str, Any]) -> None:
    app = App(outdir=str(tmp_path))
    build(app, Config(**settings))
    assert _findings(app, tmp_path) == []


def test_cdk_nag_would_find_something(tmp_path: Path) -> None:
    app = App(outdir=str(tmp_path))
    sqs.Queue(Stack(app, "stack"), "Queue")
    assert [finding["ruleName"] for finding in _findings(app, tmp_path)] == [
        "AwsSolutions-SQS3",
        "AwsSolutions-SQS4",
    ]


@pytest.mark.parametrize("fixture", ["default", "small", "telling", "localstack"])
def test_cfn_lint_finds_nothing(request: pytest.FixtureRequest, fixture: str) -> None:
    folder = request.getfixturevalue(fixture).folder
    templates = sorted(str(path) for path in folder.glob("*.template.json"))
    command = [str(Path(sys.executable).with_name("cfn-lint")), "-i", REDUNDANT_DEPENDENCY, "-t"]
    command += templates
    found = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 (our own)
    assert found.stdout == ""
    assert found.returncode == 0


def _findings(app: App, folder: Path) -> list[Any]:
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    try:
        app.synth()
    except RuntimeError as error:
        if "ValidationFailed" not in str(error):
            raise
    report = json.loads((folder / "validation-report.json").read_bytes())
    return [found for each in report["pluginReports"] for found in each["violations"]]
