"""Wires the expire function."""

from typing import TYPE_CHECKING

from tocsin.adapters import sqs
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb import client
from tocsin.adapters.dynamodb.approvals import DynamoApprovals
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.orgs import DynamoOrgs
from tocsin.ports.deciding import Timers
from tocsin.ports.world import Clock
from tocsin.services.approvals.expiring import Expiring
from tocsin.services.approvals.steps import Steps
from tocsin.services.approvals.waking import Waking
from tocsin.settings import ExpireSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["wire"]


def wire(
    settings: ExpireSettings | None = None,
    *,
    db: "DynamoDBClient | None" = None,
    clock: Clock | None = None,
    timers: Timers | None = None,
) -> Waking:
    """Return the use cases on the tables and the queue."""
    settings = settings or ExpireSettings()
    db = db or client()
    timers = timers or sqs.SqsTimers(sqs.client(), settings.expiry_queue_url)
    journal = DynamoJournal(db, settings.journal_table, settings.retention_days)
    store = DynamoApprovals(db, settings.state_table, journal)
    steps = Steps(store, clock or SystemClock())
    return Waking(DynamoOrgs(db, settings.state_table), Expiring(steps, timers))
