"""The items of some tables, read by the adapters as over the API, without the way there."""

import operator
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from botocore.hooks import HierarchicalEmitter

__all__ = ["Snapshot"]

type Item = Mapping[str, Any]

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<=": operator.le,
    ">=": operator.ge,
    ">": operator.gt,
}


class Snapshot:
    """What a DynamoDB client is to the adapters that read: of its conditions, those they use."""

    def __init__(self, tables: Mapping[str, Iterable[Item]], keys: Mapping[str, tuple[str, str]]):
        self.meta = SimpleNamespace(events=HierarchicalEmitter())  # of a client that sends nothing
        self._keys = keys
        self._items = {
            name: {self.key(name, item): item for item in items} for name, items in tables.items()
        }

    def key(self, table: str, item: Item) -> tuple[Any, Any]:
        return tuple(map(_value, (item[name] for name in self._keys[table])))

    def put(self, table: str, item: Item) -> None:
        self._items[table][self.key(table, item)] = item

    def delete(self, table: str, item: Item) -> None:
        self._items[table].pop(self.key(table, item), None)

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool) -> dict[str, Any]:
        item = self._items[TableName].get(self.key(TableName, Key))
        return {"Item": item} if item else {}

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:
        found = {}
        for table, asked in RequestItems.items():
            items = (self._items[table].get(self.key(table, key)) for key in asked["Keys"])
            found[table] = [item for item in items if item]
        return {"Responses": found}

    def query(
        self,
        *,
        TableName: str,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Item,
        ConsistentRead: bool = False,
        Limit: int | None = None,
        ScanIndexForward: bool = True,
        ExpressionAttributeNames: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        values = {name: _value(value) for name, value in ExpressionAttributeValues.items()}
        partition, _, condition = KeyConditionExpression.partition(" AND ")
        whose = values[partition.split()[-1]]

        def wanted(sort: Any) -> bool:
            match condition.split():
                case [_, "BETWEEN", low, _, high]:
                    return bool(values[low] <= sort <= values[high])
                case [_, how, bound]:
                    return _COMPARE[how](sort, values[bound])
            return True

        found = [
            (sort, item)
            for (owner, sort), item in self._items[TableName].items()
            if owner == whose and wanted(sort)
        ]
        found.sort(key=lambda each: each[0], reverse=not ScanIndexForward)
        return {"Items": [item for _, item in found[:Limit]]}


def _value(value: Mapping[str, Any]) -> Any:
    ((kind, held),) = value.items()
    return Decimal(held) if kind == "N" else held
