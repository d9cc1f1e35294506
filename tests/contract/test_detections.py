"""What every implementation of detection's states and alerts does."""

from dataclasses import replace
from typing import Any

import pytest

from support.databases import Database, Stores
from tocsin.adapters.dynamodb.detections import DynamoAnomalies, DynamoDetections
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.domain.batch import Batch
from tocsin.domain.detect.anomaly import Anomaly, Status
from tocsin.domain.detect.cursor import Cursor
from tocsin.domain.detect.finding import Subject
from tocsin.domain.detect.kinds import Kind, Severity
from tocsin.domain.errors import IntegrityError
from tocsin.domain.ids import event_ids, new_batch_id
from tocsin.services.intake.stamp import own_batch

NOW_MS = 1_774_000_000_000
ODD = "a/\U0001f600 #" + "x" * 240


def change(salt: int, at_ms: int = NOW_MS) -> str:
    return new_batch_id(at_ms, (salt << 20).to_bytes(10))


def at(salt: int, **given: Any) -> Cursor:
    fields: dict[str, Any] = {
        "through_seq": salt,
        "hash": bytes([salt]) * 32,
        "state": b"\x00\xff" * salt,
    }
    return Cursor(**(fields | {"change": change(salt)} | given))


def told(salt: int, org: str = "acme", count: int = 1) -> tuple[Batch, bytes]:
    events = [{"type": "anomaly", "status": "warning"}] * count
    return own_batch(org, events, change(salt))


def anomaly(salt: int, place: int = 0, org: str = "acme", **given: Any) -> Anomaly:
    fields: dict[str, Any] = {
        "kind": Kind.RATE_SPIKE,
        "severity": Severity.CRITICAL,
        "subject": Subject("tool", ODD, "server"),
        "series": ODD,
        "description": "9 calls a minute where 1 was expected",
        "at_ms": NOW_MS,
        "count": 3,
        "nats": 123.456789012345,
        "seqs": (7, 2**53 - 1),
    }
    id = event_ids(change(salt), place + 1)[place]
    return Anomaly(org=org, id=id, change=change(salt), **(fields | given))


class TestDetections:
    def test_an_org_begins_with_nothing(self, on: Stores) -> None:
        assert on.detections.cursor("acme") == Cursor()
        assert on.detections.states("acme", ["agent#1"]) == {}
        assert on.detections.due(2**53) == []

    def test_what_was_put_comes_back_until_it_is_dropped(self, on: Stores) -> None:
        on.detections.put("acme", "01-a", b"\x01\x00", NOW_MS)
        on.detections.put("acme", "02-b", b"", NOW_MS)
        assert on.detections.states("acme", ["01-a", "03-c"]) == {"01-a": b"\x01\x00"}
        assert on.detections.states("beta", ["01-a"]) == {}
        on.detections.drop("acme", ["01-a", "none"])
        assert on.detections.states("acme", ["01-a", "02-b"]) == {"02-b": b""}

    def test_what_was_written_comes_back(self, on: Stores) -> None:
        found = [anomaly(1), anomaly(1, 1, nats=None, seqs=(), series="", count=1)]
        now = at(1, shelves={"01": "01-a", "agenda": "agenda-b"})
        assert on.detections.advance("acme", Cursor(), now, told(1), found)
        assert on.detections.cursor("acme") == now
        assert [on.anomalies.get("acme", each.id) for each in found] == found
        assert change(1) in on.journal.get("acme", [change(1)])

    def test_it_goes_on_from_where_it_was(self, on: Stores) -> None:
        assert on.detections.advance("acme", Cursor(), at(1))
        assert on.detections.advance("acme", at(1), at(2))
        for was in (Cursor(), at(1)):
            assert not on.detections.advance("acme", was, at(3), told(3), [anomaly(3)])
        assert on.detections.cursor("acme") == at(2)
        assert on.journal.get("acme", [change(3)]) == {}
        assert on.anomalies.newest("acme", "", 10) == []

    def test_more_states_than_a_read_takes(self, on: Stores) -> None:
        places = [f"{n}-a" for n in range(150)]
        for place in places:
            on.detections.put("acme", place, b"s", NOW_MS)
        assert on.detections.states("acme", places) == dict.fromkeys(places, b"s")
        assert on.detections.states("acme", []) == {}

    def test_orgs_know_nothing_of_each_other(self, on: Stores) -> None:
        assert on.detections.advance("acme", Cursor(), at(1))
        assert on.detections.advance("acme-2", Cursor(), at(2), told(2, "acme-2"))
        assert on.detections.cursor("acme") == at(1)
        assert on.detections.cursor("acme-2") == at(2)

    def test_orgs_are_due_when_their_time_has_come(self, on: Stores) -> None:
        for salt, (org, due_ms) in enumerate(
            {"never": 0, "now": NOW_MS, "before": 1, "later": NOW_MS + 1}.items(), 1
        ):
            assert on.detections.advance(org, Cursor(), at(salt, due_ms=due_ms))
        assert sorted(on.detections.due(NOW_MS)) == ["before", "now"]
        assert on.detections.advance("now", at(2, due_ms=NOW_MS), at(9))
        assert on.detections.due(NOW_MS) == ["before"]


