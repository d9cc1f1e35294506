"""Policies in the state table: ``policy#<org>`` · ``current``, and each version's number."""

from collections.abc import Mapping
from typing import Any, Final, override

from tocsin.adapters.dynamodb._calls import whole
from tocsin.adapters.dynamodb._state import item_key, number
from tocsin.adapters.dynamodb._told import ToldTable
from tocsin.domain.batch import Batch
from tocsin.domain.policy import Policies
from tocsin.ports.deciding import PolicyStore

__all__ = ["DynamoPolicies"]

_CURRENT: Final = "current"


class DynamoPolicies(ToldTable, PolicyStore):
    """:class:`~tocsin.ports.deciding.PolicyStore` on the state table, beside a journal."""

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
        return self._tell([{"Put": current}, {"Put": kept}], batch, packed)


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
