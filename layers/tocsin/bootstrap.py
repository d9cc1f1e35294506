"""Wires each deployable: settings in, a use case out. Only this module reads settings."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
from tocsin.ports import Broker, Journal, Keys, Ledger, Orgs, Projections, SetAside
from tocsin.services.access import Access
from tocsin.services.fanout import Fanout
from tocsin.services.ingest import Ingest
from tocsin.services.sweep import Sweep
from tocsin.settings import FanoutSettings, IngestSettings, StoreSettings, StreamSettings

if TYPE_CHECKING:
    from tocsin.services.watch import StreamParts

__all__ = ["Admin", "SystemClock", "admin", "fanout", "ingest", "projections", "stream", "sweep"]


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


def projections(settings: StoreSettings | None = None) -> Projections:
    """Wire what is derived from the ledger."""
    settings = settings or StoreSettings()
    return DynamoProjections(client(), settings.state_table)


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


def stream(settings: StreamSettings | None = None) -> "StreamParts":
    """Wire the stream service."""
    from tocsin.adapters.valkey import ValkeyFeed  # what only this service loads
    from tocsin.services.watch import StreamParts

    settings = settings or StreamSettings()
    db, clock = client(), SystemClock()
    return StreamParts(
        ledger=DynamoLedger(db, settings.ledger_table),
        journal=DynamoJournal(db, settings.journal_table, settings.state_table),
        access=Access(DynamoKeys(db, settings.state_table), clock),
        clock=clock,
        feed=ValkeyFeed(settings.valkey_url) if settings.valkey_url else None,
        keepalive_seconds=settings.keepalive_seconds,
        look_seconds=settings.look_seconds,
        ring_events=settings.ring_events,
        retention_days=settings.retention_days,
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
