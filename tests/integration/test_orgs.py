"""Orgs kept on real tables: what is suspended is refused, and what is deleted is gone."""

import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from fakes.events import batch
from fakes.stores import FakeClock
from support.api import Api
from support.databases import Database, Stores
from tocsin.adapters.dynamodb._state import OF_ALL_ORGS, OF_AN_ORG, item_key
from tocsin.adapters.dynamodb.holdings import DynamoHoldings
from tocsin.adapters.dynamodb.ledger import PARTITIONS
from tocsin.bootstrap import detect
from tocsin.cli._export import Files
from tocsin.domain.batch import Batch, pack
from tocsin.domain.deliveries import Attempt, Outcome
from tocsin.domain.detect.anomaly import Anomaly
from tocsin.domain.detect.cursor import Cursor
from tocsin.domain.detect.finding import Subject
from tocsin.domain.detect.kinds import Kind, Severity
from tocsin.domain.errors import Busy, Conflict, Malformed, NotFound, OutcomeUnknown
from tocsin.domain.ids import event_ids, new_batch_id
from tocsin.domain.keys import Scope
from tocsin.domain.limits import SETTLED_MS
from tocsin.domain.org import Org, OrgStatus
from tocsin.domain.receipt import Receipt
from tocsin.domain.retention import KEEPS_ALL
from tocsin.domain.set_aside import SetAsideItem
from tocsin.domain.subjects import SubjectKey
from tocsin.domain.tree import Checkpoint, Tree
from tocsin.services.access.access import Access
from tocsin.services.access.tickets import Tickets
from tocsin.services.budgets.changing import Changing
from tocsin.services.budgets.spending import Spending
from tocsin.services.orgs.exporting import Exporting
from tocsin.services.orgs.keeping import Keeping
from tocsin.services.sealing.fanout import Fanout
from tocsin.services.sealing.project import Projector
from tocsin.services.sealing.rebuild import Rebuild
from tocsin.services.sealing.seal import seal_batches
from tocsin.settings import DetectSettings

ENDPOINT = {
    "url": "https://splunk.example.com/services/collector",
    "format": "splunk",
    "token": "a-token-of-splunk",
}
ASK = {"tool": "exec", "agent": "claude", "message": "?", "session": "s", "run_id": "r"}


