"""What can be chosen, and how a wrong choice is refused."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.config import Config
from tocsin.domain.limits import RETENTION_DAYS


def test_the_defaults_are_fargate_and_valkey_in_an_account() -> None:
    config = Config.from_context({})
    assert (config.profile, config.stream, config.bus) == ("account", "fargate", "valkey")
    assert config.removal == "retain"


def test_the_retention_is_the_same_wherever_nothing_is_set() -> None:
    assert Config().retention_days == RETENTION_DAYS


def test_the_command_line_overrides_the_file() -> None:
    context = {"tocsin": {"environment": "prod", "retention_days": 30}, "retention_days": "7"}
    config = Config.from_context(context)
    assert (config.environment, config.retention_days) == ("prod", 7)


def test_context_of_cdk_itself_is_left_alone() -> None:
    assert Config.from_context({"@aws-cdk/core:stackRelativeExports": True}) == Config()


def test_lists_can_be_given_on_the_command_line() -> None:
    config = Config.from_context({"allowed_origins": "https://a.example,https://b.example"})
    assert config.allowed_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retention_day", 30),  # no such setting
        ("environment", "Prod"),
        ("stream", "ec2"),
        ("retention_days", 0),
        ("log_retention_days", 8),  # CloudWatch has no such retention
        ("stream_tasks_max", 0),
        ("allowed_origins", ["*"]),
        ("allowed_origins", ["https://a.example/"]),
    ],
)
def test_what_is_not_allowed_is_named(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        Config.from_context({"tocsin": {name: value}})


def test_the_repository_is_configured() -> None:
    root = Path(__file__).resolve().parents[3]
    Config.from_context(json.loads((root / "cdk.json").read_bytes())["context"])
