"""``tocsin orgs`` on real tables."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.events import batch
from fakes.stores import FakeClock
from support.commands import run_command
from support.databases import Database, Stores
from tocsin.domain.batch import pack
from tocsin.domain.org import Org, OrgStatus
from tocsin.services.sealing.seal import seal_batches

type Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def tables(database: Database) -> tuple[Stores, Run]:
    stores, settings = database.stores()
    names = {f"TOCSIN_{name}".upper(): value for name, value in settings.model_dump().items()}

    def run(*args: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        env = os.environ | database.env | names | {"COLUMNS": "120", "NO_COLOR": "1"}
        return run_command(*args, env=env, stdin=typed)

    return stores, run


def test_an_org_from_its_creation_to_its_stone(tables: tuple[Stores, Run]) -> None:
    stores, run = tables
    assert run("orgs", "list").stdout == "there are no orgs\n"
    assert run("orgs", "create", "acme", "--events-per-month", "5").returncode == 0
    again = run("orgs", "create", "acme")
    assert (again.returncode, again.stderr) == (1, "tocsin: the org acme is there\n")
    assert run("orgs", "limit", "acme", "--events-per-month", "7").returncode == 0
    shown = run("orgs", "show", "acme").stdout
    assert "org acme is active\n0 of 7 events" in shown

    assert run("orgs", "suspend", "acme").returncode == 0
    assert "acme  suspended  20" in run("orgs", "list").stdout
    # A key can be made meanwhile; it changes nothing of that.
    assert run("keys", "create", "--org", "acme", "--events-per-month", "9").returncode == 0
    org = stores.orgs.get("acme")
    assert org is not None
    assert (org.status, org.events_per_month) == (OrgStatus.SUSPENDED, 9)
    assert run("orgs", "resume", "acme").returncode == 0
    org = stores.orgs.get("acme")
    assert org is not None
    assert (org.status, org.events_per_month) == (OrgStatus.ACTIVE, 9)

    assert run("orgs", "hold", "acme").returncode == 0
    assert "under a legal hold since 20" in run("orgs", "show", "acme").stdout
    assert run("orgs", "limit", "acme", "--events-per-month", "9").returncode == 0
    held = run("orgs", "delete", "acme", "--yes")
    assert held.returncode == 1
    assert "legal hold since 20" in held.stderr
    org = stores.orgs.get("acme")
    assert org is not None
    assert org.status is OrgStatus.ACTIVE
    assert run("orgs", "release", "acme").returncode == 0
    assert "legal hold" not in run("orgs", "show", "acme").stdout

    early = run("orgs", "delete", "acme", "--yes")
    assert early.returncode == 1
    assert "the org acme is suspended" in early.stderr
    assert "repeat this from 20" in early.stderr
    stores.orgs.put(Org("acme", 9, OrgStatus.SUSPENDED, 1))
    wrong = run("orgs", "delete", "acme", typed="acme-2\n")
    assert wrong.returncode == 2
    assert len(stores.keys.all("acme")) == 1
    assert run("orgs", "delete", "acme").returncode == 1  # nobody types anything
    done = run("orgs", "delete", "acme", typed="acme\n")
    assert done.returncode == 0, done.stderr
    assert "is deleted: 2 items" in done.stderr
    assert stores.keys.all("acme") == []
    for command in (("orgs", "create", "acme"), ("keys", "create", "--org", "acme")):
        refused = run(*command)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "Traceback" not in refused.stderr
    assert stores.keys.all("acme") == []
    assert "deleted" in run("orgs", "list").stdout


def test_an_export_is_a_folder_of_the_orgs_name(tables: tuple[Stores, Run], tmp_path: Path) -> None:
    stores, run = tables
    stores.orgs.put(Org("beta"))
    each = batch("beta", 3, FakeClock().ms)
    stores.journal.put(each, pack(each.entries))
    seal_batches("beta", [each], stores.ledger, FakeClock())
    done = run("orgs", "export", "beta", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "3 events of org beta are in" in done.stderr
    assert sorted(each.name for each in (tmp_path / "beta").iterdir()) == [
        "agent_profiles.jsonl",
        "agents.jsonl",
        "anomalies.jsonl",
        "approvals.jsonl",
        "budgets.jsonl",
        "checkpoints.jsonl",
        "deliveries.jsonl",
        "detection.jsonl",
        "endpoints.jsonl",
        "events-000000000001-000000000003.jsonl",
        "given_up.jsonl",
        "keys.jsonl",
        "log_keys.jsonl",
        "org.json",
        "policies.jsonl",
        "privacy.jsonl",
        "rules.jsonl",
        "sessions.jsonl",
        "subjects.jsonl",
    ]
    assert json.loads((tmp_path / "beta" / "org.json").read_text())["last_seq"] == 3
    (tmp_path / "file").write_text("")
    refused = run("orgs", "export", "beta", str(tmp_path / "file"))
    assert refused.returncode == 1
    assert "can't write to" in refused.stderr


@pytest.mark.parametrize("org", ["nobody", "A", "\U0001f600", "a/b", "x" * 10_000, "a\x1b[31m"])
@pytest.mark.parametrize(
    "command", ["show", "suspend", "resume", "hold", "release", "delete", "limit", "export"]
)
def test_an_org_that_is_not_there(
    tables: tuple[Stores, Run], tmp_path: Path, command: str, org: str
) -> None:
    _, run = tables
    more = {
        "delete": ["--yes"],
        "limit": ["--events-per-month", "5"],
        "export": [str(tmp_path)],
    }.get(command, [])
    done = run("orgs", command, org, *more)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("quota", ["-1", "1e400", "NaN", "9007199254740992", "1" * 5_000, "yes"])
def test_what_is_no_quota(tables: tuple[Stores, Run], quota: str) -> None:
    stores, run = tables
    stores.orgs.put(Org("gamma", 3))
    for command in ("limit", "create"):
        done = run("orgs", command, "gamma", "--events-per-month", quota)
        assert done.returncode in (1, 2), done.stderr
        assert "Traceback" not in done.stderr
    assert run("keys", "create", "--org", "gamma", "--events-per-month", quota).returncode == 2
    assert stores.orgs.get("gamma") == Org("gamma", 3)
    assert stores.keys.all("gamma") == []
