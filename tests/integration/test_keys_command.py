"""``tocsin keys`` on real tables."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from support.databases import Database, Stores
from support.waiting import HANG_SECONDS
from tocsin.domain.keys import key_ids

type Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def tables(database: Database) -> tuple[Stores, Run]:
    stores, settings = database.stores()
    names = {f"TOCSIN_{name}".upper(): value for name, value in settings.model_dump().items()}

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 (our own program)
            [sys.executable, "-m", "tocsin.cli", "keys", *args],
            env=os.environ | database.env | names | {"COLUMNS": "120", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )

    return stores, run


def test_a_key_is_created_for_some_types_of_events(tables: tuple[Stores, Run]) -> None:
    stores, run = tables
    done = run("create", "--org", "acme", "--scope", "read", "--types", "anomaly, acme.audit")
    assert done.returncode == 0, done.stderr
    ids = key_ids(done.stdout.strip())
    assert ids
    key = stores.keys.get(*ids)
    assert key and key.types == frozenset({"anomaly", "acme.audit"})
    assert "acme.audit anomaly" in run("list", "--org", "acme").stdout


def test_a_key_shows_every_type_unless_it_is_said(tables: tuple[Stores, Run]) -> None:
    stores, run = tables
    ids = key_ids(run("create", "--org", "beta", "--scope", "read").stdout.strip())
    assert ids
    key = stores.keys.get(*ids)
    assert key and key.types is None
    assert " all " in run("list", "--org", "beta").stdout


@pytest.mark.parametrize("types", ["", "nope", "anomaly,,tool_call", "anomaly tool_call"])
def test_what_is_no_type_is_refused_before_a_key_is_made(
    tables: tuple[Stores, Run], types: str
) -> None:
    stores, run = tables
    done = run("create", "--org", "gamma", "--types", types)
    assert done.returncode == 2
    assert "is not an event type" in done.stderr
    assert "Traceback" not in done.stderr
    assert stores.keys.all("gamma") == []
