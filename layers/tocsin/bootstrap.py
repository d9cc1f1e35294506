"""Wires each deployable: settings in, a use case out. Only this module reads settings."""

import time
from dataclasses import dataclass

from tocsin.adapters.dynamodb import (
    DynamoJournal,
    DynamoKeys,
    DynamoLedger,
    DynamoOrgs,
    DynamoProjections,
    DynamoQuota,
    DynamoReceipts,
    DynamoSetAside,
    client,
)
from tocsin.ports import Broker, Journal, Keys, Ledger, Orgs, SetAside
from tocsin.services.access import Access
from tocsin.services.fanout import Fanout
from tocsin.services.ingest import Ingest
from tocsin.services.sweep import Sweep
from tocsin.settings import FanoutSettings, IngestSettings, StoreSettings

__all__ = ["Admin", "SystemClock", "admin", "fanout", "ingest", "sweep"]


class SystemClock:
    """:class:`~tocsin.ports.Clock` on the system's time."""

    def now_ms(self) -> int:
        """Return the Unix time in milliseconds."""
        return time.time_ns() // 1_000_000


def ingest(settings: IngestSettings | None = None) -> Ingest:
    """Wire the ingest function."""
    settings = settings or IngestSettings()
    db, state, clock = client(), settings.state_table, SystemClock()
    return Ingest(
        access=Access(DynamoKeys(db, state), clock),
        orgs=DynamoOrgs(db, state),
        quota=DynamoQuota(db, state),
        receipts=DynamoReceipts(db, state),
        journal=DynamoJournal(db, settings.journal_table, state, settings.retention_days),
        clock=clock,
    )


def fanout(settings: FanoutSettings | None = None) -> Fanout:
    """Wire the fan-out function."""
    settings = settings or FanoutSettings()
    db, state = client(), settings.state_table
    return Fanout(
        ledger=DynamoLedger(db, settings.ledger_table),
        journal=DynamoJournal(db, settings.journal_table, state),
        projections=DynamoProjections(db, state),
        set_aside=DynamoSetAside(db, state),
        broker=_broker(settings.valkey_url),
        clock=SystemClock(),
    )


def sweep(settings: FanoutSettings | None = None) -> Sweep:
    """Wire the sweeper."""
    settings = settings or FanoutSettings()
    db, state = client(), settings.state_table
    return Sweep(
        orgs=DynamoOrgs(db, state),
        journal=DynamoJournal(db, settings.journal_table, state),
        fanout=fanout(settings),
        clock=SystemClock(),
    )


@dataclass(frozen=True, slots=True)
class Admin:
    """What an administrator works on directly, without the API."""

    keys: Keys
    orgs: Orgs
    set_aside: SetAside
    ledger: Ledger
    journal: Journal


def admin(settings: StoreSettings | None = None) -> Admin:
    """Wire the tables for the command line."""
    settings = settings or StoreSettings()
    db, state = client(), settings.state_table
    return Admin(
        keys=DynamoKeys(db, state),
        orgs=DynamoOrgs(db, state),
        set_aside=DynamoSetAside(db, state),
        ledger=DynamoLedger(db, settings.ledger_table),
        journal=DynamoJournal(db, settings.journal_table, state),
    )


def _broker(url: str | None) -> Broker | None:
    if url is None:
        return None
    from tocsin.adapters.valkey import ValkeyBroker  # 150 ms that only who publishes should wait

    return ValkeyBroker(url)
