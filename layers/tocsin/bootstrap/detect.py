"""Wires the detect function."""

from typing import TYPE_CHECKING

from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb import client
from tocsin.adapters.dynamodb.detections import DynamoDetections, DynamoDetectionSettings
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.ledger import DynamoLedger
from tocsin.adapters.dynamodb.sessions import DynamoSessionStates
from tocsin.adapters.dynamodb.subjects import DynamoSubjects
from tocsin.domain.retention import Retention
from tocsin.domain.sessions import SessionStatus
from tocsin.ports.world import Clock
from tocsin.services.detect.detecting import Detector
from tocsin.services.reading.opening import OpenedJournal
from tocsin.services.sessions.deciding import Deciding
from tocsin.settings import DetectSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["wire"]

_BY = "tocsin:detection"


def wire(
    settings: DetectSettings | None = None,
    *,
    db: "DynamoDBClient | None" = None,
    clock: Clock | None = None,
) -> Detector:
    """Return the use case on the tables."""
    settings = settings or DetectSettings()
    db, clock = db or client(), clock or SystemClock()
    journal = DynamoJournal(db, settings.journal_table, settings.retention_days)
    deciding = Deciding(DynamoSessionStates(db, settings.state_table, journal), clock)

    def suspend(org: str, session: str, reason: str) -> None:
        deciding.set(org, _BY, session, SessionStatus.SUSPENDED, reason)

    kept = DynamoDetectionSettings(db, settings.state_table, journal)
    return Detector(
        ledger=DynamoLedger(db, settings.ledger_table),
        journal=OpenedJournal(journal, DynamoSubjects(db, settings.state_table, journal), clock),
        detections=DynamoDetections(db, settings.state_table, journal),
        clock=clock,
        suspend=suspend,
        settings=lambda org: kept.get(org).settings,
        retention=lambda: Retention(clock.now_ms(), settings.retention_days),
    )
