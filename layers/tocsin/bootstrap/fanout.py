"""Wires the fan-out function."""

from typing import TYPE_CHECKING

from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb import client
from tocsin.adapters.dynamodb.ledger import DynamoLedger
from tocsin.adapters.dynamodb.orgs import DynamoOrgs
from tocsin.adapters.dynamodb.set_aside import DynamoSetAside
from tocsin.bootstrap import valkey
from tocsin.ports.log import Broker
from tocsin.ports.world import Clock
from tocsin.services.sealing.fanout import Fanout
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
) -> Fanout:
    """Return the use case on the tables; it publishes where the settings name a Valkey."""
    settings = settings or FanoutSettings()
    db = db or client()
    return Fanout(
        ledger=DynamoLedger(db, settings.ledger_table),
        set_aside=DynamoSetAside(db, settings.state_table),
        broker=broker or valkey.broker(settings),
        clock=clock or SystemClock(),
        kept_days=settings.retention_days,
        orgs=DynamoOrgs(db, settings.state_table),
    )
