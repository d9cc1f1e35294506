"""Three empty tables on a real DynamoDB API, and the adapters over them."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import uuid4

from support.ministack import Server
from tocsin import ports
from tocsin.adapters import dynamodb
from tocsin.local.tables import create
from tocsin.settings import StoreSettings


class Stores(NamedTuple):
    journal: ports.Journal
    receipts: ports.Receipts
    ledger: ports.Ledger
    orgs: ports.Orgs
    keys: ports.Keys
    passes: ports.Passes
    quota: ports.Quota
    set_aside: ports.SetAside
    projections: ports.Projections


@dataclass
class Database:
    """A DynamoDB API over HTTP."""

    server: Server

    @property
    def env(self) -> dict[str, str]:
        """What the AWS SDK of another process needs to find it."""
        return self.server.env

    def stores(self) -> tuple[Stores, StoreSettings]:
        """Make three empty tables."""
        client = self.server.client()
        suffix = uuid4().hex[:8]
        settings = StoreSettings(
            journal_table=f"journal-{suffix}",
            ledger_table=f"ledger-{suffix}",
            state_table=f"state-{suffix}",
        )
        create(client, settings)
        state = (client, settings.state_table)
        return Stores(
            journal=dynamodb.DynamoJournal(
                client,
                settings.journal_table,
                retention_days=36_500,  # tests set the time, and the emulator expires by its own
            ),
            receipts=dynamodb.DynamoReceipts(*state),
            ledger=dynamodb.DynamoLedger(client, settings.ledger_table),
            orgs=dynamodb.DynamoOrgs(*state),
            keys=dynamodb.DynamoKeys(*state),
            passes=dynamodb.DynamoPasses(*state),
            quota=dynamodb.DynamoQuota(*state),
            set_aside=dynamodb.DynamoSetAside(*state),
            projections=dynamodb.DynamoProjections(*state),
        ), settings
