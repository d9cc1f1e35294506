"""Adapters on the state table whose every write is told by an event, in the same transaction."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tocsin.adapters.dynamodb._calls import transact
from tocsin.adapters.dynamodb._state import StateTable
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.domain.batch import Batch

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["ToldTable", "not_changed_since"]


class ToldTable(StateTable):
    """The state table beside a journal."""

    def __init__(self, client: "DynamoDBClient", table: str, journal: DynamoJournal) -> None:
        super().__init__(client, table)
        self._journal = journal

    def _tell(self, items: Sequence[Any], batch: Batch, packed: bytes) -> bool:
        """Write items and the batch that tells of them; False as :func:`transact` says."""
        told = {"Put": self._journal.put_request(batch, packed)}
        return transact(self._client, [told, *items])


def not_changed_since(change: str) -> dict[str, Any]:
    """Return a write's condition: the item's last change is this one; empty: there is no item."""
    if not change:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {
        "ConditionExpression": "#change = :was",
        "ExpressionAttributeNames": {"#change": "change"},
        "ExpressionAttributeValues": {":was": {"S": change}},
    }
