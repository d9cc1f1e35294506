"""The ports' adapters on real parts, and the fakes that stand for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from fakes import stores
from support.ministack import dynamodb_server
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
    quota: ports.Quota
    set_aside: ports.SetAside
    projections: ports.Projections


@dataclass
class Database:
    """A DynamoDB API over HTTP."""

    client: Any

    def stores(self) -> tuple[Stores, StoreSettings]:
        """Make three empty tables."""
        suffix = uuid4().hex[:8]
        settings = StoreSettings(
            journal_table=f"journal-{suffix}",
            ledger_table=f"ledger-{suffix}",
            state_table=f"state-{suffix}",
        )
        create(self.client, settings)
        state = (self.client, settings.state_table)
        return Stores(
            journal=dynamodb.DynamoJournal(
                self.client, settings.journal_table, settings.state_table
            ),
            receipts=dynamodb.DynamoReceipts(*state),
            ledger=dynamodb.DynamoLedger(self.client, settings.ledger_table),
            orgs=dynamodb.DynamoOrgs(*state),
            keys=dynamodb.DynamoKeys(*state),
            quota=dynamodb.DynamoQuota(*state),
            set_aside=dynamodb.DynamoSetAside(*state),
            projections=dynamodb.DynamoProjections(*state),
        ), settings


@pytest.fixture(scope="session")
def database() -> Iterator[Database]:
    with dynamodb_server() as server:
        yield Database(server.client())


def fake_stores() -> Stores:
    receipts = stores.FakeReceipts()
    return Stores(
        journal=stores.FakeJournal(receipts),
        receipts=receipts,
        ledger=stores.FakeLedger(),
        orgs=stores.FakeOrgs(),
        keys=stores.FakeKeys(),
        quota=stores.FakeQuota(),
        set_aside=stores.FakeSetAside(),
        projections=stores.FakeProjections(),
    )


@pytest.fixture(params=["dynamodb", "fake"])
def on(request: pytest.FixtureRequest) -> Stores:
    """The stores under contract: the adapters on a DynamoDB API, then the fakes."""
    if request.param == "fake":
        return fake_stores()
    database: Database = request.getfixturevalue("database")
    return database.stores()[0]