@dataclass
class World:
    """Orgs that have one of everything."""

    database: Database
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.stores, self.settings = self.database.stores()
        self.client = self.database.server.client()
        self.api = Api(self.stores, self.clock)
        self.keeping = self.with_orgs(self.stores.orgs)

    def with_orgs(self, orgs: Any) -> Keeping:
        tables = self.settings
        names = tables.journal_table, tables.ledger_table, tables.state_table
        return Keeping(orgs, DynamoHoldings(self.client, *names), self.clock)

    @property
    def exporting(self) -> Exporting:
        on = self.stores
        return Exporting(
            ledger=on.ledger,
            journal=on.journal,
            keys=on.keys,
            approvals=on.approvals,
            policies=on.policies,
            projections=on.projections,
            session_states=on.session_states,
            agent_states=on.agent_states,
            budgets=on.budgets,
            anomalies=on.anomalies,
            detection_settings=on.detection_settings,
            privacy_settings=on.privacy_settings,
            subjects=on.subjects,
            trees=on.trees,
            endpoints=on.endpoints,
            deliveries=on.deliveries,
            retention=lambda: KEEPS_ALL,
        )

    def fill(self, org: str) -> None:
        """Have an org use all that there is, through the parts that write it."""
        on, api = self.stores, self.api
        admin, key = api.key(Scope.ADMIN, org=org, person="maria")
        asker, _ = api.key(Scope.INGEST, org=org)

        def call(method: str, path: str, body: Any, token: str = admin) -> Any:
            self.clock.ms += 1
            answer = api(method, path, body, token=token)
            assert answer.status < 300, answer.text
            return answer.body

        ids = [
            call("POST", "/v1/approvals", ASK | {"command": n, "tool_call_id": n}, asker)["id"]
            for n in "abcd"
        ]
        call("POST", f"/v1/approvals/{ids[0]}/resolve", {"approved": True, "persist": True})
        run = {"agent": "claude", "session": "s", "run_id": "r", "action": "approve"}
        call("POST", "/v1/approvals/bulk-resolve", run | {"scope": "run", "ids": ids[1:]})
        call("POST", "/v1/approvals", ASK | {"run_id": "another", "command": "e"}, asker)
        for text in (
            "permit(principal, action, resource);",
            "forbid(principal, action, resource);",
        ):
            call("PUT", "/api/v1/policies", {"policies": text})
        call("POST", "/api/v1/keys", {"scopes": ["read"]})
        call("POST", "/api/v1/sessions/s/suspend", {})
        call("POST", "/api/v1/agents", {"id": "claude"})
        limits = {"limits": {"calls_per_day": 0, "tokens_per_month": 9}, "action": "throttle"}
        call("POST", "/api/v1/budgets", limits)
        assert on.budgets.take_turn(org, "bud_1", self.clock.ms, 1)
        assert on.places.take(org, 1, self.clock.ms, self.clock.ms + 1)
        call("PUT", "/api/v1/detection", {"false_alerts_per_day": 2})
        call("PUT", "/api/v1/privacy", {"pii": "mask", "erasable": True})
        on.subjects.give(org, "a user", SubjectKey(b"1" * 64))
        self.detect(org)
        self.notify(org, call("POST", "/api/v1/webhooks", ENDPOINT)["id"])
        on.summaries.put(org, 0, 0, b"s")
        tree = Tree.empty(org, "o")
        on.trees.grow(None, tree, [])
        on.trees.sign(tree, tree, Checkpoint(0, "a note", self.clock.ms), [])
        api.parts.signing.open(key)
        api("POST", "/api/v1/session", token=f"{admin}x")
        Tickets(on.passes, Access(on.keys, on.orgs, self.clock), self.clock).issue(key)
        on.quota.reserve(org, "2026-03", 3, 10)
        on.receipts.put(Receipt(org, "i", b"f" * 32, "b", 1, 2_000_000_000), self.clock.ms)
        on.set_aside.add(SetAsideItem(org, "b", "why", 1))
        on.orgs.set_swept_until(org, "0")
        for salt in range(2):
            fields = {"session_id": f"s{salt}", "model": "m", "provider": "p"}
            self.accept(batch(org, 3, self.clock.ms, salt, **fields))
        self.accept(batch(org, 1, self.clock.ms, 2, tool_name="drop_table", tool_call_id="1"))
        told = on.journal.between(org, "", "z", 100)
        self.seal(org, *(each.unpack() for each in told))
        projector = Projector(
            ledger=on.ledger,
            journal=on.journal,
            projections=on.projections,
            spending=Spending(Changing(on.budgets, self.clock, lambda _: None), on.projections),
        )
        projector.catch_up(org)
        tables = DetectSettings(**self.settings.model_dump())
        assert detect.wire(tables, db=self.client, clock=self.clock)([org]).found == 1
        Rebuild(
            ledger=on.ledger, journal=on.journal, projections=on.projections, projector=projector
        )(org)
        # What an interrupted rebuild leaves, of the next generation.
        projector.catch_up(org, on.projections.remake(org))

    def detect(self, org: str) -> None:
        """Have detection know an agent, and tell of an alert."""
        change = new_batch_id(self.clock.ms, bytes(10))
        anomaly = Anomaly(
            org=org,
            id=event_ids(change, 1)[0],
            kind=Kind.RATE_SPIKE,
            severity=Severity.WARNING,
            subject=Subject("agent", "claude"),
            at_ms=self.clock.ms,
            change=change,
        )
        self.stores.detections.put(org, "01-a", b"s", self.clock.ms)
        cursor = Cursor(change=change, shelves={"01": "01-a"})
        assert self.stores.detections.advance(org, Cursor(), cursor, None, [anomaly])

    def notify(self, org: str, id: str) -> None:
        """Have an attempt at an endpoint be the last of its event."""
        last = Attempt(*(1, 1, "evt_1", "t", 10, self.clock.ms, Outcome.FAILED, 500, 7))
        self.stores.deliveries.put(org, id, [replace(last, given_up=True)], self.clock.ms)

    def accept(self, each: Batch) -> None:
        self.stores.journal.put(each, pack(each.entries))

    def seal(self, org: str, *batches: Any) -> None:
        seal_batches(org, batches, self.stores.ledger, self.clock)

    def items(self, org: str) -> list[tuple[str, str]]:
        """Return the keys of all that is stored of an org, whatever its kind, by a scan."""
        found, tables = [], self.settings
        for table in (tables.journal_table, tables.ledger_table, tables.state_table):
            pages = self.client.get_paginator("scan").paginate(TableName=table)
            for item in (item for page in pages for item in page["Items"]):
                key: str = item["pk"]["S"] if "pk" in item else f"journal#{item['org']['S']}"
                id = str(next(iter(item.get("sk", item.get("batch", {})).values())))
                kind, _, of = key.partition("#")
                if (of or id).partition("#")[0] == org:
                    found.append((key if of else kind, id))
        return sorted(found)

    def delete(self, org: str) -> int:
        """Delete an org as those do who wait."""
        self.keeping.suspend(org)
        self.clock.ms += SETTLED_MS
        return sum(self.keeping.delete(org))


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    world = World(database)
    yield world
    world.api.close()


