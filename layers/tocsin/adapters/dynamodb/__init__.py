"""The journal, the ledger and the state, each on a DynamoDB table."""

from tocsin.adapters.dynamodb._calls import client
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.ledger import DynamoLedger
from tocsin.adapters.dynamodb.passes import DynamoPasses
from tocsin.adapters.dynamodb.projections import DynamoProjections
from tocsin.adapters.dynamodb.state import (
    DynamoKeys,
    DynamoOrgs,
    DynamoQuota,
    DynamoReceipts,
    DynamoSetAside,
)

__all__ = [
    "DynamoJournal",
    "DynamoKeys",
    "DynamoLedger",
    "DynamoOrgs",
    "DynamoPasses",
    "DynamoProjections",
    "DynamoQuota",
    "DynamoReceipts",
    "DynamoSetAside",
    "client",
]
