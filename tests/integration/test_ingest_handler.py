"""The deployed ingest handler: API Gateway's events in, a real DynamoDB behind."""

import gzip
import json
import time
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from functions.ingest import handler as deployed
from support.context import Context
from support.databases import Database, Stores
from support.waiting import until
from tocsin.adapters.clock import SystemClock
from tocsin.bootstrap.ingest import wire
from tocsin.domain import batch as batches
from tocsin.domain.batch import Batch
from tocsin.domain.errors import Conflict
from tocsin.domain.keys import Scope, mint
from tocsin.domain.limits import MAX_PACKED_BYTES
from tocsin.domain.org import Org, OrgStatus
from tocsin.domain.segment import seal
from tocsin.services.access.access import Access
from tocsin.services.intake.ingest import Ingest, IngestRequest
from tocsin.settings import IngestSettings

EVENTS = Path(__file__).parents[2] / "events"
EVENT = {"type": "tool_call", "toolName": "t"}

type Post = Callable[..., tuple[int, dict[str, Any], dict[str, Any]]]


@pytest.fixture
def stores(database: Database, monkeypatch: pytest.MonkeyPatch) -> Stores:
    on, settings = database.stores()
    for name, value in database.env.items():
        monkeypatch.setenv(name, value)
    wired = wire(IngestSettings(**settings.model_dump()))
    monkeypatch.setattr(deployed, "service", lambda: wired)
    on.orgs.put(Org("acme", 1_000))
    return on


@pytest.fixture
def token(stores: Stores) -> str:
    token, key = mint("acme", frozenset({Scope.INGEST}), "test", 1)
    stores.keys.put(key)
    return token


@pytest.fixture
def post(token: str) -> Post:
    template = json.loads((EVENTS / "apigateway-ingest.json").read_text())

    def post(body: Any, query: str | None = None, **headers: str | None) -> Any:
        event = json.loads(json.dumps(template))
        sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}  # type: ignore[misc]
        event["headers"] = {name: value for name, value in sent.items() if value is not None}
        event["multiValueHeaders"] = {name: [value] for name, value in event["headers"].items()}
        event["queryStringParameters"] = {"partial": query} if query else None
        event["multiValueQueryStringParameters"] = {"partial": [query]} if query else None
        event["isBase64Encoded"] = isinstance(body, bytes)
        event["body"] = b64encode(body).decode() if isinstance(body, bytes) else body
        answer = deployed.handler(event, Context("ingest"))
        headers_out = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
        return answer["statusCode"], json.loads(answer["body"]), headers_out

    return post


def stored(on: Stores) -> list[dict[str, Any]]:
    found = [each.unpack() for each in on.journal.between("acme", "", "z", 1_000)]
    return [json.loads(entry) for each in found for entry in each.entries]  # type: ignore[union-attr]


def test_the_example_of_igris_documents(post: Post, stores: Stores) -> None:
    batch = json.loads((EVENTS / "igris-batch.json").read_text())
    status, body, _ = post(json.dumps(batch))
    assert (status, body) == (
        200,
        {"data": {"ingested": 2, "rejected": 0}, "meta": {"remainingQuota": 998}},
    )
    assert [event["tool_name"] for event in stored(stores)] == [
        "claude-sonnet-4-20250514",
        "search_database",
    ]


def test_a_gzipped_body(post: Post, stores: Stores) -> None:
    status, _, _ = post(gzip.compress(json.dumps(EVENT).encode()), Content_Encoding="gzip")
    assert status == 200 and len(stored(stores)) == 1


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("{", {}, 400),
        (None, {}, 400),
        (json.dumps({"type": "tool_call"}), {}, 400),
        (json.dumps(EVENT), {"Authorization": None}, 401),
        (json.dumps({"type": "anomaly"}), {}, 403),
        (json.dumps(EVENT | {"metadata": {"a": "x" * 300_000}}), {}, 413),
        (json.dumps(EVENT), {"Content_Type": "text/plain"}, 415),
        (json.dumps({"events": [EVENT] * 1_000} | {"pad": " "}), {}, 200),
    ],
)
def test_each_request_gets_its_status(
    post: Post, body: str, headers: dict[str, Any], status: int
) -> None:
    answered, content, _ = post(body, **headers)
    assert answered == status, content
    assert status == 200 or content["error"]


def test_the_400_of_igris_documents(post: Post) -> None:
    status, body, _ = post(json.dumps({"type": "tool_call"}))
    assert (status, body) == (
        400,
        {
            "error": "Validation failed",
            "details": [{"field": "toolName", "message": "Required"}],
        },
    )


def test_401_and_429_tell_what_to_do(post: Post, stores: Stores) -> None:
    _, _, headers = post(json.dumps(EVENT), Authorization="Bearer nope")
    assert headers["WWW-Authenticate"].startswith("Bearer")
    post(json.dumps({"events": [EVENT] * 1_000}))
    status, _, headers = post(json.dumps(EVENT))
    assert status == 429 and int(headers["Retry-After"]) > 0
    assert len(stored(stores)) == 1_000


