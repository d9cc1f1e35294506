"""``tocsin rebuild`` on real tables."""

import os
import subprocess
from dataclasses import dataclass

from fakes.events import batch
from fakes.stores import FakeClock
from support.commands import run_command
from support.databases import Database
from tocsin.domain.batch import pack
from tocsin.services.sealing.project import Projector
from tocsin.services.sealing.seal import seal_batches
from tocsin.settings import StoreSettings


@dataclass
class Rebuild:
    """Runs the command."""

    database: Database
    settings: StoreSettings
    retention_days: str

    def __call__(self, org: str, *options: str) -> subprocess.CompletedProcess[str]:
        names = {
            f"TOCSIN_{name}".upper(): value for name, value in self.settings.model_dump().items()
        }
        names["TOCSIN_RETENTION_DAYS"] = self.retention_days
        env = os.environ | self.database.env | names
        return run_command("rebuild", "--org", org, *options, env=env)


def test_projections_are_rebuilt_and_the_old_ones_removed(database: Database) -> None:
    stores, settings = database.stores()
    made = [batch("acme", 2, salt=salt, session_id=f"s{salt}", model="m") for salt in range(3)]
    for each in made:
        stores.journal.put(each, pack(each.entries))
    seal_batches("acme", made[:2], stores.ledger, FakeClock())
    project = Projector(
        ledger=stores.ledger, journal=stores.journal, projections=stores.projections
    )
    project(["acme"])
    seal_batches("acme", made[2:], stores.ledger, FakeClock())

    rebuild = Rebuild(database, settings, "36500")
    for generation in (1, 2):
        done = rebuild("acme")
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert "org acme are rebuilt up to seq 6" in done.stderr
        at = stores.projections.cursor("acme")
        assert (at.generation, at.through_seq, dict(at.counts)) == (
            generation,
            6,
            {"agent": 1, "session": 3},
        )
        agent = stores.projections.get("acme", "agent", "a1", generation)
        assert agent is not None and (agent["events"], agent["calls"]) == (6, 6)
        listed = stores.projections.newest("acme", "session", "", 9, generation)
        assert [id for id, _ in listed] == ["s2", "s1", "s0"]
        assert stores.projections.get("acme", "agent", "a1", generation - 1) is None
    project(["acme"])
    assert stores.projections.cursor("acme").generation == 2
    assert "up to seq 0" in rebuild("nobody").stderr


def test_what_would_be_lost_is_said_first(database: Database) -> None:
    stores, settings = database.stores()
    gone = batch("acme", 4)
    seal_batches("acme", [gone], stores.ledger, FakeClock(), kept_days=1)
    rebuild = Rebuild(database, settings, "90")
    refused = rebuild("acme")
    assert refused.returncode == 1
    assert "4 events are older than the retention" in refused.stderr
    assert stores.projections.cursor("acme").generation == 0
    assert rebuild("acme", "--drop-expired").returncode == 0
    assert stores.projections.cursor("acme").generation == 1
