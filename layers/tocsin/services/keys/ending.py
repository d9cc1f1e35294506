"""Ending the keys of a budget's subject."""

from tocsin.domain.budgets import Budget
from tocsin.domain.keys import ApiKey, Scope
from tocsin.services.keys.issuing import Issuing
from tocsin.services.keys.writing import Writing

__all__ = ["Ending"]


class Ending:
    """What a used-up budget does that revokes: it ends the agent's keys, or the user's."""

    def __init__(self, writing: Writing) -> None:
        self._keys = writing.keys
        self._issuing = Issuing(writing)

    def __call__(self, budget: Budget) -> None:
        """End the keys that work, but no admin's: somebody must be able to set it right.

        May be repeated.

        Raises:
            Busy: some may work still.
        """
        for key in self._keys.all(budget.org):
            if _is_of(key, budget) and Scope.ADMIN not in key.scopes:
                self._issuing.end(key, f"budget:{budget.id}")


def _is_of(key: ApiKey, budget: Budget) -> bool:
    whose = {"agent": key.agent, "user": key.person}
    return whose.get(budget.kind) == budget.subject
