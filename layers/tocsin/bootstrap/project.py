"""Wires the project function."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tocsin.adapters import sqs
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb import client
from tocsin.adapters.dynamodb.budgets import DynamoBudgets
from tocsin.adapters.dynamodb.endpoints import DynamoEndpoints
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.keys import DynamoKeyRing, DynamoKeys
from tocsin.adapters.dynamodb.ledger import DynamoLedger
from tocsin.adapters.dynamodb.projections import DynamoProjections
from tocsin.adapters.dynamodb.sessions import DynamoSessionStates
from tocsin.adapters.dynamodb.summaries import DynamoSummaries
from tocsin.domain.retention import Retention
from tocsin.ports.notify import Wakes
from tocsin.ports.projections import Tails
from tocsin.ports.world import Clock
from tocsin.services.budgets.changing import Changing
from tocsin.services.budgets.spending import Spending
from tocsin.services.keys.ending import Ending
from tocsin.services.keys.writing import Writing
from tocsin.services.sealing.project import Projector
from tocsin.services.sealing.summaries import Summariser
from tocsin.services.sealing.waking import Expected, Following, Waking
from tocsin.services.sessions.beginning import Beginning
from tocsin.settings import AdminSettings, ProjectSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["Project", "projector", "summariser", "wire"]

_THREADS = 8  # calls that wait at once; more than a function's share of a core can marshal


@dataclass(frozen=True, slots=True)
class Project:
    """What the function does: ``wake`` at once, and ``follow`` later."""

    wake: Waking
    follow: Following


def wire(
    settings: ProjectSettings | None = None,
    *,
    db: "DynamoDBClient | None" = None,
    clock: Clock | None = None,
    wakes: Wakes | None = None,
    tails: Tails | None = None,
) -> Project:
    """Return the use cases on the tables and the queues."""
    settings = settings or ProjectSettings()
    db, clock, seconds = db or client(), clock or SystemClock(), settings.project_seconds
    if wakes is None or tails is None:
        queues = sqs.client()
        wakes = wakes or sqs.SqsWakes(queues, settings.wakes_queue_url)
        tails = tails or sqs.SqsTails(queues, settings.tails_queue_url)
    journal = DynamoJournal(db, settings.journal_table, settings.retention_days)
    endpoints = DynamoEndpoints(db, settings.state_table, journal)
    expected = Expected(tails, clock)
    return Project(
        Waking(endpoints.active, wakes, expected, project_seconds=seconds, threads=_THREADS),
        Following(projector(settings, db, clock), expected, clock, project_seconds=seconds),
    )


def projector(settings: AdminSettings, db: "DynamoDBClient", clock: Clock) -> Projector:
    """Return what makes projections on the tables."""
    state = settings.state_table
    journal = DynamoJournal(db, settings.journal_table, settings.retention_days)
    projections = DynamoProjections(db, state)
    ending = Ending(Writing(DynamoKeys(db, state), DynamoKeyRing(db, state, journal), clock))
    return Projector(
        summariser=summariser(settings, db, clock),
        ledger=DynamoLedger(db, settings.ledger_table),
        journal=journal,
        projections=projections,
        spending=Spending(Changing(DynamoBudgets(db, state, journal), clock, ending), projections),
        retention=lambda: Retention(clock.now_ms(), settings.retention_days),
        writers=_THREADS,
        begin=Beginning(DynamoSessionStates(db, state, journal), clock),
    )


def summariser(settings: AdminSettings, db: "DynamoDBClient", clock: Clock) -> Summariser:
    """Return what makes summaries on the tables."""
    return Summariser(
        ledger=DynamoLedger(db, settings.ledger_table),
        journal=DynamoJournal(db, settings.journal_table),
        summaries=DynamoSummaries(db, settings.state_table),
        retention=lambda: Retention(clock.now_ms(), settings.retention_days),
    )
