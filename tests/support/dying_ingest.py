"""Answer a request as the ingest handler does, and die at one of the calls to the stores."""

from typing import Any

from functions.ingest import handler as deployed
from support.context import Context
from support.dying import Deadly, each_in_a_child
from tocsin.adapters import dynamodb
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.keys import DynamoKeys
from tocsin.adapters.dynamodb.ledger import DynamoLedger
from tocsin.adapters.dynamodb.orgs import DynamoOrgs
from tocsin.adapters.dynamodb.quota import DynamoQuota
from tocsin.adapters.dynamodb.receipts import DynamoReceipts
from tocsin.services.access.access import Access
from tocsin.services.intake.ingest import Ingest
from tocsin.settings import IngestSettings


def main(deadly: Deadly, event: Any) -> None:
    settings, client, clock = IngestSettings(), dynamodb.client(), SystemClock()
    state = (client, settings.state_table)
    orgs, journal = DynamoOrgs(*state), DynamoJournal(client, settings.journal_table)
    ingest = Ingest(
        access=Access(DynamoKeys(*state), orgs, clock),
        orgs=orgs,
        quota=deadly.wrap(DynamoQuota(*state)),
        receipts=deadly.wrap(DynamoReceipts(*state, journal)),
        journal=deadly.wrap(journal),
        clock=clock,
        ledger=lambda: DynamoLedger(client, settings.ledger_table),
        suspended=lambda org: frozenset(),
    )
    deployed.service = lambda: ingest  # type: ignore[assignment]
    answer = deployed.handler(event, Context("ingest"))
    assert answer["statusCode"] == 200, answer
    print(answer["body"])


if __name__ == "__main__":
    each_in_a_child(main)
