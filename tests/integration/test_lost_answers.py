"""Ingest where DynamoDB does what it is asked, and the answer is lost: the SDK asks again."""

import json
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

from fakes.ingestion import EVENT
from support.databases import Database
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.receipts import DynamoReceipts
from tocsin.domain.batch import Batch
from tocsin.domain.errors import Busy
from tocsin.domain.keys import Scope, mint
from tocsin.domain.org import Org
from tocsin.services.access.access import Access
from tocsin.services.intake.ingest import Ingest, IngestRequest


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
    clock = SystemClock()
    ingest = Ingest(
        access=Access(on.keys, clock),
        orgs=on.orgs,
        quota=on.quota,
        receipts=DynamoReceipts(client, settings.state_table),
        journal=DynamoJournal(client, settings.journal_table),
        clock=clock,
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
