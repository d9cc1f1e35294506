"""``docs/deploy.md`` says what can be chosen and what is deployed."""

import re

import pytest

from infra import assets
from infra.config import Config
from support.templates import Templates

GUIDE = (assets.ROOT / "docs" / "deploy.md").read_text()


@pytest.mark.parametrize("name", Config.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    assert re.search(rf"^\| .*`{name}`", GUIDE, re.MULTILINE)


def test_every_stack_is_documented(default: Templates, small: Templates) -> None:
    for part in {*default.by_part, *small.by_part}:
        assert f"| `{part}` |" in GUIDE


def test_alarms_are_counted_as_they_are(default: Templates) -> None:
    alarms = len(default.of("operations", "AWS::CloudWatch::Alarm"))
    assert f"{alarms} alarms are ${alarms / 10:.2f}" in GUIDE


def test_outputs_that_the_guide_asks_for_are_there(default: Templates) -> None:
    asked = re.findall(r"\$\(out (\w+) (\w+)\)|`out (\w+) (\w+)`", GUIDE)
    assert asked
    for words in asked:
        part, output = (word for word in words if word)
        assert output in default.by_part[part]["Outputs"]
    assert "AlertTopic" in default.by_part["operations"]["Outputs"]


def test_every_test_that_the_guide_names_is_there() -> None:
    named = re.findall(r"`([\w/]*test_\w+\.py)`(?:: `(test_\w+)`)?", GUIDE)
    assert len(named) > 10
    for file, test in named:
        path = assets.ROOT / file if "/" in file else assets.ROOT / "tests/infra/synth" / file
        assert f"def {test}" in path.read_text()
