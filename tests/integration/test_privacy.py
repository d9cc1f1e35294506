"""The privacy settings' routes, and that nothing that is to be masked gets into any table."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.api import Api
from support.databases import Database
from tocsin.adapters.dynamodb.privacy import DynamoPrivacySettings
from tocsin.domain.batch import Batch
from tocsin.domain.keys import Scope
from tocsin.services.access.access import Access
from tocsin.services.intake.ingest import Ingest, IngestRequest
from tocsin.services.intake.screening import remembered

SETTINGS = "/api/v1/privacy"
SECRETS = (
    "AKIAIOSFODNN7EXAMPLE",
    "sk-ant-api03-0123456789abcdefghij",
    "hunter2-is-no-word",
    "Zm9vYmFyMTIzNDU2Nzg5MA",
)
MAIL = "bob@example.com"


@pytest.fixture
def api(database: Database) -> Iterator[Api]:
    api = Api(database.stores()[0])
    yield api
    api.close()


@pytest.fixture
def admin(api: Api) -> str:
    return api.key(Scope.ADMIN, person="ada")[0]


@pytest.fixture
def agent(api: Api) -> str:
    return api.key(Scope.INGEST)[0]


def told(api: Api, org: str = "acme") -> list[dict[str, Any]]:
    found = []
    for stored in api.stores.journal.between(org, "", "z", 1_000):
        each = stored.unpack()
        assert isinstance(each, Batch)
        found += [json.loads(entry) for entry in each.entries]
    return found


def ingest(api: Api, token: str, event: dict[str, Any]) -> None:
    stores = api.stores
    use_case = Ingest(
        access=Access(stores.keys, stores.orgs, api.clock),
        orgs=stores.orgs,
        quota=stores.quota,
        receipts=stores.receipts,
        journal=stores.journal,
        clock=api.clock,
        ledger=lambda: stores.ledger,
        suspended=lambda org: frozenset(),
        privacy=remembered(stores.privacy_settings, api.clock),
    )
    body = json.dumps(event).encode()
    use_case(IngestRequest(f"Bearer {token}", "application/json", None, None, False, body))


def everything(api: Api) -> str:
    """Return all that is in all tables, the journal's batches unpacked."""
    settings = api.stores.privacy_settings
    assert isinstance(settings, DynamoPrivacySettings)
    client = settings._client
    tables = client.list_tables()["TableNames"]
    items = [client.scan(TableName=table)["Items"] for table in tables]
    return str(items) + json.dumps(told(api))


def test_they_are_shown_and_set_and_told_of(api: Api, admin: str) -> None:
    usual: dict[str, Any] = {
        "pii": "flag",
        "tags": [],
        "erasable": False,
        "set_by": None,
        "set_at": None,
    }
    assert api("GET", SETTINGS, token=admin).body == usual
    rules = [{"tag": "gdpr", "agent": "crm-*"}]
    answer = api("PUT", SETTINGS, {"pii": "mask", "tags": rules}, token=admin)
    whole = {"tag": "gdpr", "agent": "crm-*", "tool": "*", "model": "*"}
    assert answer.status == 200
    assert (answer.body["pii"], answer.body["tags"]) == ("mask", [whole])
    assert answer.body["set_by"] == "ada"
    assert api("PUT", SETTINGS, {"pii": "mask", "tags": rules}, token=admin).body == answer.body
    assert api("GET", SETTINGS, token=admin).body == answer.body
    [event] = told(api)
    assert (event["type"], event["user_id"]) == ("tocsin.privacy_set", "ada")
    assert event["data"] == {"pii": "mask", "tags": [whole], "erasable": False}
    api("PUT", SETTINGS, {}, token=admin)
    assert api("GET", SETTINGS, token=admin).body["pii"] == "flag"


@pytest.mark.parametrize(
    "body",
    [
        {"pii": "no"},
        {"tags": [{}]},
        {"tags": [{"tag": ""}]},
        {"tags": [{"tag": "x", "other": "y"}]},
        {"tags": [{"tag": "x"}] * 51},
        {"else": 1},
    ],
)
def test_what_they_can_not_be_is_refused(api: Api, admin: str, body: Any) -> None:
    assert api("PUT", SETTINGS, body, token=admin).status == 400
    assert told(api) == []


def test_only_admins_set_them(api: Api) -> None:
    reader = api.key(Scope.READ)[0]
    assert api("GET", SETTINGS, token=reader).status == 200
    assert api("PUT", SETTINGS, {"pii": "mask"}, token=reader).status == 403


@pytest.mark.parametrize("pii", ["mask", "refuse"])
def test_no_table_holds_what_is_masked(api: Api, admin: str, agent: str, pii: str) -> None:
    api("PUT", SETTINGS, {"pii": pii}, token=admin)
    aws, anthropic, password, code = SECRETS
    command = f"curl -H 'Authorization: Basic {code}' -d key={aws} https://a:{password}@x {MAIL}"
    event = {"type": "tool_call", "toolName": "t", "request": {"command": command}}
    if pii == "mask":
        ingest(api, agent, event)
    called = {"agent": "claude", "session": "s", "params": {"command": command, "k": anthropic}}
    assert api("POST", "/v1/tool/exec", called, token=agent).status == 200
    asked = {"tool": "exec", "agent": "claude", "message": f"may {MAIL}?", "command": command}
    waiting = api("POST", "/v1/approvals", asked, token=agent).body["id"]
    resolve = {"approved": False, "reason": f"not with {aws} of {MAIL}"}
    maria = api.key(Scope.APPROVE, person="maria")[0]
    assert api("POST", f"/v1/approvals/{waiting}/resolve", resolve, token=maria).status == 200
    held = everything(api)
    for secret in (*SECRETS, MAIL):
        assert secret not in held
    recorded = [each for each in told(api) if each["type"] == "tool_call"]
    assert len(recorded) == (2 if pii == "mask" else 1)
    for each in recorded:
        assert {"aws_access_key", "url_password", "email"} <= set(each["masked"])
