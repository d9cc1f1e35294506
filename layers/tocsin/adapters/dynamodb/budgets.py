"""Budgets in the state table: ``budget#<org>`` · id, and when one's subject may go on.

That is ``budget-turn#<org>`` · id. (``spent#<org>`` holds what the projections count for them.)
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, override

import orjson

from tocsin.adapters.dynamodb._calls import whole
from tocsin.adapters.dynamodb._state import item_key, number
from tocsin.adapters.dynamodb._told import ToldTable, not_changed_since
from tocsin.adapters.dynamodb.projections import standing_at
from tocsin.domain.batch import Batch
from tocsin.domain.budgets import Budget, BudgetAction, Limit
from tocsin.domain.errors import IntegrityError
from tocsin.domain.projection import Projected
from tocsin.ports.deciding import Budgets

__all__ = ["DynamoBudgets"]


class DynamoBudgets(ToldTable, Budgets):
    """:class:`~tocsin.ports.deciding.Budgets` on the state table, beside a journal."""

    @override
    def all(self, org: str) -> Sequence[Budget]:
        found = []
        for item in self._all(f"budget#{org}"):
            with suppress(IntegrityError):  # one that is damaged must not hold up the others
                found.append(_budget(org, item))
        return sorted(found, key=lambda budget: (budget.created_at_ms, budget.id))

    @override
    def get(self, org: str, id: str) -> Budget | None:
        item = self._get(f"budget#{org}", id)
        return _budget(org, item) if item else None

    @override
    def write(
        self, budget: Budget, was: str, batch: Batch, packed: bytes, at: Projected | None = None
    ) -> bool:
        item = {
            **item_key(f"budget#{budget.org}", budget.id),
            "name": {"S": budget.name},
            "kind": {"S": budget.kind},
            "subject": {"S": budget.subject},
            "limits": {"S": orjson.dumps(budget.limits).decode()},
            "action": {"S": budget.action},
            "enabled": {"BOOL": budget.enabled},
            "created_at": number(budget.created_at_ms),
            "created_by": {"S": budget.created_by},
            "change": {"S": budget.change},
            "counter": {"S": budget.counter},
            "from_seq": number(budget.from_seq),
            "opening": {"S": orjson.dumps(budget.opening).decode()},
            "exceeded": {"S": orjson.dumps(budget.exceeded).decode()},
        }
        put: Any = {"TableName": self._table, "Item": item, **not_changed_since(was)}
        items = [{"Put": put}]
        if at is not None:
            items.append({"ConditionCheck": standing_at(self._table, budget.org, at)})
        return self._tell(items, batch, packed)

    @override
    def remove(self, budget: Budget, batch: Batch, packed: bytes) -> bool:
        delete: Any = {
            "TableName": self._table,
            "Key": item_key(f"budget#{budget.org}", budget.id),
            **not_changed_since(budget.change),
        }
        return self._tell([{"Delete": delete}], batch, packed)

    @override
    def take_turn(self, org: str, id: str, now_ms: int, wait_ms: int) -> bool:
        taken = self._update(
            f"budget-turn#{org}",
            id,
            "SET taken_at = :now, expires_at = :gone",
            {
                ":now": number(now_ms),
                ":before": number(now_ms - wait_ms),
                ":gone": number((now_ms + wait_ms) // 1_000 + 60),
            },
            # A time to come is of a clock that was wrong.
            "attribute_not_exists(taken_at) OR taken_at <= :before OR taken_at > :now",
        )
        return taken is not None


def _budget(org: str, item: Mapping[str, Any]) -> Budget:
    with whole(org, "a budget"):
        return Budget(
            org=org,
            id=item["sk"]["S"],
            name=item["name"]["S"],
            kind=item["kind"]["S"],
            subject=item["subject"]["S"],
            limits=tuple(Limit(**limit) for limit in orjson.loads(item["limits"]["S"])),
            action=BudgetAction(item["action"]["S"]),
            enabled=item["enabled"]["BOOL"],
            created_at_ms=int(item["created_at"]["N"]),
            created_by=item["created_by"]["S"],
            change=item["change"]["S"],
            counter=item["counter"]["S"],
            from_seq=int(item["from_seq"]["N"]),
            opening=dict(orjson.loads(item["opening"]["S"])),
            exceeded=tuple(orjson.loads(item["exceeded"]["S"])),
        )
