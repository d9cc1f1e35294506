"""Wires the tables for the command line."""

from collections.abc import Callable
from dataclasses import dataclass

from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb import client
from tocsin.adapters.dynamodb.agents import DynamoAgentStates
from tocsin.adapters.dynamodb.approvals import DynamoApprovals
from tocsin.adapters.dynamodb.budgets import DynamoBudgets
from tocsin.adapters.dynamodb.deliveries import DynamoDeliveries
from tocsin.adapters.dynamodb.detections import DynamoAnomalies, DynamoDetectionSettings
from tocsin.adapters.dynamodb.endpoints import DynamoEndpoints
from tocsin.adapters.dynamodb.holdings import DynamoHoldings
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.keys import DynamoKeyRing, DynamoKeys
from tocsin.adapters.dynamodb.ledger import DynamoLedger
from tocsin.adapters.dynamodb.orgs import DynamoOrgs
from tocsin.adapters.dynamodb.policies import DynamoPolicies
from tocsin.adapters.dynamodb.privacy import DynamoPrivacySettings
from tocsin.adapters.dynamodb.projections import DynamoProjections
from tocsin.adapters.dynamodb.quota import DynamoQuota
from tocsin.adapters.dynamodb.sessions import DynamoSessionStates
from tocsin.adapters.dynamodb.set_aside import DynamoSetAside
from tocsin.adapters.dynamodb.subjects import DynamoSubjects
from tocsin.adapters.dynamodb.trees import DynamoTrees
from tocsin.bootstrap import project
from tocsin.domain.retention import Retention
from tocsin.ports.access import Keys
from tocsin.ports.detecting import Anomalies
from tocsin.ports.intake import Quota
from tocsin.ports.log import Journal, Ledger, SetAside
from tocsin.ports.orgs import Orgs
from tocsin.ports.projections import Projections
from tocsin.ports.world import Clock
from tocsin.services.keys.issuing import Issuing
from tocsin.services.keys.writing import Writing
from tocsin.services.orgs.exporting import Exporting
from tocsin.services.orgs.keeping import Keeping
from tocsin.services.sealing.rebuild import Rebuild
from tocsin.settings import AdminSettings

__all__ = ["Admin", "wire"]


@dataclass(frozen=True, slots=True)
class Admin:
    """What an administrator works on directly, without the API."""

    keys: Keys
    issuing: Issuing
    orgs: Orgs
    tenants: Keeping
    quota: Quota
    exporting: Exporting
    set_aside: SetAside
    ledger: Ledger
    journal: Journal
    projections: Projections
    anomalies: Anomalies
    clock: Clock
    rebuild: Rebuild
    retention: Callable[[], Retention]


def wire(settings: AdminSettings | None = None) -> Admin:
    """Return the ports on the tables that the settings name."""
    settings = settings or AdminSettings()
    db, state, clock = client(), settings.state_table, SystemClock()
    ledger = DynamoLedger(db, settings.ledger_table)
    journal = DynamoJournal(db, settings.journal_table, settings.retention_days)
    orgs = DynamoOrgs(db, state)
    projections, keys = DynamoProjections(db, state), DynamoKeys(db, state)
    holdings = DynamoHoldings(db, settings.journal_table, settings.ledger_table, state)

    def retention() -> Retention:
        return Retention(clock.now_ms(), settings.retention_days)

    anomalies = DynamoAnomalies(db, state, journal)
    return Admin(
        keys=keys,
        issuing=Issuing(Writing(keys, DynamoKeyRing(db, state, journal), clock)),
        orgs=orgs,
        tenants=Keeping(orgs, holdings, clock),
        quota=DynamoQuota(db, state),
        exporting=Exporting(
            ledger=ledger,
            journal=journal,
            keys=keys,
            approvals=DynamoApprovals(db, state, journal),
            policies=DynamoPolicies(db, state, journal),
            projections=projections,
            session_states=DynamoSessionStates(db, state, journal),
            agent_states=DynamoAgentStates(db, state, journal),
            budgets=DynamoBudgets(db, state, journal),
            anomalies=anomalies,
            detection_settings=DynamoDetectionSettings(db, state, journal),
            privacy_settings=DynamoPrivacySettings(db, state, journal),
            subjects=DynamoSubjects(db, state, journal),
            trees=DynamoTrees(db, state, journal),
            endpoints=DynamoEndpoints(db, state, journal),
            deliveries=DynamoDeliveries(db, state),
            retention=retention,
        ),
        set_aside=DynamoSetAside(db, state),
        ledger=ledger,
        journal=journal,
        projections=projections,
        anomalies=anomalies,
        clock=clock,
        rebuild=Rebuild(
            ledger=ledger,
            journal=journal,
            projections=projections,
            projector=project.projector(settings, db, clock),
            summariser=project.summariser(settings, db, clock),
        ),
        retention=retention,
    )
