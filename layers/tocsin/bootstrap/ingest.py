"""Wires the ingest function."""

from functools import cache
from typing import TYPE_CHECKING

from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb import client
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.keys import DynamoKeys
from tocsin.adapters.dynamodb.orgs import DynamoOrgs
from tocsin.adapters.dynamodb.privacy import DynamoPrivacySettings
from tocsin.adapters.dynamodb.quota import DynamoQuota
from tocsin.adapters.dynamodb.receipts import DynamoReceipts
from tocsin.adapters.dynamodb.sessions import DynamoSessionStates
from tocsin.adapters.dynamodb.subjects import DynamoSubjects
from tocsin.ports.log import Ledger
from tocsin.ports.world import Clock
from tocsin.services.access.access import Access
from tocsin.services.intake.ingest import Ingest
from tocsin.services.intake.protecting import Protecting
from tocsin.services.intake.screening import remembered
from tocsin.services.sessions.suspended import Suspended
from tocsin.settings import IngestSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["wire"]


def wire(
    settings: IngestSettings | None = None,
    *,
    db: "DynamoDBClient | None" = None,
    clock: Clock | None = None,
) -> Ingest:
    """Return the use case on the tables that the settings name."""
    settings = settings or IngestSettings()
    db, state, clock = db or client(), settings.state_table, clock or SystemClock()
    journal = DynamoJournal(db, settings.journal_table, settings.retention_days)
    states = DynamoSessionStates(db, state, journal)
    privacy = remembered(DynamoPrivacySettings(db, state, journal), clock)
    orgs = DynamoOrgs(db, state)
    return Ingest(
        access=Access(DynamoKeys(db, state), orgs, clock),
        orgs=orgs,
        quota=DynamoQuota(db, state),
        receipts=DynamoReceipts(db, state, journal),
        journal=journal,
        clock=clock,
        ledger=cache(lambda: _ledger(db, settings.ledger_table)),
        suspended=Suspended(states, clock).or_none,
        privacy=privacy,
        protecting=Protecting(privacy, DynamoSubjects(db, state, journal)),
    )


def _ledger(db: "DynamoDBClient", table: str) -> Ledger:
    from tocsin.adapters.dynamodb.ledger import DynamoLedger  # most cold starts do without it

    return DynamoLedger(db, table)
