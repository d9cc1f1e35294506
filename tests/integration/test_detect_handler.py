"""The deployed detect function on a real DynamoDB."""

import json
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fakes.events import batch
from fakes.stores import FakeClock
from functions.detect import handler as deployed
from support.context import Context
from support.databases import Database
from tocsin.bootstrap import detect
from tocsin.domain.batch import pack
from tocsin.domain.detect.kinds import Kind
from tocsin.services.detect import detecting
from tocsin.services.sealing.seal import seal_batches
from tocsin.settings import DetectSettings

SAMPLE = json.loads(
    (Path(__file__).parents[2] / "events" / "dynamodb-ledger-insert.json").read_bytes()
)


@dataclass
class World:
    """The function, with its tables."""

    database: Database
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.stores, settings = self.database.stores()
        self.settings = DetectSettings(**settings.model_dump())
        self.db = self.database.server.client()
        self.service = detect.wire(self.settings, db=self.db, clock=self.clock)

    def add(self, salt: int, org: str = "acme", **fields: Any) -> None:
        made = batch(org, 1, self.clock.ms, salt, **fields)
        self.stores.journal.put(made, pack(made.entries))
        seal_batches(org, [made], self.stores.ledger, self.clock)

    def kinds(self, org: str = "acme") -> list[Kind]:
        found = self.stores.anomalies.newest(org, "", 100)
        return [each.kind for _, each in found if each is not None]


@pytest.fixture
def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(database)
    monkeypatch.setattr(deployed, "service", lambda: world.service)
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "tocsin-test")
    return world


def record(org: str, number: str = "1", *, kind: str = "segment") -> Any:
    found = deepcopy(SAMPLE["Records"][0])
    found["dynamodb"]["Keys"]["pk"]["S"] = f"{kind}#{org}"
    found["dynamodb"]["SequenceNumber"] = number
    return found


def invoke(*records: Any) -> Any:
    return deployed.handler({"Records": list(records)}, Context("detect"))


def test_a_segment_is_looked_at(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.add(1, tool_name="drop_table")
    assert invoke(record("acme"), record("acme", "2")) == {"batchItemFailures": []}
    assert world.kinds() == [Kind.DESTRUCTIVE_PATTERN]
    assert '"Anomalies"' in capsys.readouterr().out
    assert invoke(record("acme")) == {"batchItemFailures": []}
    assert world.kinds() == [Kind.DESTRUCTIVE_PATTERN]


def test_the_sample_is_a_record_of_the_org_local(world: World) -> None:
    world.add(1, "local", tool_name="drop_table")
    assert deployed.handler(SAMPLE, Context("detect")) == {"batchItemFailures": []}
    assert world.kinds("local") == [Kind.DESTRUCTIVE_PATTERN]


def test_what_is_no_segment_is_skipped(world: World) -> None:
    world.add(1, tool_name="drop_table")
    assert invoke(record("acme", kind="marker"), record("acme", kind="minute")) == {
        "batchItemFailures": []
    }
    assert world.kinds() == []


def test_a_store_that_fails_is_asked_again_and_a_broken_org_is_not(
    world: World, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    world.add(1, tool_name="drop_table")
    key = {"pk": {"S": "detected"}, "sk": {"S": "beta"}}
    world.db.put_item(TableName=world.settings.state_table, Item=key)
    away = detect.wire(
        world.settings.model_copy(update={"ledger_table": "gone"}), db=world.db, clock=world.clock
    )
    here, world.service = world.service, away
    asked = [record("acme", "7"), record("beta", "8"), record("acme", "9")]
    failed = [{"itemIdentifier": "7"}, {"itemIdentifier": "9"}]
    assert invoke(*asked) == {"batchItemFailures": failed}
    assert caplog.messages == ["an org must wait", "an org is not watched"]
    assert '"BrokenOrgs"' in capsys.readouterr().out
    world.service = here
    assert invoke(*asked) == {"batchItemFailures": []}
    assert world.kinds() == [Kind.DESTRUCTIVE_PATTERN]


def test_by_schedule_it_looks_at_who_is_due(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detecting, "_EVENTS_A_CALL", 1)  # the schedule goes on with the rest
    world.add(1, tool_name="read")
    world.add(2, tool_name="drop_table")
    assert invoke(record("acme")) == {"batchItemFailures": []}
    assert world.kinds() == []
    assert deployed.handler({}, Context("detect")) == {"found": 1}
    assert world.kinds() == [Kind.DESTRUCTIVE_PATTERN]


def test_a_sweep_that_a_store_ends_is_an_error(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detecting, "_EVENTS_A_CALL", 1)
    world.add(1, tool_name="read")
    world.add(2, tool_name="drop_table")
    assert invoke(record("acme")) == {"batchItemFailures": []}
    world.service = detect.wire(
        world.settings.model_copy(update={"ledger_table": "gone"}), db=world.db, clock=world.clock
    )
    with pytest.raises(RuntimeError, match="not swept to the end: acme"):
        deployed.handler({}, Context("detect"))
