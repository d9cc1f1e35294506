"""A function loads its own use case and nobody else's, also once it is wired.

Each is asked in an interpreter of its own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Own:
    """What a function may load: of services a capability or a module of one, and of bootstrap.

    ``packages`` are those that not every function needs.
    """

    services: frozenset[str]
    bootstrap: frozenset[str]
    packages: frozenset[str] = frozenset()


SEALS = frozenset({"sealing.fanout", "sealing.seal"})
MAY_LOAD = {
    "api": Own(
        frozenset(
            {
                *("access", "agents", "budgets.holding", "budgets.keeping", "budgets.changing"),
                *("budgets.usage", "intake.allowance", "intake.masking", "intake.screening"),
                *("intake.protecting", "intake.recording", "intake.setting", "intake.stamp"),
                *("intake.told", "privacy"),
                *("hooks", "keys", "policies", "sessions", "signing_in"),
                "detect.reviewing",
                *("approvals.asking", "approvals.deciding", "approvals.expiring"),
                *("approvals.linking", "approvals.reading", "approvals.steps", "approvals.telling"),
                *("reading.costs", "reading.indexes", "reading.served", "reading.whole"),
                *("notify.changing", "notify.keeping", "notify.steering"),
                *("reading.checked", "reading.cursor", "reading.since"),
            }
        ),
        frozenset({"api"}),
        frozenset({"fastapi", "starlette"}),
    ),
    "checkpoint": Own(
        frozenset(
            {
                f"evidence.{name}"
                for name in ("archiving", "asking", "checkpointing", "cosigning", "nodes", "said")
            }
            | {"evidence.continuing", "evidence.growing", "evidence.holding"}
            | {"evidence.witnessing"}
            | {
                "intake.stamp",
                "reading.checked",
                "reading.entries",
                "reading.past",
                "reading.since",
            }
        ),
        frozenset({"checkpoint"}),
    ),
    "deliver": Own(
        frozenset(
            {
                *("notify.choosing", "notify.delivering", "notify.pausing", "notify.reading"),
                *("notify.report", "notify.serving", "notify.sweeping", "notify.turn"),
                *("access.access", "access.remembered", "intake.stamp", "intake.told"),
                *("intake.masking", "approvals.deciding", "approvals.linking", "approvals.steps"),
                *("approvals.telling", "reading.checked", "reading.opening", "reading.replay"),
                "reading.since",
            }
        ),
        frozenset({"deliver"}),
        frozenset({"httpcore"}),
    ),
    "detect": Own(
        frozenset(
            {
                *("detect", "reading.checked", "reading.opening", "reading.sealed"),
                *("access.remembered", "intake.stamp", "intake.told", "sessions.deciding"),
            }
        ),
        frozenset({"detect"}),
    ),
    "expire": Own(
        frozenset({f"approvals.{name}" for name in ("expiring", "steps", "telling", "waking")})
        | {"intake.stamp"},
        frozenset({"expire"}),
    ),
    "fanout": Own(SEALS, frozenset({"fanout", "valkey"}), frozenset({"valkey"})),
    "ingest": Own(
        frozenset({"intake", "access.access", "access.remembered", "sessions.suspended"}),
        frozenset({"ingest"}),
    ),
    "project": Own(
        frozenset(
            {
                *(
                    "sealing.pace",
                    "sealing.project",
                    "sealing.reported",
                    "sealing.summaries",
                    "sealing.waking",
                ),
                *("reading.checked", "reading.replay", "reading.since", "reading.summarise"),
            }
        )
        | {"budgets.changing", "budgets.spending", "intake.stamp", "intake.told"}
        | {"keys.ending", "keys.issuing", "keys.writing", "sessions.beginning"},
        frozenset({"project"}),
    ),
    "stream": Own(
        frozenset(
            {
                *("stream", "reading", "access", "approvals.reading", "approvals.waiting"),
                *("detect.rehearsing", "evidence.growing", "evidence.nodes", "evidence.proving"),
                "evidence.said",
            }
        ),
        frozenset({"stream", "valkey"}),
        frozenset({"starlette", "valkey"}),
    ),
    "sweeper": Own(  # it hands what it finds to a fan-out of its own
        SEALS | {"sealing.sweep"},
        frozenset({"sweeper", "fanout", "valkey"}),
        frozenset({"valkey"}),
    ),
}
NOT_FOR_ALL = frozenset(
    {
        *(
            "arro3",
            "fastapi",
            "genai_prices",
            "google.protobuf",
            "httpcore",
            "httpx",
            "rich",
            "stdnum",
        ),
        *("opentelemetry.proto", "starlette", "typer", "uvicorn", "valkey"),
    }
)
LEFT_OUT = ("client", "cli", "embedded", "local")  # of the Lambda layer
LOADED = """
import json, sys
from importlib import import_module
module = import_module(sys.argv[1])
imported = list(sys.modules)
module.service() if hasattr(module, "service") else module.app
print(json.dumps([imported, list(sys.modules)]))
"""
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "POWERTOOLS_METRICS_NAMESPACE": "tocsin-test",
    "POWERTOOLS_SERVICE_NAME": "test",
    "PYTHONPATH": os.pathsep.join((str(ROOT / "layers"), str(ROOT))),
    "TOCSIN_EXPIRY_QUEUE_URL": "http://127.0.0.1:1/000000000000/timers",
    "TOCSIN_WAKES_QUEUE_URL": "http://127.0.0.1:1/000000000000/wakes",
    "TOCSIN_JOURNAL_TABLE": "journal",
    "TOCSIN_LEDGER_TABLE": "ledger",
    "TOCSIN_SIGNING_KEY": "arn:aws:kms:us-east-1:123456789012:key/a",
    "TOCSIN_SLOW_WAKES_QUEUE_URL": "http://127.0.0.1:1/000000000000/slow-wakes",
    "TOCSIN_STATE_TABLE": "state",
    "TOCSIN_TAILS_QUEUE_URL": "http://127.0.0.1:1/000000000000/tails",
    "TOCSIN_VALKEY_URL": "valkey://127.0.0.1:1",
}


@cache
def loaded(function: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the modules after the function's import, and after its wiring."""
    name = "app" if function == "stream" else "handler"
    command = [sys.executable, "-c", LOADED, f"functions.{function}.{name}"]
    answer = subprocess.run(  # noqa: S603 (this interpreter, our own modules)
        command, env=environment(), check=True, stdout=subprocess.PIPE, timeout=60
    ).stdout
    imported, wired = json.loads(answer)
    return frozenset(imported), frozenset(wired)


