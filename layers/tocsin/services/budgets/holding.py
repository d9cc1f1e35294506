"""What a used-up budget does to the calls that its subject wants to make."""

from typing import Final

from tocsin.domain.approvals import Call
from tocsin.domain.budgets import Budget, BudgetAction
from tocsin.domain.errors import LimitReached
from tocsin.domain.limits import BUDGET_TURN_SECONDS
from tocsin.domain.times import iso_ms
from tocsin.ports.deciding import Budgets
from tocsin.ports.world import Clock
from tocsin.services.access.remembered import BRIEFLY_MS, Remembered

__all__ = ["Holding"]

_BLOCKING: Final = (BudgetAction.BLOCK, BudgetAction.REVOKE)


class Holding:
    """The budgets of orgs, as they were up to three seconds ago."""

    def __init__(self, store: Budgets, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._budgets = Remembered(store.all, clock, remembered_ms=BRIEFLY_MS)

    def blocked_agents(self, org: str) -> frozenset[str]:
        """Return the agents whose own budgets deny their calls. Raises Busy."""
        time = iso_ms(self._clock.now_ms())
        return frozenset(
            budget.subject
            for budget in self._budgets.read(org)
            if budget.kind == "agent" and budget.action in _BLOCKING and budget.used_up(time)
        )

    def denies(self, org: str, call: Call) -> str:
        """Return why a call is denied; "" if no budget denies it.

        Raises:
            Busy: the store does not answer.
        """
        return next((_why(each) for each in self._used_up(org, call, *_BLOCKING)), "")

    def take_turn(self, org: str, call: Call) -> None:
        """Let a call through that may come now: of a throttled subject one in some seconds.

        Raises:
            LimitReached: it may not, yet.
            Busy: the store does not answer.
        """
        for budget in self._used_up(org, call, BudgetAction.THROTTLE):
            now_ms = self._clock.now_ms()
            if not self._store.take_turn(org, budget.id, now_ms, BUDGET_TURN_SECONDS * 1_000):
                raise LimitReached(
                    f"{_why(budget)}: one call in {BUDGET_TURN_SECONDS} seconds is let through",
                    BUDGET_TURN_SECONDS,
                )

    def _used_up(self, org: str, call: Call, *actions: BudgetAction) -> list[Budget]:
        time = iso_ms(self._clock.now_ms())
        names = {"agent": call.agent, "user": call.owner, "session": call.session}
        return [
            budget
            for budget in self._budgets.read(org)
            if budget.action in actions and budget.of(names) and budget.used_up(time)
        ]


def _why(budget: Budget) -> str:
    whose = "the org" if budget.kind == "org" else f"the {budget.kind} {budget.subject}"
    called = f" ({budget.name})" if budget.name else ""
    return f"the budget of {whose}{called} is used up"