def test_of_a_deleted_org_nothing_is_left_and_of_others_everything(world: World) -> None:
    for org in ("acme", "acme-2", "2"):
        world.fill(org)
    before = {org: world.items(org) for org in ("acme-2", "2")}
    kinds = {key[0].partition("#")[0] for key in world.items("acme")}
    # Fails for a kind of partition that is new: have `fill` make one, so that it is looked for.
    wanted = OF_AN_ORG | OF_ALL_ORGS | {each.removesuffix("#") for each in PARTITIONS}
    assert wanted <= kinds
    removed = world.delete("acme")
    assert removed >= len(wanted)
    assert world.items("acme") == [("org", "acme")]
    assert {org: world.items(org) for org in ("acme-2", "2")} == before
    assert world.stores.orgs.get("acme") == Org(
        "acme", status=OrgStatus.DELETED, since_ms=world.clock.ms
    )
    assert world.stores.orgs.get("acme-2") == Org("acme-2")


def test_a_deletion_that_was_killed_anywhere_is_begun_again(world: World) -> None:
    world.fill("acme")
    world.keeping.suspend("acme")
    world.clock.ms += SETTLED_MS
    steps = 0
    while True:
        deleting = world.keeping.delete("acme")
        assert isinstance(deleting, Generator)
        if next(deleting, None) is None:
            break
        deleting.close()  # killed after its first step
        steps += 1
        status = world.keeping.find("acme").status
        assert status is OrgStatus.DELETING
        with pytest.raises(Conflict, match="can't be undone"):
            world.keeping.resume("acme")
    assert steps > len(OF_AN_ORG)
    assert world.items("acme") == [("org", "acme")]
    assert world.keeping.find("acme").status is OrgStatus.DELETED


def test_nothing_is_deleted_while_what_was_accepted_may_still_be_written(world: World) -> None:
    world.fill("acme")
    before = world.items("acme")
    with pytest.raises(Conflict, match="repeat this from 2026-"):
        list(world.keeping.delete("acme"))
    assert world.keeping.find("acme").status is OrgStatus.SUSPENDED
    world.clock.ms += SETTLED_MS - 1
    with pytest.raises(Conflict):
        list(world.keeping.delete("acme"))
    assert world.items("acme") == before
    world.clock.ms += 1
    assert sum(world.keeping.delete("acme"))
    assert sum(world.keeping.delete("acme")) == 0


def test_a_clock_that_was_set_back_deletes_nothing_too_early(world: World) -> None:
    world.fill("acme")
    world.keeping.suspend("acme")
    world.clock.ms -= 30 * 86_400_000
    with pytest.raises(Conflict):
        list(world.keeping.delete("acme"))


def test_an_id_is_never_used_again(world: World) -> None:
    world.keeping.create("acme")
    world.delete("acme")
    for make in (world.keeping.create, world.keeping.ensure, world.keeping.resume):
        with pytest.raises(Conflict):
            make("acme")
    with pytest.raises(Conflict):
        world.keeping.limit("acme", 5)
    assert world.keeping.find("acme").status is OrgStatus.DELETED


def test_what_is_delivered_after_the_deletion_begins_no_ledger(world: World) -> None:
    late = batch("acme", 2)
    world.fill("acme")
    world.delete("acme")
    on = world.stores
    fanout = Fanout(
        ledger=on.ledger, set_aside=on.set_aside, broker=None, clock=world.clock, orgs=on.orgs
    )
    report = fanout([late, batch("beta")])
    assert (report.failed, report.broken, report.sealed_events) == ({}, {}, 1)
    assert world.items("acme") == [("org", "acme")]
    assert on.ledger.head("beta").seq == 1


def test_what_came_late_is_removed_by_another_deletion(world: World) -> None:
    world.keeping.create("acme")
    world.delete("acme")
    world.accept(batch("acme", 1))
    assert sum(world.keeping.delete("acme")) == 1
    assert world.items("acme") == [("org", "acme")]


def test_an_org_is_created_once_and_limited(world: World) -> None:
    assert world.keeping.create("acme", 5) == Org("acme", 5)
    with pytest.raises(Conflict, match="is there"):
        world.keeping.create("acme")
    assert world.keeping.limit("acme", 0) == Org("acme", 0)
    assert world.keeping.ensure("acme") == Org("acme", 0)
    assert world.keeping.ensure("acme", 9) == Org("acme", 9)
    assert world.keeping.ensure("beta", 0) == Org("beta", 0)
    assert world.keeping.all() == [Org("acme", 9), Org("beta", 0)]
    for wrong in (-1, 2**53, 10**400):
        with pytest.raises(Malformed):
            world.keeping.limit("acme", wrong)