def environment() -> Mapping[str, str]:
    """Return what is in a function's environment, and where programs are."""
    return {"PATH": os.environ["PATH"]} | ENVIRONMENT


def within(modules: frozenset[str], package: str) -> set[str]:
    """Return the modules of a package, without it and without the packages in it."""
    inside = {
        each.removeprefix(f"{package}.") for each in modules if each.startswith(f"{package}.")
    }
    return {each for each in inside if not any(other.startswith(f"{each}.") for other in inside)}


def covers(own: str, module: str) -> bool:
    return module == own or module.startswith(f"{own}.")


def test_every_function_is_held_to_a_list() -> None:
    folders = {each.parent.name for each in (ROOT / "functions").glob("*/__init__.py")}
    assert folders == MAY_LOAD.keys()


@pytest.mark.parametrize("function", MAY_LOAD)
def test_a_function_loads_its_own_use_case_and_no_other(function: str) -> None:
    _, wired = loaded(function)
    own = MAY_LOAD[function].services
    found = within(wired, "tocsin.services")
    assert {each for each in found if not any(covers(one, each) for one in own)} == set()
    assert {one for one in own if not any(covers(one, each) for each in found)} == set(), (
        "the list names more than is needed"
    )


@pytest.mark.parametrize("function", MAY_LOAD)
def test_a_function_is_wired_by_its_own_module(function: str) -> None:
    imported, wired = loaded(function)
    assert within(wired, "tocsin.bootstrap") == MAY_LOAD[function].bootstrap
    assert within(imported, "tocsin.bootstrap") <= MAY_LOAD[function].bootstrap
    assert {each for each in MAY_LOAD if within(wired, f"functions.{each}")} == {function}


@pytest.mark.parametrize("function", MAY_LOAD)
def test_a_function_loads_no_package_that_only_others_need(function: str) -> None:
    imported, wired = loaded(function)
    assert wired & NOT_FOR_ALL == MAY_LOAD[function].packages
    assert "valkey" not in imported, "a cold start waits for it without need"
    assert not {each for each in LEFT_OUT if within(wired, f"tocsin.{each}")}