def test_partial(post: Post, stores: Stores) -> None:
    status, body, _ = post(json.dumps({"events": [EVENT, {"type": "custom"}]}), query="true")
    assert status == 200 and body["data"]["ingested"] == 1
    assert body["data"]["errors"][0]["index"] == 1 and len(stored(stores)) == 1


def ingest_on(on: Stores) -> Ingest:
    clock = SystemClock()
    return Ingest(
        access=Access(on.keys, on.orgs, clock),
        orgs=on.orgs,
        quota=on.quota,
        receipts=on.receipts,
        journal=on.journal,
        clock=clock,
        ledger=lambda: on.ledger,
        suspended=lambda org: frozenset(),
    )


def test_who_waits_is_told_the_places_that_the_ledger_gives(stores: Stores, token: str) -> None:
    ingest = ingest_on(stores)
    ingest(request(token, None, "before"))
    asked = replace(request(token, "k"), wait=True)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ingest, asked)
        until(lambda: len(stored(stores)) == 2, "both are stored")
        time.sleep(0.2)
        found = [each.unpack() for each in stores.journal.between("acme", "", "z", 9)]
        head = stores.ledger.head("acme")
        segment, events = seal("acme", head, [each for each in found if isinstance(each, Batch)], 1)
        stores.ledger.commit(segment, head)
        told = json.loads(waiting.result())["data"]
    ours = next(event for event in events if b"before" not in event.entry)
    place = {"id": ours.parse()["id"], "seq": ours.seq, "hash": ours.hash.hex()}
    assert (told["sealed"], told["events"]) == (True, [place])
    assert json.loads(ingest(asked))["data"] == told


def request(token: str, key: str | None, name: str = "t") -> IngestRequest:
    body = json.dumps(EVENT | {"toolName": name}).encode()
    return IngestRequest(f"Bearer {token}", "application/json", None, key, False, body)


def test_twins_at_the_same_moment_are_stored_once(stores: Stores, token: str) -> None:
    functions = [ingest_on(stores) for _ in range(8)]
    for round_number in range(5):
        twin = request(token, f"key-{round_number}")
        with ThreadPoolExecutor(8) as pool:
            answers = set(pool.map(lambda function: function(twin), functions))  # noqa: B023
        assert len(answers) == 1
    assert len(stored(stores)) == 5
    (month,) = {event["received_at"][:7] for event in stored(stores)}
    assert stores.quota.used("acme", month) == 5


def test_a_twin_at_every_moment_with_another_body_is_409(stores: Stores, token: str) -> None:
    functions = [ingest_on(stores) for _ in range(8)]

    def send(number: int) -> str:
        try:
            return functions[number](request(token, "key", f"t{number % 2}")).decode()
        except Conflict:
            return "409"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    (event,) = stored(stores)
    stands = int(event["tool_name"][1:])
    assert set(answers[1 - stands :: 2]) == {"409"}
    assert len(set(answers[stands::2])) == 1 and "409" not in answers[stands::2]
    assert stores.quota.used("acme", event["received_at"][:7]) == 1


def test_the_quota_holds_under_concurrency(stores: Stores, token: str) -> None:
    stores.orgs.put(Org("acme", 20))
    functions = [ingest_on(stores) for _ in range(8)]

    def send(number: int) -> bool:
        try:
            functions[number % 8](request(token, None))
        except Exception as error:
            assert type(error).__name__ == "QuotaExhausted"
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        accepted = sum(pool.map(send, range(40)))
    assert accepted == len(stored(stores)) == 20


@pytest.mark.parametrize("status", [each for each in OrgStatus if each is not OrgStatus.ACTIVE])
def test_of_an_org_that_is_not_active_nothing_is_taken(
    stores: Stores, post: Post, status: OrgStatus
) -> None:
    stores.orgs.put(Org("acme", 1_000, status, 1))
    answered, body, _ = post(json.dumps(EVENT))
    assert (answered, body["code"]) == (403, "ORG_SUSPENDED")
    assert stored(stores) == []


def test_503_when_the_store_is_gone(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    gone = wire(IngestSettings(journal_table="j", ledger_table="l", state_table="s"))
    monkeypatch.setattr(deployed, "service", lambda: gone)
    status, body, headers = post(json.dumps(EVENT))
    assert (status, headers["Retry-After"]) == (503, "1") and "again" in body["error"]


def test_packed_items_stay_within_the_limit_of_an_item(post: Post, stores: Stores) -> None:
    status, _, _ = post(json.dumps({"events": [EVENT] * 1_000}))
    (one,) = (each.unpack() for each in stores.journal.between("acme", "", "z", 10))
    assert status == 200
    assert len(batches.pack(one.entries)) < MAX_PACKED_BYTES  # type: ignore[union-attr]
