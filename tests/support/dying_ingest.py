"""Send one request to the ingest handler, and die at one of the calls to the stores.

``python -m support.dying_ingest CALL before|after < event.json``: kill -9 before or after the call
with that number (from 0). It prints the answer's body when the handler ended before that call.
"""

import json
import sys

from functions.ingest import handler as deployed
from support.context import Context
from support.dying import Deadly
from tocsin.adapters import dynamodb
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.keys import DynamoKeys
from tocsin.adapters.dynamodb.orgs import DynamoOrgs
from tocsin.adapters.dynamodb.quota import DynamoQuota
from tocsin.adapters.dynamodb.receipts import DynamoReceipts
from tocsin.services.access.access import Access
from tocsin.services.intake.ingest import Ingest
from tocsin.settings import IngestSettings


def main() -> None:
    deadly = Deadly(int(sys.argv[1]), sys.argv[2])
    settings, client, clock = IngestSettings(), dynamodb.client(), SystemClock()
    state = (client, settings.state_table)
    ingest = Ingest(
        access=Access(DynamoKeys(*state), clock),
        orgs=DynamoOrgs(*state),
        quota=deadly.wrap(DynamoQuota(*state)),
        receipts=deadly.wrap(DynamoReceipts(*state)),
        journal=deadly.wrap(DynamoJournal(client, settings.journal_table)),
        clock=clock,
    )
    deployed.service = lambda: ingest  # type: ignore[assignment]
    answer = deployed.handler(json.load(sys.stdin), Context("ingest"))
    assert answer["statusCode"] == 200, answer
    print(answer["body"])


if __name__ == "__main__":
    main()
