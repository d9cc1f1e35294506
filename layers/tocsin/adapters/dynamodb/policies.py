"""Policies in the state table: ``policy#<org>`` · ``current``, and each version's number."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, override

from botocore.exceptions import ClientError

from tocsin.adapters.dynamodb._calls import calls, cancellations, whole
from tocsin.adapters.dynamodb._state import StateTable, item_key, number
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.domain.batch import Batch
from tocsin.domain.policy import Policies
from tocsin.ports import PolicyStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["DynamoPolicies"]

_CURRENT: Final = "current"


class DynamoPolicies(StateTable, PolicyStore):
    """:class:`~tocsin.ports.PolicyStore` on the state table, beside a journal."""

    def __init__(self, client: "DynamoDBClient", table: str, journal: DynamoJournal) -> None:
        super().__init__(client, table)
        self._journal = journal

    @override
    def current(self, org: str) -> Policies | None:
        return _policies(org, self._get(f"policy#{org}", _CURRENT))

    @override
    def version(self, org: str, version: int) -> Policies | None:
        return _policies(org, self._get(f"policy#{org}", f"{version:010}"))

    @override
    def put(self, policies: Policies, batch: Batch, packed: bytes) -> bool:
        attributes = {
            "version": number(policies.version),
            "text": {"S": policies.text},
            "created_at": number(policies.created_at_ms),
            "created_by": {"S": policies.created_by},
            "change": {"S": policies.change},
        }
        pk = f"policy#{policies.org}"
        current: Any = {
            "TableName": self._table,
            "Item": {**item_key(pk, _CURRENT), **attributes},
            "ConditionExpression": "version = :before"
            if policies.version > 1
            else "attribute_not_exists(pk)",
        }
        if policies.version > 1:
            current["ExpressionAttributeValues"] = {":before": number(policies.version - 1)}
        kept: Any = {
            "TableName": self._table,
            "Item": {**item_key(pk, f"{policies.version:010}"), **attributes},
        }
        journal = self._journal.put_request(batch, packed)
        try:
            with calls():
                self._client.transact_write_items(
                    TransactItems=[{"Put": current}, {"Put": kept}, {"Put": journal}]
                )
        except ClientError as error:
            if {"ConditionalCheckFailed", "TransactionConflict"}.intersection(cancellations(error)):
                return False
            raise
        return True


def _policies(org: str, item: Mapping[str, Any] | None) -> Policies | None:
    if item is None:
        return None
    with whole(org, "the policies"):
        return Policies(
            org=org,
            version=int(item["version"]["N"]),
            text=item["text"]["S"],
            created_at_ms=int(item["created_at"]["N"]),
            created_by=item["created_by"]["S"],
            change=item["change"]["S"],
        )
