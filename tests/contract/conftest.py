"""The ports' adapters on real parts, and the fakes that stand for them."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fakes import notify, stores
from support.databases import Database, Stores
from tocsin.embedded._database import Database as SqliteDatabase
from tocsin.embedded._deliveries import SqliteDeliveries
from tocsin.embedded._endpoints import SqliteEndpoints
from tocsin.embedded._journal import SqliteJournal
from tocsin.embedded._ledger import SqliteLedger


def fake_stores() -> Stores:
    journal, keys, passes = stores.FakeJournal(), stores.FakeKeys(), stores.FakePasses()
    projections, orgs = stores.FakeProjections(), stores.FakeOrgs()
    anomalies = stores.FakeAnomalies(journal)
    return Stores(
        journal=journal,
        receipts=stores.FakeReceipts(journal),
        ledger=stores.FakeLedger(),
        orgs=orgs,
        keys=keys,
        passes=passes,
        quota=stores.FakeQuota(),
        set_aside=stores.FakeSetAside(),
        projections=projections,
        summaries=stores.FakeSummaries(),
        trees=stores.FakeTrees(journal),
        approvals=stores.FakeApprovals(journal),
        policies=stores.FakePolicies(journal),
        key_ring=stores.FakeKeyRing(keys, journal),
        session_states=stores.FakeSessionStates(journal),
        budgets=stores.FakeBudgets(journal, projections),
        agent_states=stores.FakeAgentStates(stores.FakeKeyRing(keys, journal)),
        detections=stores.FakeDetections(anomalies),
        anomalies=anomalies,
        detection_settings=stores.FakeDetectionSettings(journal),
        privacy_settings=stores.FakePrivacySettings(journal),
        subjects=stores.FakeSubjects(journal, orgs),
        sign_in_writes=stores.FakeSignInWrites(passes, journal),
        sign_in_failures=stores.FakeSignInFailures(journal),
        rates=stores.FakeRates(),
        places=stores.FakePlaces(),
        endpoints=notify.FakeEndpoints(journal),
        deliveries=notify.FakeDeliveries(),
    )


@pytest.fixture(params=["dynamodb", "fake"])
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """The stores under contract: the adapters on a DynamoDB API, then the fakes.

    Those of the library, on a SQLite file, are there for who asks for them.
    """
    if request.param == "dynamodb":
        database: Database = request.getfixturevalue("database")
        yield database.stores()[0]
    elif request.param == "fake":
        yield fake_stores()
    else:
        path = tmp_path / "log.db"
        with (
            closing(SqliteDatabase(path)) as sqlite,
            closing(SqliteDatabase(path, durable=False)) as other,
        ):
            journal = SqliteJournal(sqlite)
            yield fake_stores()._replace(
                journal=journal,
                ledger=SqliteLedger(sqlite),
                endpoints=SqliteEndpoints(sqlite, journal, other),
                deliveries=SqliteDeliveries(other),
            )
