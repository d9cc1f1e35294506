"""The ports' adapters on real parts, and the fakes that stand for them."""

import pytest

from fakes import stores
from support.databases import Database, Stores


def fake_stores() -> Stores:
    return Stores(
        journal=stores.FakeJournal(),
        receipts=stores.FakeReceipts(),
        ledger=stores.FakeLedger(),
        orgs=stores.FakeOrgs(),
        keys=stores.FakeKeys(),
        passes=stores.FakePasses(),
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
