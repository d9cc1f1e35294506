"""Changing a budget, and what follows when it is used up."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from tocsin.domain.budgets import COUNTED, Budget, BudgetAction, Used, in_words
from tocsin.ports.deciding import Budgets
from tocsin.ports.world import Clock
from tocsin.services.intake.told import tell

__all__ = ["Changing"]

_REMEMBERED: Final = 8

type Counted = Iterable[tuple[str, str, Used]]
type Plan = Callable[[Budget, int], tuple[Budget, Sequence[dict[str, Any]]]]


class Changing:
    """Writes budgets, each with what tells of it. Everything blocks, and may raise Busy."""

    def __init__(self, store: Budgets, clock: Clock, revoke: Callable[[Budget], None]) -> None:
        """Wire the ports; ``revoke`` ends the keys of a budget's subject, and may be repeated."""
        self.store = store
        self.clock = clock
        self._revoke = revoke

    def __call__(
        self, org: str, id: str, plan: Plan, write: Callable[..., bool] | None = None
    ) -> Budget:
        """Write what ``plan`` makes of a budget; of one without a change, if there is none.

        ``write`` takes the place of the store's. See :func:`.told.tell`.
        """

        def read() -> Budget:
            return self.store.get(org, id) or Budget(org=org, id=id)

        return tell(org, self.clock, read, plan, write or self.store.write, "budget")

    def reached(self, budget: Budget, counted: Counted) -> tuple[Budget, list[dict[str, Any]]]:
        """Return the budget with the periods that are used up, and an event for each that is new.

        ``counted`` is what was used: the kind of a period, its id, and how much. Where the budget
        revokes, that is done before it is told: so it is done, whatever is killed.
        """
        next, events = _reached(budget, counted)
        if events and budget.action is BudgetAction.REVOKE:
            self._revoke(budget)
        return next, events


def _reached(budget: Budget, counted: Counted) -> tuple[Budget, list[dict[str, Any]]]:
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
