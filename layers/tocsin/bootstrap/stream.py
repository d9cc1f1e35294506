"""Wires the stream service."""

from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb import client
from tocsin.adapters.dynamodb.approvals import DynamoApprovals
from tocsin.adapters.dynamodb.detections import DynamoDetectionSettings
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.keys import DynamoKeys
from tocsin.adapters.dynamodb.ledger import DynamoLedger
from tocsin.adapters.dynamodb.orgs import DynamoOrgs
from tocsin.adapters.dynamodb.passes import DynamoPasses
from tocsin.adapters.dynamodb.projections import DynamoProjections
from tocsin.adapters.dynamodb.subjects import DynamoSubjects
from tocsin.adapters.dynamodb.summaries import DynamoSummaries
from tocsin.adapters.dynamodb.trees import DynamoTrees
from tocsin.adapters.embedded_metrics import EmbeddedMetrics
from tocsin.bootstrap import valkey
from tocsin.services.access.access import Access
from tocsin.services.access.presented import Credentials
from tocsin.services.access.sign_ins import SignIns
from tocsin.services.access.tickets import Tickets
from tocsin.services.reading.opening import OpenedJournal
from tocsin.services.stream.parts import StreamLimits, StreamParts
from tocsin.settings import StreamSettings
from tocsin.web.options import HttpOptions

__all__ = ["options", "wire"]


def wire(settings: StreamSettings | None = None) -> StreamParts:
    """Return what the service is made of."""
    settings = settings or StreamSettings()
    db, clock = client(), SystemClock()
    state = settings.state_table
    access = Access(DynamoKeys(db, state), DynamoOrgs(db, state), clock)
    passes = DynamoPasses(db, settings.state_table)
    namespace = settings.metrics_namespace
    journal = DynamoJournal(db, settings.journal_table)
    return StreamParts(
        ledger=DynamoLedger(db, settings.ledger_table),
        journal=OpenedJournal(journal, DynamoSubjects(db, state, journal), clock),
        credentials=Credentials(
            access,
            SignIns(passes, access, clock),
            Tickets(passes, access, clock),
        ),
        clock=clock,
        feed=valkey.feed(settings),
        projections=DynamoProjections(db, settings.state_table),
        summaries=DynamoSummaries(db, settings.state_table),
        approvals=DynamoApprovals(db, settings.state_table, journal),
        detection_settings=DynamoDetectionSettings(db, settings.state_table, journal),
        trees=DynamoTrees(db, settings.state_table, journal),
        metrics=EmbeddedMetrics(namespace, "stream") if namespace else None,
        limits=StreamLimits(
            allowed_types=settings.stream_types,
            max_streams=settings.max_streams,
            max_streams_per_org=settings.streams_per_org,
            max_streams_per_key=settings.max_streams_per_key,
            heartbeat_seconds=settings.heartbeat_seconds,
            stall_seconds=settings.stall_seconds,
            look_seconds=settings.look_seconds,
            ring_events=settings.ring_events,
            retention_days=settings.retention_days,
            max_seconds=settings.stream_max_seconds,
            max_bytes=settings.stream_max_bytes,
            spread_ms=round(settings.reconnect_spread_seconds * 1000),
        ),
    )


def options(settings: StreamSettings | None = None) -> HttpOptions:
    """Return the options of its HTTP routes."""
    settings = settings or StreamSettings()
    return HttpOptions(
        allowed_origins=settings.allowed_origins,
        token_in_query=settings.token_in_query,
        bare_events_route=settings.bare_events_route,
    )