@pytest.mark.parametrize(
    "id", ["", "A", "a b", "a#b", "acme/2", "é", "x" * 65, "a\n", "\U0001f600"]
)
def test_what_is_no_id_creates_nothing(world: World, id: str) -> None:
    with pytest.raises(Malformed, match="is not an org id"):
        world.keeping.create(id)
    assert world.keeping.all() == []


def test_there_is_nothing_to_do_with_an_org_that_is_not_there(world: World) -> None:
    keeping = world.keeping
    for use in (keeping.find, keeping.suspend, keeping.resume, lambda id: list(keeping.delete(id))):
        with pytest.raises(NotFound):
            use("nobody")
    assert keeping.all() == []


def test_suspending_keeps_the_quota_and_limiting_the_suspension(world: World) -> None:
    world.keeping.create("acme", 5)
    since = world.keeping.suspend("acme").since_ms
    world.clock.ms += 5
    assert world.keeping.suspend("acme").since_ms == since  # the ten minutes don't begin anew
    assert world.keeping.ensure("acme", 7) == Org("acme", 7, OrgStatus.SUSPENDED, since)
    assert world.keeping.resume("acme").events_per_month == 7


class LosesAnswers:
    """The orgs' store, whose writes are done and not answered."""

    def __init__(self, stores: Stores, lost: int) -> None:
        self._orgs = stores.orgs
        self._lost = lost

    def get(self, org: str) -> Org | None:
        return self._orgs.get(org)

    def change(self, org: Org, was: Org | None) -> bool:
        done = self._orgs.change(org, was)
        if self._lost:
            self._lost -= 1
            raise OutcomeUnknown("lost")
        return done


def test_a_lost_answer_is_looked_up(world: World) -> None:
    world.keeping.create("acme")
    keeping = world.with_orgs(LosesAnswers(world.stores, 1))
    assert keeping.suspend("acme").status is OrgStatus.SUSPENDED


class Raced(LosesAnswers):
    """Somebody is always faster."""

    def change(self, org: Org, was: Org | None) -> bool:
        return False


def test_whoever_is_always_late_is_told(world: World) -> None:
    world.keeping.create("acme")
    with pytest.raises(Busy):
        world.with_orgs(Raced(world.stores, 0)).suspend("acme")


def test_an_item_that_cant_be_read_holds_up_no_other(world: World) -> None:
    world.keeping.create("beta")
    for id, attributes in {
        "a-quota": {"events_per_month": {"S": "many"}},
        "a-status": {"events_per_month": {"N": "1"}, "status": {"S": "frozen"}},
        "nothing": {},
        "old": {"events_per_month": {"N": "7"}},  # as versions before wrote them
    }.items():
        key = {"pk": {"S": "org"}, "sk": {"S": id}}
        item: Any = key | attributes
        world.client.put_item(TableName=world.settings.state_table, Item=item)
    found = {each.id: each for each in world.keeping.all()}
    assert found.pop("old") == Org("old", 7)
    assert found.pop("beta") == Org("beta")
    assert {each.status for each in found.values()} == {OrgStatus.SUSPENDED}
    token, _ = world.api.key(Scope.ADMIN, org="old")
    assert world.api("GET", "/api/v1/usage", token=token).status == 200
    with pytest.raises(Exception, match="malformed"):
        world.keeping.suspend("a-status")


def read(folder: Path) -> dict[str, list[Any]]:
    return {
        each.name: [json.loads(line) for line in each.read_text().splitlines()]
        for each in sorted(folder.glob("*.jsonl"))
    }


def check(lines: list[bytes], before: bytes) -> bytes:
    """Recompute the chain from the files alone."""
    for at, line in enumerate(lines, 1):
        row = json.loads(line)
        assert row["seq"] == at
        entry = line.removesuffix(b"}").partition(b',"event":')[2]
        assert json.loads(entry) == row["event"]
        before = sha256(before + sha256(b"\x00" + entry).digest()).digest()
        assert before.hex() == row["hash"]
    return before