class TestAnomalies:
    def test_the_newest_come_first(self, on: Stores) -> None:
        found = [anomaly(1), anomaly(1, 1), anomaly(2)]
        assert on.detections.advance("acme", Cursor(), at(1), told(1), found[:2])
        assert on.detections.advance("acme", at(1), at(2), told(2), found[2:])
        other = anomaly(4, org="beta")
        assert on.detections.advance("beta", Cursor(), at(4), told(4, "beta"), [other])
        by_id = [(each.id, each) for each in found]
        assert on.anomalies.newest("acme", "", 10) == by_id[::-1]
        assert on.anomalies.newest("acme", "", 2) == by_id[:0:-1]
        assert on.anomalies.newest("acme", found[2].id, 2) == by_id[1::-1]
        assert on.anomalies.newest("acme", found[0].id, 2) == []
        assert on.anomalies.get("beta", found[0].id) is None
        assert on.anomalies.get("acme", "evt_/\U0001f600") is None

    def test_what_was_said_is_said_of_what_is_there(self, on: Stores) -> None:
        found = anomaly(1)
        assert on.detections.advance("acme", Cursor(), at(1), told(1), [found])
        said = replace(
            found,
            status=Status.SNOOZED,
            until_ms=NOW_MS + 1,
            reason="we know \U0001f600",
            by="maria@example.com",
            said_at_ms=NOW_MS,
            change=change(2),
        )
        assert on.anomalies.write(said, found.change, *told(2))
        assert on.anomalies.get("acme", found.id) == said
        assert change(2) in on.journal.get("acme", [change(2)])
        again = replace(said, status=Status.OPEN, change=change(3))
        assert not on.anomalies.write(again, found.change, *told(3))
        assert on.anomalies.get("acme", found.id) == said
        assert on.journal.get("acme", [change(3)]) == {}


@pytest.fixture
def edited(database: Database) -> Any:
    """Return a function that writes an org's alert, changes its item, and reads it."""
    stores, settings = database.stores()
    client, table = database.client, settings.state_table
    journal = DynamoJournal(client, settings.journal_table)
    assert stores.detections.advance("acme", Cursor(), at(1), told(1), [anomaly(1)])
    stores.detections.put("acme", "a", b"s", NOW_MS)

    def edit(pk: str, sk: str, name: str, value: Any) -> tuple[DynamoDetections, DynamoAnomalies]:
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        item = client.get_item(TableName=table, Key=key)["Item"]
        without = {each: stored for each, stored in item.items() if each != name}
        client.put_item(TableName=table, Item=without | ({name: value} if value else {}))
        return DynamoDetections(client, table, journal), DynamoAnomalies(client, table, journal)

    return edit


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", {"S": "gossip"}),
        ("severity", {"S": "SHRILL"}),
        ("severity", {"N": "1"}),
        ("subject", {"S": "[1"}),
        ("subject", {"S": '["a","b","c","d"]'}),
        ("subject", None),
        ("nats", {"S": "NaN"}),
        ("nats", {"S": "1e400"}),
        ("nats", {"S": '"1"'}),
        ("nats", {"S": "true"}),
        ("seqs", {"S": "7"}),
        ("seqs", {"S": '["x"]'}),
        ("at_ms", {"N": "1.5"}),
        ("said", {"S": "forgiven"}),
        ("change", None),
    ],
)
def test_an_alert_that_was_edited_by_hand_is_named_as_malformed(
    edited: Any, name: str, value: Any
) -> None:
    _, anomalies = edited("anomaly#acme", anomaly(1).id, name, value)
    with pytest.raises(IntegrityError, match="an anomaly is malformed"):
        anomalies.get("acme", anomaly(1).id)
    assert anomalies.newest("acme", "", 10) == [(anomaly(1).id, None)]  # it hides no other


@pytest.mark.parametrize("name", ["through_seq", "ledger_hash", "state", "due_ms", "change"])
@pytest.mark.parametrize("value", [None, {"S": "x"}, {"N": "1.5"}])
def test_a_cursor_that_was_edited_by_hand_is_no_beginning(
    edited: Any, name: str, value: Any
) -> None:
    if (name, value) == ("change", {"S": "x"}):  # that of nobody: what is written on it is refused
        return
    detections, _ = edited("detected", "acme", name, value)
    with pytest.raises(IntegrityError, match="cursor is malformed"):
        detections.cursor("acme")


@pytest.mark.parametrize("value", [None, {"S": "x"}, {"N": "1"}])
def test_a_state_that_was_edited_by_hand_is_learned_anew(edited: Any, value: Any) -> None:
    detections, _ = edited("detect#acme", "a", "state", value)
    assert detections.states("acme", ["a"]) == {}
