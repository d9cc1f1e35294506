"""A deployed environment can be given other settings."""

from itertools import permutations

import pytest

from support.templates import Synthesize, Templates

SETTINGS = [
    {"stream": stream, "bus": bus}
    for stream in ("fargate", "lambda")
    for bus in ("valkey", "ledger")
]


@pytest.mark.parametrize(
    ("before", "after"),
    list(permutations(SETTINGS, 2)),
    ids=lambda settings: "-".join(settings.values()),
)
def test_no_stack_withdraws_what_a_deployed_one_still_imports(
    synthesize: Synthesize, before: dict[str, str], after: dict[str, str]
) -> None:
    """Stacks are updated one after the other, and CloudFormation keeps exports that are in use."""
    old, new = synthesize(**before), synthesize(**after)
    for part in old.by_part.keys() & new.by_part.keys():
        assert _exports(old, part) <= _exports(new, part)


def test_a_changed_layer_is_no_export(default: Templates) -> None:
    """A layer is replaced when it changes, which an export in use forbids."""
    for part in default.by_part:
        assert not [name for name in _exports(default, part) if "Layer" in name]


def _exports(templates: Templates, part: str) -> set[str]:
    outputs = templates.by_part[part].get("Outputs", {}).values()
    return {output["Export"]["Name"] for output in outputs if "Export" in output}