def test_an_export_holds_everything_and_proves_itself(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.cli._export._EVENTS_PER_FILE", 5)
    for org in ("acme", "acme-2"):
        world.fill(org)

    def export() -> int:
        org = world.keeping.find("acme")
        return Files(tmp_path, org, world.exporting, world.clock.ms).write()

    count = export()
    folder = tmp_path / "acme"
    about = json.loads((folder / "org.json").read_text())
    assert (about["events"], about["last_seq"]) == (count, count)
    names = sorted(folder.glob("events-*"))
    assert len(names) == -(-count // 5)
    lines = [line for name in names for line in name.read_bytes().splitlines()]
    assert check(lines, bytes.fromhex(about["first_hash_before"])).hex() == about["last_hash"]

    found = read(folder)
    assert len(found["keys.jsonl"]) == 3
    assert [each["version"] for each in found["policies.jsonl"]] == [1, 2]
    statuses = sorted(each["status"] for each in found["approvals.jsonl"])
    assert statuses == ["approved"] * 4 + ["pending"]
    assert len(found["rules.jsonl"]) == 1
    sessions = {each["id"]: each["status"] for each in found["sessions.jsonl"]}
    assert sessions["s"] == "suspended"
    assert {"s0", "s1"} <= sessions.keys()
    assert "a1" in {each["id"] for each in found["agents.jsonl"]}
    assert [each["id"] for each in found["agent_profiles.jsonl"]] == ["claude"]
    [budget] = found["budgets.jsonl"]
    assert budget["limits"] == {"tokens_per_month": 9, "calls_per_day": 0}
    [endpoint] = found["endpoints.jsonl"]
    assert (endpoint["url"], endpoint["has_token"]) == (ENDPOINT["url"], True)
    for name in ("deliveries.jsonl", "given_up.jsonl"):
        assert [each["endpoint_id"] for each in found[name]] == [endpoint["id"]]
    digests = [each.digest for each in world.stores.keys.all("acme")]
    for file in folder.iterdir():
        content = file.read_bytes()
        assert b"acme-2" not in content
        assert ENDPOINT["token"].encode() not in content
        for digest in digests:
            assert digest not in content
            assert digest.hex().encode() not in content

    # Begun again, it goes on: what is whole is left alone, the last file grows.
    whole = {name: name.stat().st_mtime_ns for name in names[:-1]}
    names[-1].unlink()
    (folder / "events-half.jsonl.new").write_text("{")
    world.accept(each := batch("acme", 6, world.clock.ms, 9))
    world.seal("acme", each)
    assert export() == count + 6
    assert {name: name.stat().st_mtime_ns for name in whole} == whole
    lines = [
        line
        for name in sorted(folder.glob("events-*.jsonl"))
        for line in name.read_bytes().splitlines()
    ]
    assert len(lines) == count + 6
    check(lines, bytes.fromhex(about["first_hash_before"]))


def test_an_approval_that_cant_be_read_is_named_in_the_export(world: World) -> None:
    world.fill("acme")
    item: Any = {"pk": {"S": "approval#acme"}, "sk": {"S": "apr_0"}, "record": {"B": b"x"}}
    world.client.put_item(TableName=world.settings.state_table, Item=item)
    rows = list(world.exporting.tables("acme")["approvals"])
    assert rows[0] == {"id": "apr_0", "unreadable": True}
    assert len(rows) == 6


def test_an_endpoint_that_cant_be_read_is_named_in_the_export_with_its_attempts(
    world: World,
) -> None:
    world.fill("acme")
    tables = world.exporting.tables("acme")
    rows, attempts = list(tables["endpoints"]), list(tables["deliveries"])
    id = rows[0]["id"]
    item: Any = {"pk": {"S": "endpoint#acme"}, "sk": {"S": id}, "change": {"S": "c"}}
    world.client.put_item(TableName=world.settings.state_table, Item=item)
    tables = world.exporting.tables("acme")
    damaged = [*rows[1:], {"id": id, "unreadable": True}]
    assert (list(tables["endpoints"]), list(tables["deliveries"])) == (damaged, attempts)


def test_a_ledger_that_was_changed_is_not_exported_as_if_it_held(
    world: World, tmp_path: Path
) -> None:
    world.fill("acme")
    item: Any = {"pk": {"S": "segment#acme"}, "sk": {"N": "1"}, "leaves": {"B": b"x"}}
    world.client.put_item(TableName=world.settings.ledger_table, Item=item)
    with pytest.raises(Exception, match="broken at seq 1"):
        Files(tmp_path, world.keeping.find("acme"), world.exporting, 1).write()
    assert not list((tmp_path / "acme").glob("events-*.jsonl"))
    assert not (tmp_path / "acme" / "org.json").exists()


def test_a_partition_that_is_in_no_list_can_not_be_written() -> None:
    for pk in ("nothing#acme", "key", "org#acme", "", "#acme"):
        with pytest.raises(LookupError, match="is in no list"):
            item_key(pk, "x")
