"""Wires the tables for the command line."""

from collections.abc import Callable
from dataclasses import dataclass

from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb import client
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.keys import DynamoKeys
from tocsin.adapters.dynamodb.ledger import DynamoLedger
from tocsin.adapters.dynamodb.orgs import DynamoOrgs
from tocsin.adapters.dynamodb.projections import DynamoProjections
from tocsin.adapters.dynamodb.set_aside import DynamoSetAside
from tocsin.bootstrap import project
from tocsin.domain.retention import Retention
from tocsin.ports import Clock, Journal, Keys, Ledger, Orgs, Projections, SetAside
from tocsin.services.sealing.rebuild import Rebuild
from tocsin.settings import ProjectSettings

__all__ = ["Admin", "wire"]


@dataclass(frozen=True, slots=True)
class Admin:
    """What an administrator works on directly, without the API."""

    keys: Keys
    orgs: Orgs
    set_aside: SetAside
    ledger: Ledger
    journal: Journal
    projections: Projections
    clock: Clock
    rebuild: Rebuild
    retention: Callable[[], Retention]


def wire(settings: ProjectSettings | None = None) -> Admin:
    """Return the ports on the tables that the settings name."""
    settings = settings or ProjectSettings()
    db, state, clock = client(), settings.state_table, SystemClock()
    ledger = DynamoLedger(db, settings.ledger_table)
    journal = DynamoJournal(db, settings.journal_table)
    projections = DynamoProjections(db, state)
    return Admin(
        keys=DynamoKeys(db, state),
        orgs=DynamoOrgs(db, state),
        set_aside=DynamoSetAside(db, state),
        ledger=ledger,
        journal=journal,
        projections=projections,
        clock=clock,
        rebuild=Rebuild(
            ledger=ledger,
            journal=journal,
            projections=projections,
            projector=project.wire(settings, db=db),
        ),
        retention=lambda: Retention(clock.now_ms(), settings.retention_days),
    )
