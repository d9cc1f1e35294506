"""``tocsin keys`` on real tables."""

import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from support.commands import run_command
from support.databases import Database, Stores
from tocsin.domain.batch import Batch
from tocsin.domain.keys import ApiKey, Scope, key_ids, mint

type Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def tables(database: Database) -> tuple[Stores, Run]:
    stores, settings = database.stores()
    names = {f"TOCSIN_{name}".upper(): value for name, value in settings.model_dump().items()}

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        env = os.environ | database.env | names | {"COLUMNS": "120", "NO_COLOR": "1"}
        return run_command("keys", *args, env=env)

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


def made(run: Run, *args: str) -> tuple[str, str]:
    """Return the org and the id of a key that a command prints."""
    done = run(*args)
    assert done.returncode == 0, done.stderr
    ids = key_ids(done.stdout.strip())
    assert ids
    return ids


def told(stores: Stores, org: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the events of an org: the type, by whom, and the rest."""
    batches = [stored.unpack() for stored in stores.journal.between(org, "", "z", 100)]
    events = [json.loads(each) for it in batches if isinstance(it, Batch) for each in it.entries]
    return [(event["type"], event["user_id"], event) for event in events]


def test_what_happens_to_a_key_is_told_as_by_the_api(tables: tuple[Stores, Run]) -> None:
    stores, run = tables
    org, id = made(run, "create", "--org", "delta", "--scope", "read", "--name", "ci")
    _, next = made(run, "rotate", id, "--org", org, "--overlap-seconds", "60")
    old, new = stores.keys.get(org, id), stores.keys.get(org, next)
    assert old and new
    assert (new.scopes, new.name) == (old.scopes, "ci")
    assert old.expires_at_ms and not old.ended(old.created_at_ms)
    for _ in range(2):
        assert run("revoke", next, "--org", org).returncode == 0
    assert [each[:2] for each in told(stores, org)] == [
        ("tocsin.key_created", "aws-credentials"),
        ("tocsin.key_rotated", "aws-credentials"),
        ("tocsin.key_revoked", "aws-credentials"),
    ]
    assert told(stores, org)[1][2]["request"]["instead_of"] == id
    assert run("rotate", next, "--org", org).returncode == 1


def test_revoking_an_agents_key_of_an_older_version_ends_what_it_delegated(
    tables: tuple[Stores, Run],
) -> None:
    stores, run = tables
    ingest = frozenset({Scope.INGEST})
    root = mint("eps", ingest, "n", 7, agent="claude")[1]
    child: ApiKey = mint("eps", ingest, "n", 8, agent="claude", chain=(root.id,))[1]
    for key in (root, child):
        stores.keys.put(key)
    assert run("revoke", root.id, "--org", "eps").returncode == 0
    assert [each[0] for each in told(stores, "eps")] == [
        "tocsin.key_revoked",
        "agent.revoked",
        "delegation.revoked",
    ]
    listed = run("list", "--org", "eps").stdout.splitlines()
    assert sum("1970-01-01" in line and line.rstrip().endswith("Z") for line in listed) == 2
    assert run("revoke", child.id, "--org", "eps").returncode == 0
    assert len(told(stores, "eps")) == 3


@pytest.mark.parametrize(
    "args",
    [
        ("create", "--org", "zeta", "--name", "x" * 10_000),
        ("create", "--org", "Zeta!"),
        ("rotate", "nope", "--org", "zeta"),
        ("revoke", "a/b#\U0001f514", "--org", "zeta"),
        ("rotate", "nope", "--overlap-seconds", "-1"),
    ],
    ids=str,
)
def test_what_is_refused_is_said_in_a_line(tables: tuple[Stores, Run], args: tuple[str]) -> None:
    stores, run = tables
    done = run(*args)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert stores.orgs.get("zeta") is None
