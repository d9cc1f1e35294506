"""Ingest where DynamoDB does what it is asked, and the answer is lost: the SDK asks again."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

from fakes.ingestion import EVENT
from support.databases import Database, Stores
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.quota import DynamoQuota
from tocsin.adapters.dynamodb.receipts import DynamoReceipts
from tocsin.domain.batch import Batch
from tocsin.domain.errors import Busy, OutcomeUnknown, QuotaExhausted
from tocsin.domain.keys import Scope, mint
from tocsin.domain.org import Org
from tocsin.domain.times import utc
from tocsin.services.access.access import Access
from tocsin.services.intake.ingest import Ingest, IngestRequest
from tocsin.settings import StoreSettings


class Line:
    """Carries requests to the server; of those answers to ``PutItem`` the chosen ones are lost."""

    def __init__(self, *lost: int) -> None:
        self.lost = lost
        self.puts = 0

    def __call__(self, request: AWSPreparedRequest, **_: object) -> Any:
        if request.headers["X-Amz-Target"] != b"DynamoDB_20120810.PutItem":
            return None
        answer = URLLib3Session().send(request)
        self.puts += 1
        if self.puts in self.lost:
            raise ReadTimeoutError(endpoint_url=request.url)
        return answer


@pytest.mark.parametrize(
    ("lost", "puts"),
    [
        ((1,), 3),  # the receipt's: its repetition meets the receipt of this very request
        ((2,), 3),  # the batch's
        ((1, 3), 4),
        ((1, 2, 3), 3),  # the SDK gives up; the receipt stands
        ((2, 3, 4), 4),  # here the batch, too
    ],
)
def test_what_was_written_is_known_as_ours(
    database: Database, lost: tuple[int, ...], puts: int
) -> None:
    on, settings = database.stores()
    client, line = database.server.client(), Line(*lost)
    client.meta.events.register("before-send.dynamodb", line)
    token, key = mint("acme", frozenset({Scope.INGEST}), "test", 1)
    on.keys.put(key)
    on.orgs.put(Org("acme", 1_000))
    clock, journal = SystemClock(), DynamoJournal(client, settings.journal_table)
    ingest = Ingest(
        access=Access(on.keys, on.orgs, clock),
        orgs=on.orgs,
        quota=on.quota,
        receipts=DynamoReceipts(client, settings.state_table, journal),
        journal=journal,
        clock=clock,
        ledger=lambda: on.ledger,
        suspended=lambda org: frozenset(),
    )
    body = json.dumps(EVENT).encode()
    request = IngestRequest(f"Bearer {token}", "application/json", None, "k", False, body)
    if len(lost) == 3:
        with pytest.raises(Busy):
            ingest(request)
    else:
        ingest(request)
    assert line.puts == puts
    assert json.loads(ingest(request))["meta"] == {"remainingQuota": 999}
    [stored] = (each.unpack() for each in on.journal.between("acme", "", "z", 10))
    assert isinstance(stored, Batch)
    month = json.loads(stored.entries[0])["received_at"][:7]
    assert on.quota.used("acme", month) == 1


REFUSED = {
    move: f'{{"__type":"com.amazonaws.dynamodb.v20120810#{name}","message":"slow"}}'.encode()
    for move, name in {
        "throttled": "ThrottlingException",
        "conflicting": "TransactionConflictException",
    }.items()
}


class Script:
    """Lets requests of one operation on one table do what is written for each; others pass.

    ``ok`` passes, ``lost`` is carried out and its answer lost, ``throttled`` and
    ``conflicting`` (with a transaction) are not carried out.
    """

    def __init__(self, operation: str, table: str, *moves: str) -> None:
        self.operation = f"DynamoDB_20120810.{operation}".encode()
        self.table = table.encode()
        self.moves = list(moves)
        self.made = 0

    def __call__(self, request: AWSPreparedRequest, **_: object) -> Any:
        body: Any = request.body
        if request.headers["X-Amz-Target"] != self.operation or self.table not in body:
            return None
        self.made += 1
        move = self.moves.pop(0) if self.moves else "ok"
        if move in REFUSED:
            answer: Any = AWSResponse(request.url, 400, HTTPHeaders(), None)
            answer._content = REFUSED[move]
            return answer
        answer = URLLib3Session().send(request)
        if move == "lost":
            raise ReadTimeoutError(endpoint_url=request.url)
        return answer


@dataclass
class Deployment:
    """An ingest function on tables of its own, and the client that it uses."""

    ingest: Ingest
    on: Stores
    client: Any
    settings: StoreSettings
    token: str

    def send(self, key: str | None = None) -> bytes:
        body = json.dumps({"events": [EVENT] * 10}).encode()
        return self.ingest(
            IngestRequest(f"Bearer {self.token}", "application/json", None, key, False, body)
        )

    def follow(self, operation: str, table: str, *moves: str) -> Script:
        script = Script(operation, table, *moves)
        self.client.meta.events.register("before-send.dynamodb", script)
        return script

    @property
    def stored(self) -> int:
        found = [each.unpack() for each in self.on.journal.between("acme", "", "z", 100)]
        return sum(each.count for each in found if isinstance(each, Batch))

    @property
    def used(self) -> int:
        return self.on.quota.used("acme", utc(SystemClock().now_ms()).strftime("%Y-%m"))


@pytest.fixture
def deployment(database: Database) -> Deployment:
    on, settings = database.stores()
    client = database.server.client()
    token, key = mint("acme", frozenset({Scope.INGEST}), "test", 1)
    on.keys.put(key)
    on.orgs.put(Org("acme", 20))
    clock, journal = SystemClock(), DynamoJournal(client, settings.journal_table)
    ingest = Ingest(
        access=Access(on.keys, on.orgs, clock),
        orgs=on.orgs,
        quota=DynamoQuota(client, settings.state_table),
        receipts=DynamoReceipts(client, settings.state_table, journal),
        journal=journal,
        clock=clock,
        ledger=lambda: on.ledger,
        suspended=lambda org: frozenset(),
    )
    return Deployment(ingest, on, client, settings, token)


def test_a_batch_that_may_be_stored_keeps_its_quota(deployment: Deployment) -> None:
    deployment.follow(
        "PutItem", deployment.settings.journal_table, "lost", "throttled", "throttled"
    )
    with pytest.raises(OutcomeUnknown):
        deployment.send()
    assert deployment.stored == deployment.used == 10


def test_a_batch_that_was_throttled_every_time_gives_its_quota_back(
    deployment: Deployment,
) -> None:
    deployment.follow("PutItem", deployment.settings.journal_table, *["throttled"] * 3)
    with pytest.raises(Busy) as caught:
        deployment.send()
    assert not isinstance(caught.value, OutcomeUnknown)
    assert deployment.stored == deployment.used == 0


def test_a_receipt_that_may_be_written_keeps_its_quota(deployment: Deployment) -> None:
    deployment.follow("PutItem", deployment.settings.state_table, "lost", "throttled", "throttled")
    with pytest.raises(OutcomeUnknown):
        deployment.send("k")
    deployment.send("k")
    assert deployment.stored == deployment.used == 10


@pytest.mark.parametrize("moves", [("lost",), ("lost", "lost"), ("throttled", "lost")])
def test_a_reservation_whose_answer_is_lost_counts_once(
    deployment: Deployment, moves: tuple[str, ...]
) -> None:
    script = deployment.follow("UpdateItem", deployment.settings.state_table, *moves)
    answer = json.loads(deployment.send())
    assert script.made == len(moves) + 1
    assert answer["meta"]["remainingQuota"] == 20 - deployment.used == 10


def test_the_last_room_is_taken_though_the_answer_is_lost(deployment: Deployment) -> None:
    deployment.send()
    deployment.follow("UpdateItem", deployment.settings.state_table, "lost")
    assert json.loads(deployment.send())["meta"]["remainingQuota"] == 0
    with pytest.raises(QuotaExhausted):
        deployment.send()
    assert deployment.stored == deployment.used == 20


@pytest.mark.parametrize("move", ["lost", "throttled"])
def test_what_is_given_back_is_given_back_once_at_most(deployment: Deployment, move: str) -> None:
    deployment.send()
    deployment.follow("PutItem", deployment.settings.journal_table, *["throttled"] * 3)
    script = deployment.follow("UpdateItem", deployment.settings.state_table, "ok", move)
    with pytest.raises(Busy) as caught:
        deployment.send()
    assert not isinstance(caught.value, OutcomeUnknown)
    assert script.made == 2 and deployment.stored == 10
    assert deployment.used == (10 if move == "lost" else 20)


def test_a_write_that_meets_a_transaction_may_be_sent_again(deployment: Deployment) -> None:
    deployment.follow("UpdateItem", deployment.settings.state_table, "conflicting")
    with pytest.raises(Busy) as refused:  # the SDK does not begin again by itself
        deployment.send()
    assert not isinstance(refused.value, OutcomeUnknown)
    deployment.send()
    assert deployment.stored == deployment.used == 10
