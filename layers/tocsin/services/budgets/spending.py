"""Telling that a budget is used up, when the projections have counted what used it up."""

from collections.abc import Collection, Sequence
from typing import Any

from tocsin.domain.budgets import PERIODS, Budget, spent_id
from tocsin.domain.projection import SPENT
from tocsin.ports.projections import Projections
from tocsin.services.budgets.changing import Changing

__all__ = ["Spending"]


class Spending:
    """What the projector asks and tells. Everything blocks, and may raise Busy."""

    def __init__(self, changing: Changing, projections: Projections) -> None:
        self._changing = changing
        self._projections = projections

    def budgets(self, org: str) -> Sequence[Budget]:
        """Return the budgets that are counted, also those that are disabled."""
        return self._changing.store.all(org)

    def __call__(
        self, org: str, budgets: Sequence[Budget], changed: Collection[str], generation: int
    ) -> None:
        """Tell of those budgets whose changed items reach their limits; each period's once.

        Whoever applies a run calls this before the run is recorded as applied: so it is done,
        whatever is killed.
        """
        for budget in budgets:
            for id in changed:
                day, _, of = id.partition("#")
                if of == budget.counter and day not in budget.exceeded:
                    self._look(budget, day, generation)

    def _look(self, budget: Budget, id: str, generation: int) -> None:
        """Tell that a period's use reaches the limits, if it does."""
        period = next(period for period, chars in PERIODS.items() if len(id) == chars)
        org, item = budget.org, spent_id(budget.counter, id)
        counted = self._projections.get(org, SPENT, item, generation) or {}

        def plan(now: Budget, _: int) -> tuple[Budget, Sequence[dict[str, Any]]]:
            return self._changing.reached(now, [(period, id, now.used(id, counted))])

        if budget.beyond(period, budget.used(id, counted)):
            self._changing(org, budget.id, plan)
