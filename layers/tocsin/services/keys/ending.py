"""Ending the keys of a budget's subject."""

from tocsin.domain.budgets import Budget
from tocsin.domain.keys import ApiKey, Scope, standing
from tocsin.services.keys.issuing import Issuing
from tocsin.services.keys.writing import Writing

__all__ = ["Ending"]


class Ending:
    """What a used-up budget does that revokes: it ends the agent's keys, or the user's."""

    def __init__(self, writing: Writing) -> None:
        self._keys = writing.keys
        self._clock = writing.clock
        self._issuing = Issuing(writing)

    def __call__(self, budget: Budget) -> None:
        """End the keys that work, but no admin's: somebody must be able to set it right.

        What one of them delegated ends with it. May be repeated.

        Raises:
            Busy: some may work still.
        """
        known, now_ms = standing(self._keys.all(budget.org)), self._clock.now_ms()
        of_it = {key.id: key for key in known if _ends_with(budget, key) and not key.ended(now_ms)}
        for key in of_it.values():
            if of_it.keys().isdisjoint(key.chain):
                self._issuing.end(key, f"budget:{budget.id}", known)


def _ends_with(budget: Budget, key: ApiKey) -> bool:
    whose = {"agent": key.agent, "user": key.person}
    return whose.get(budget.kind) == budget.subject and Scope.ADMIN not in key.scopes
