"""``docs/deploy.md`` says what can be chosen and what is deployed."""

import re

import pytest

from infra import assets
from infra.config import Config
from infra.stacks.api import INGESTED
from support.templates import Templates

GUIDE = (assets.ROOT / "docs" / "deploy.md").read_text()


@pytest.mark.parametrize("name", Config.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    assert re.search(rf"^\| .*`{name}`", GUIDE, re.MULTILINE)


def test_every_stack_is_documented(default: Templates, small: Templates) -> None:
    for part in {*default.by_part, *small.by_part}:
        assert f"| `{part}` |" in GUIDE


def test_alarms_are_counted_as_they_are(default: Templates) -> None:
    """Each of the metrics of an expression is paid for as an alarm."""
    alarms = default.of("operations", "AWS::CloudWatch::Alarm").values()
    metrics = sum(max(1, len(each["Properties"].get("Metrics", [])) - 1) for each in alarms)
    assert f"{len(alarms)} alarms, of {metrics} metrics, are ${metrics / 10:.2f}" in GUIDE


def test_outputs_that_the_guide_asks_for_are_there(default: Templates, small: Templates) -> None:
    """The archive's is there where one is made, and all others everywhere."""
    asked = re.findall(r"\$\(out (\w+) (\w+)\)|`out (\w+) (\w+)`", GUIDE)
    assert asked
    for words in asked:
        part, output = (word for word in words if word)
        of = small if output == "ArchiveBucket" else default
        assert output in of.by_part[part]["Outputs"]
    assert "AlertTopic" in default.by_part["operations"]["Outputs"]


def test_every_test_that_the_guide_names_is_there() -> None:
    named = re.findall(r"`([\w/]*test_\w+\.py)`(?:: `(test_\w+)`)?", GUIDE)
    assert len(named) > 10
    for file, test in named:
        path = assets.ROOT / file if "/" in file else assets.ROOT / "tests/infra/synth" / file
        assert f"def {test}" in path.read_text()


def test_what_to_do_is_said_of_every_alarm(
    default: Templates, small: Templates, telling: Templates
) -> None:
    page = (assets.ROOT / "docs" / "operations.md").read_text()
    told = {name for row in _rows(page) for name in re.findall(r"`(\w+)`", row)}
    alarms = {
        re.sub(r"^Alarms|[0-9A-F]{8}$", "", name)
        for templates in (default, small, telling)
        for name in templates.of("operations", "AWS::CloudWatch::Alarm")
    }
    assert alarms == told


def _rows(page: str) -> list[str]:
    """Return the first cells of the rows about alarms."""
    section = page.partition("\n## At each alarm\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert len(rows) > 10
    return rows


def test_where_each_way_in_ends_is_said() -> None:
    [row] = re.findall(r"^\| `api` \|.*$", GUIDE, re.MULTILINE)
    assert all(f"`{path}" in row for path in INGESTED)
