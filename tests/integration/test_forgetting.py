"""Over the routes and on real tables: what is recorded of a user is erased for everybody."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from integration.test_privacy import everything, told
from support.api import Api
from support.databases import Database
from tocsin.domain.batch import Batch
from tocsin.domain.errors import IntegrityError
from tocsin.domain.keys import Scope
from tocsin.domain.retention import Retention
from tocsin.services.access.access import Access
from tocsin.services.access.remembered import REMEMBERED_MS
from tocsin.services.intake.ingest import Ingest, IngestRequest
from tocsin.services.intake.protecting import Protecting
from tocsin.services.intake.screening import remembered
from tocsin.services.reading import replay, verification
from tocsin.services.reading.entries import entries
from tocsin.services.reading.opening import OpenedJournal
from tocsin.services.reading.past import Past
from tocsin.services.sealing.seal import seal_batches

SETTINGS = "/api/v1/privacy"
ERASURES = "/api/v1/privacy/erasures"
SAID = {
    "type": "tool_call",
    "toolName": "search",
    "userId": "u",
    "data": {"q": "a diagnosis"},
    "metadata": {"note": "a secret"},
}


class House:
    """A deployment on real tables, whose org ``acme`` has ``erasable`` set."""

    def __init__(self, database: Database) -> None:
        self.api = Api(database.stores()[0])
        self.admin = self.api.key(Scope.ADMIN, person="ada")[0]
        self.agent = self.api.key(Scope.INGEST)[0]
        stores, clock = self.api.stores, self.api.clock
        self.reader = OpenedJournal(stores.journal, stores.subjects, clock)
        privacy = remembered(stores.privacy_settings, clock)
        self.ingest = Ingest(
            access=Access(stores.keys, stores.orgs, clock),
            orgs=stores.orgs,
            quota=stores.quota,
            receipts=stores.receipts,
            journal=stores.journal,
            clock=clock,
            ledger=lambda: stores.ledger,
            suspended=lambda org: frozenset(),
            privacy=privacy,
            protecting=Protecting(privacy, stores.subjects),
        )
        assert self.api("PUT", SETTINGS, {"erasable": True}, token=self.admin).status == 200

    def send(self, event: dict[str, Any]) -> None:
        self.api.clock.ms += 1
        body = json.dumps(event).encode()
        request = IngestRequest(f"Bearer {self.agent}", "application/json", None, None, False, body)
        self.ingest(request)

    def erase(self, user: str = "u", token: str = "") -> Any:
        self.api.clock.ms += 1
        body = {"user_id": user, "reason": "asked for"}
        return self.api("POST", ERASURES, body, token=token or self.admin)

    def read(self) -> list[dict[str, Any]]:
        stores = self.api.stores
        found = [each.unpack() for each in stores.journal.between("acme", "", "z", 1_000)]
        batches = [each for each in found if isinstance(each, Batch)]
        seal_batches("acme", batches, stores.ledger, self.api.clock)
        events = replay.read(stores.ledger, self.reader, "acme", 0)
        return [json.loads(event.entry) for event in events]


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    house = House(database)
    yield house
    house.api.close()


def test_the_setting_is_shown_and_told(house: House) -> None:
    assert house.api("GET", SETTINGS, token=house.admin).body["erasable"] is True
    assert told(house.api)[-1]["data"]["erasable"] is True
    house.api("PUT", SETTINGS, {}, token=house.admin)
    assert house.api("GET", SETTINGS, token=house.admin).body["erasable"] is False


def test_erased_it_is_in_no_table_and_everything_verifies(house: House) -> None:
    house.send(SAID)
    first = house.read()[1]
    assert (first["data"], first["metadata"]) == (SAID["data"], SAID["metadata"])
    assert "diagnosis" not in everything(house.api)
    answer = house.erase()
    assert answer.status == 200, answer.text
    assert answer.body["user_id"] == "u"
    assert answer.body["erased_by"] == "ada"
    assert house.erase().body == answer.body
    house.api.clock.ms += REMEMBERED_MS
    erased = house.read()[1]
    assert erased["erased"] is True
    assert not erased.keys() & {"data", "metadata", "request", "protected"}
    [event] = [each for each in house.read() if each["type"] == "tocsin.user_erased"]
    assert event["data"] | {"key": ""} == {"user_id": "u", "reason": "asked for", "key": ""}
    stores = house.api.stores
    retention = Retention(house.api.clock.ms, None)
    checked = verification.verify(stores.ledger, house.reader, "acme", retention=retention)
    assert checked.last_seq == len(house.read())
    past = Past(stores.ledger, house.reader, "acme", retention)
    assert b'"protected":{"key":"' in b"".join(entries(past, 1, None))


def test_only_admins_erase(house: House) -> None:
    house.send(SAID)
    reader = house.api.key(Scope.READ)[0]
    assert house.erase(token=reader).status == 403
    assert house.erase(token=house.agent).status == 403
    other = house.api.key(Scope.ADMIN, org="beta", person="eve")[0]
    assert house.erase(token=other).status == 404
    assert house.read()[1]["data"] == SAID["data"]


@pytest.mark.parametrize(
    "body", [{}, {"user_id": ""}, {"user_id": 7}, {"user_id": "x" * 257}, {"user_id": "u", "x": 1}]
)
def test_what_is_no_erasure_is_refused(house: House, body: Any) -> None:
    assert house.api("POST", ERASURES, body, token=house.admin).status == 400


ATTRIBUTES = ("secret", "secret_id", "erased_by", "erased_at_ms", "change")
DAMAGES: list[dict[str, Any] | None] = [
    None,
    {"S": "x"},
    {"N": "1" * 38},
    {"B": b""},
    {"B": b"1" * 64},
    {"BOOL": True},
    {"L": []},
]


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_whatever_becomes_of_a_stored_key_no_read_fails_and_nothing_is_lost(
    house: House, attribute: str, damage: dict[str, Any] | None
) -> None:
    """Nobody reads something else, other persons are not touched, and admins can go on."""
    house.send(SAID)
    house.erase()
    house.send(SAID | {"data": {"q": "another one"}})
    house.send(SAID | {"userId": "v"})
    client = house.api.stores.subjects._client  # type: ignore[attr-defined]
    table = house.api.stores.subjects._table  # type: ignore[attr-defined]
    item = client.get_item(TableName=table, Key={"pk": {"S": "subject#acme"}, "sk": {"S": "u"}})
    changed = {name: value for name, value in item["Item"].items() if name != attribute}
    client.put_item(TableName=table, Item=changed | ({attribute: damage} if damage else {}))

    sent = [each for each in house.read() if each["type"] == "tool_call"]
    assert len(sent) == 3
    assert sent[0].get("data") is None
    assert sent[1].get("data") in (None, {"q": "another one"})
    assert sent[1].get("data") or sent[1].keys() & {"erased", "unreadable"}
    assert sent[2]["data"] == SAID["data"]
    try:
        house.send(SAID)
    except IntegrityError:
        answer = house.erase()
        assert answer.status == 200, answer.text
        house.send(SAID)
    house.api.clock.ms += REMEMBERED_MS
    last = house.read()[-1]
    assert (last["user_id"], last["data"]) == ("u", SAID["data"])
