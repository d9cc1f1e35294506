"""Wires the sweeper."""

from typing import TYPE_CHECKING

from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb import client
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.orgs import DynamoOrgs
from tocsin.bootstrap import fanout
from tocsin.ports.log import Broker
from tocsin.ports.world import Clock
from tocsin.services.sealing.sweep import Sweep
from tocsin.settings import FanoutSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["wire"]


def wire(
    settings: FanoutSettings | None = None,
    *,
    db: "DynamoDBClient | None" = None,
    clock: Clock | None = None,
    broker: Broker | None = None,
) -> Sweep:
    """Return the use case on the tables, with a fan-out of its own."""
    settings = settings or FanoutSettings()
    db, clock = db or client(), clock or SystemClock()
    return Sweep(
        orgs=DynamoOrgs(db, settings.state_table),
        journal=DynamoJournal(db, settings.journal_table),
        fanout=fanout.wire(settings, db=db, clock=clock, broker=broker),
        clock=clock,
    )
