"""Wires each deployable: settings in, a use case out. Only this module reads settings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb import (
    DynamoJournal,
    DynamoKeys,
    DynamoLedger,
    DynamoOrgs,
    DynamoPasses,
    DynamoProjections,
    DynamoQuota,
    DynamoReceipts,
    DynamoSetAside,
    client,
)
from tocsin.ports import (
    Broker,
    Clock,
    Journal,
    Keys,
    Ledger,
    Metrics,
    Orgs,
    Projections,
    SetAside,
)
from tocsin.services.access import Access
from tocsin.services.fanout import Fanout
from tocsin.services.ingest import Ingest
from tocsin.services.project import Projector
from tocsin.services.sweep import Sweep
from tocsin.settings import (
    FanoutSettings,
    IngestSettings,
    StoreSettings,
    StreamSettings,
    ValkeySettings,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from tocsin.adapters.valkey import IamCredentials, ValkeyFeed
    from tocsin.services.watch import StreamParts

__all__ = ["Admin", "SystemClock", "admin", "fanout", "ingest", "project", "stream", "sweep"]

_WRITERS = 8  # writes in flight at once; more than a function's share of a core can marshal


def ingest(settings: IngestSettings | None = None) -> Ingest:
    """Wire the ingest function."""
    settings = settings or IngestSettings()
    db, state, clock = client(), settings.state_table, SystemClock()
    return Ingest(
        access=Access(DynamoKeys(db, state), clock),
        orgs=DynamoOrgs(db, state),
        quota=DynamoQuota(db, state),
        receipts=DynamoReceipts(db, state),
        journal=DynamoJournal(db, settings.journal_table, settings.retention_days),
        clock=clock,
    )


def fanout(settings: FanoutSettings | None = None) -> Fanout:
    """Wire the fan-out function."""
    return _fanout(settings or FanoutSettings(), client())


def _fanout(settings: FanoutSettings, db: "DynamoDBClient") -> Fanout:
    return Fanout(
        ledger=DynamoLedger(db, settings.ledger_table),
        set_aside=DynamoSetAside(db, settings.state_table),
        broker=_broker(settings),
        clock=SystemClock(),
    )


def project(settings: StoreSettings | None = None) -> Projector:
    """Wire the project function."""
    settings = settings or StoreSettings()
    db, state = client(), settings.state_table
    return Projector(
        ledger=DynamoLedger(db, settings.ledger_table),
        journal=DynamoJournal(db, settings.journal_table),
        projections=DynamoProjections(db, state),
        writers=_WRITERS,
    )


def sweep(settings: FanoutSettings | None = None) -> Sweep:
    """Wire the sweeper."""
    settings = settings or FanoutSettings()
    db, state = client(), settings.state_table
    return Sweep(
        orgs=DynamoOrgs(db, state),
        journal=DynamoJournal(db, settings.journal_table),
        fanout=_fanout(settings, db),
        clock=SystemClock(),
    )


def stream(settings: StreamSettings | None = None) -> "StreamParts":
    """Wire the stream service."""
    from tocsin.services.sessions import Sessions  # what only this service loads
    from tocsin.services.tickets import Tickets
    from tocsin.services.watch import StreamParts

    settings = settings or StreamSettings()
    db, clock = client(), SystemClock()
    access = Access(DynamoKeys(db, settings.state_table), clock)
    passes = DynamoPasses(db, settings.state_table)
    return StreamParts(
        ledger=DynamoLedger(db, settings.ledger_table),
        journal=DynamoJournal(db, settings.journal_table),
        access=access,
        clock=clock,
        feed=_feed(settings),
        sessions=Sessions(passes, access, clock, settings.session_seconds),
        tickets=Tickets(passes, access, clock),
        allowed_origins=settings.allowed_origins,
        projections=DynamoProjections(db, settings.state_table),
        allowed_types=settings.stream_types,
        max_streams=settings.max_streams,
        max_streams_per_org=settings.max_streams_per_org,
        max_streams_per_key=settings.max_streams_per_key,
        token_in_query=settings.token_in_query,
        bare_events_route=settings.bare_events_route,
        stall_seconds=settings.stall_seconds,
        keepalive_seconds=settings.keepalive_seconds,
        look_seconds=settings.look_seconds,
        ring_events=settings.ring_events,
        retention_days=settings.retention_days,
        max_seconds=settings.stream_max_seconds,
        max_bytes=settings.stream_max_bytes,
        spread_ms=round(settings.reconnect_spread_seconds * 1000),
        metrics=_metrics(settings),
    )


@dataclass(frozen=True, slots=True)
class Admin:
    """What an administrator works on directly, without the API."""

    keys: Keys
    orgs: Orgs
    set_aside: SetAside
    ledger: Ledger
    journal: Journal
    projections: Projections


def admin(settings: StoreSettings | None = None) -> Admin:
    """Wire the tables for the command line."""
    settings = settings or StoreSettings()
    db, state = client(), settings.state_table
    return Admin(
        keys=DynamoKeys(db, state),
        orgs=DynamoOrgs(db, state),
        set_aside=DynamoSetAside(db, state),
        ledger=DynamoLedger(db, settings.ledger_table),
        journal=DynamoJournal(db, settings.journal_table),
        projections=DynamoProjections(db, state),
    )


def _broker(settings: ValkeySettings) -> Broker | None:
    if settings.valkey_url is None:
        return None
    from tocsin.adapters.valkey import ValkeyBroker  # 150 ms that only who publishes should wait

    return ValkeyBroker(settings.valkey_url, *_sign_in(settings))


def _feed(settings: ValkeySettings) -> "ValkeyFeed | None":
    if settings.valkey_url is None:
        return None
    from tocsin.adapters.valkey import ValkeyFeed

    return ValkeyFeed(settings.valkey_url, *_sign_in(settings))


def _metrics(settings: StreamSettings) -> Metrics | None:
    if settings.metrics_namespace is None:
        return None
    from tocsin.adapters.embedded_metrics import EmbeddedMetrics

    return EmbeddedMetrics(settings.metrics_namespace, "stream")


def _sign_in(settings: ValkeySettings) -> "tuple[IamCredentials, Clock] | tuple[()]":
    """Return what either end needs to sign in to ElastiCache and to do so again in time."""
    if settings.valkey_iam_user is None or settings.valkey_cache_name is None:
        return ()
    from tocsin.adapters.valkey import IamCredentials

    clock = SystemClock()
    return IamCredentials(settings.valkey_iam_user, settings.valkey_cache_name, clock), clock
