"""What follows when a budget is used up."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from tocsin.domain.budgets import COUNTED, Budget, Used, in_words
from tocsin.ports import Budgets

__all__ = ["reached", "stored"]

_REMEMBERED: Final = 8

type Counted = Iterable[tuple[str, str, Used]]


def stored(store: Budgets, org: str, id: str) -> Budget:
    """Return a budget as it is stored; one without a change, if there is none."""
    return store.get(org, id) or Budget(org=org, id=id)


def reached(budget: Budget, counted: Counted) -> tuple[Budget, list[dict[str, Any]]]:
    """Return the budget with the periods that are used up, and an event for each that is new.

    ``counted`` is what was used: the kind of a period, its id, and how much.
    """
    exceeded, events = list(budget.exceeded), list[dict[str, Any]]()
    for period, id, used in counted:
        limits = budget.beyond(period, used)
        if not limits or not budget.enabled or id in exceeded:
            continue
        exceeded.append(id)
        events.append(
            {
                "type": "budget.exceeded",
                "status": str(budget.action),
                **budget.event_names,
                "data": {
                    "budget_id": budget.id,
                    "name": budget.name,
                    "action": str(budget.action),
                    "period": period,
                    "period_id": id,
                    "limits": {limit.name: in_words(limit.measure, limit.most) for limit in limits},
                    "used": {
                        measure: in_words(measure, used[counter])
                        for measure, counter in COUNTED.items()
                    },
                },
            }
        )
    return replace(budget, exceeded=tuple(exceeded[-_REMEMBERED:])), events
