"""What delivers in an application: its file, its wakes, who of several it is, and when it loads."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import override

import pytest

from fakes.stores import FakeClock
from support.waiting import HANG_SECONDS
from tocsin.domain.batch import Batch
from tocsin.domain.deliveries import Progress
from tocsin.domain.endpoints import Endpoint, Secret
from tocsin.domain.errors import IntegrityError
from tocsin.domain.ids import new_batch_id
from tocsin.domain.segment import SealedEvent
from tocsin.embedded._database import MEMORY, Database
from tocsin.embedded._endpoints import SqliteEndpoints
from tocsin.embedded._journal import SqliteJournal
from tocsin.embedded._ledger import SqliteLedger
from tocsin.embedded._sealing import SealingJournal
from tocsin.embedded._turnstile import Turnstile
from tocsin.embedded._wakes import LocalWakes
from tocsin.services.intake.stamp import own_batch

ROOT = Path(__file__).parents[3]
HEAVY = ("httpcore", "cryptography", "certifi", "tocsin.services.notify", "tocsin.wire.notify")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with closing(Database(path)) as opened:
        yield opened


def told(salt: int = 1) -> tuple[Batch, bytes]:
    id = new_batch_id(FakeClock().ms, (salt << 20).to_bytes(10))
    return own_batch("acme", [{"type": "tocsin.endpoint_created"}], id)


def endpoint(change: str = "c") -> Endpoint:
    secret = Secret(b"top secret " * 3, b"s" * 32, b"p" * 32)
    return Endpoint(org="acme", id="ep_1", url="https://x/", secrets=(secret,), change=change)


# A change and the event that tells of it


def test_a_change_is_sealed_with_what_is_told_of_it(database: Database) -> None:
    heard: list[tuple[str, int]] = []

    def sealed(org: str, events: list[SealedEvent]) -> None:
        heard.extend((org, event.seq) for event in events)

    journal = SealingJournal(database, FakeClock(), sealed)  # type: ignore[arg-type]
    endpoints = SqliteEndpoints(database, journal)
    assert endpoints.write(endpoint(), "", *told(), Progress(0))
    assert heard == [("acme", 1)]
    journal.put(*told())  # once more: it is there
    assert (heard, SqliteLedger(database).head("acme").seq) == ([("acme", 1)], 1)


class Failing(SqliteJournal):
    @override
    def put(self, batch: Batch, packed: bytes) -> None:
        super().put(batch, packed)
        raise MemoryError


def test_a_change_that_is_not_told_is_not_made(database: Database) -> None:
    endpoints, broken = (
        SqliteEndpoints(database, kind(database)) for kind in (SqliteJournal, Failing)
    )
    batch, packed = told()
    with pytest.raises(MemoryError):
        broken.write(endpoint(), "", batch, packed, Progress(0))
    assert endpoints.get("acme", "ep_1") is None
    assert not SqliteJournal(database).get("acme", [batch.id])
    assert endpoints.write(endpoint(), "", batch, packed, Progress(0))
    with pytest.raises(MemoryError):
        broken.remove(endpoint(), "c", *told(2))
    assert endpoints.get("acme", "ep_1")


def test_nobody_hears_of_what_was_taken_back(database: Database) -> None:
    heard: list[str] = []
    with pytest.raises(RuntimeError), database.transaction():
        database.after_commit(lambda: heard.append("first"))
        raise RuntimeError
    with database.transaction():
        database.after_commit(lambda: heard.append("second"))
        assert heard == []
    assert heard == ["second"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("settings", b'[{"org": "acme", "id": "ep_1", "url": 7, "token": "top secret"}]'),
        ("settings", b'[{"org": "beta", "id": "ep_1", "url": "https://x/", "change": "c"}]'),
        ("settings", b"nonsense"),
        ("progress", b"[]"),
        ("progress", b'[{"through_seq": "top secret"}]'),
        ("change", "another"),
        ("saved", "another"),
    ],
)
def test_what_somebody_edited_is_told_without_its_secrets(
    database: Database, column: str, value: object
) -> None:
    endpoints = SqliteEndpoints(database, SqliteJournal(database))
    assert endpoints.write(endpoint(), "", *told(), Progress(0))
    database.query(f"UPDATE tocsin_endpoint SET {column} = ?", value)  # noqa: S608 (ours)
    with pytest.raises(IntegrityError, match="ep_1") as caught:
        endpoints.get("acme", "ep_1")
    assert "top secret" not in repr(caught.value)
    assert endpoints.all("acme") == []


def test_a_file_of_an_older_version_has_no_endpoints(path: Path) -> None:
    with closing(sqlite3.connect(path, autocommit=True)) as file:
        file.execute("CREATE TABLE tocsin_minute (org TEXT, minute INTEGER, first_seq INTEGER)")
    with closing(Database(path)) as database:
        assert SqliteEndpoints(database, SqliteJournal(database)).all("acme") == []


# Wakes


def test_who_waits_is_woken_also_by_what_came_before() -> None:
    wakes = LocalWakes()
    wakes.wake("acme", ["ep_1"])
    wakes.wait(HANG_SECONDS)
    assert wakes.due(slow=False) == [("acme", "ep_1")]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wakes.wait, HANG_SECONDS * 2)
        wakes.nudge()
        waiting.result(HANG_SECONDS)
    assert wakes.due(slow=False) == []


def test_wakes_that_are_late_are_taken_as_they_came() -> None:
    now = [0.0]
    wakes = LocalWakes(lambda: now[0])
    wakes.wake("acme", ["ep_3"], delay_seconds=3)
    wakes.wake("acme", ["ep_2"], delay_seconds=2)
    wakes.wake("acme", ["ep_1", "ep_0", "ep_1"])
    assert wakes.due(slow=False) == [("acme", "ep_1"), ("acme", "ep_0")]
    now[0] = 3.0
    wakes.wait(HANG_SECONDS)  # nobody waits for what is due
    assert [id for _, id in wakes.due(slow=False)] == ["ep_2", "ep_3"]
    wakes.wake("acme", ["ep_4"], delay_seconds=9, slow=True)
    assert wakes.forget()
    now[0] = 99.0
    assert not wakes.due(slow=True)
    assert not wakes.forget()


# Who delivers

HELD = """
import sys
from tocsin.embedded._turnstile import Turnstile
print(Turnstile(sys.argv[1], "acme").hold(), flush=True)
{then}
sys.stdin.read()
"""
FORK = """
import os
if os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
"""


def test_one_holds_the_turnstile_of_an_org(path: Path) -> None:
    one, other, another = (Turnstile(path, org) for org in ("acme", "acme", "beta"))
    assert (one.hold(), one.hold(), other.hold(), another.hold()) == (True, True, False, True)
    one.release()
    assert other.hold()
    for each in (one, other, another):
        each.release()
    assert Turnstile(MEMORY, "acme").hold()


@pytest.mark.parametrize("then", ["", FORK], ids=["alone", "forked"])
def test_it_is_free_when_its_holder_is_killed(path: Path, then: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", HELD.format(then=then), str(path)]
    holder = subprocess.Popen(  # noqa: S603 (ours)
        command,
        env={"PYTHONPATH": str(ROOT / "layers")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin and holder.stdout
    with holder:
        assert holder.stdout.readline() == "True\n"
        mine = Turnstile(path, "acme")
        assert not mine.hold()
        holder.kill()
        holder.wait()
        assert mine.hold()  # though a child that it forked still runs
        mine.release()


# What is loaded

LOADED = """
import asyncio, json, sys
from tocsin.embedded import EventStream

async def main():
    print(json.dumps(list(sys.modules)))
    stream = EventStream(sys.argv[1], require_auth=False)
    async with stream.lifespan():
        await stream.emit({"type": "audit"})
        print(json.dumps(list(sys.modules)))
        await stream.webhooks.list()
    print(json.dumps(list(sys.modules)))

asyncio.run(main())
"""


def test_what_delivers_is_loaded_where_there_is_an_endpoint_alone(path: Path) -> None:
    answer = subprocess.run(  # noqa: S603 (ours)
        [sys.executable, "-c", LOADED, str(path)],
        env={"PYTHONPATH": str(ROOT / "layers")},
        check=True,
        stdout=subprocess.PIPE,
        timeout=HANG_SECONDS,
    ).stdout
    imported, used, asked = (set(json.loads(line)) for line in answer.splitlines())
    assert [name for name in HEAVY if name in imported | used] == []
    assert "tocsin.services.notify" in asked
    assert "tocsin.embedded._deliverer" not in imported
