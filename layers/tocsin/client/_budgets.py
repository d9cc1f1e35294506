"""Budgets: seen, set and removed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self, TypedDict, Unpack

from tocsin.client._asking import Asking, AsyncAsking, Flow, Question, listed, one, path

__all__ = ["AsyncBudgets", "Budget", "BudgetOptions", "Budgets"]

_BUDGETS: Final = "/api/v1/budgets"

type _Limits = Mapping[str, float]


class BudgetOptions(TypedDict, total=False):
    """Whose a budget is (no id: the org's), and what follows when it is used up."""

    agent_id: str
    user_id: str
    session_id: str
    name: str
    action: Literal["warn", "throttle", "block", "revoke"]
    enabled: bool


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget; ``fields`` is all that Tocsin said of it, what was used among it."""

    id: str
    status: Literal["active", "triggered", "disabled"]
    action: str
    limits: Mapping[str, float]
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Return it as Tocsin's answers have it; raises KeyError or TypeError: it is none."""
        return cls(fields["id"], fields["status"], fields["action"], fields["limits"], fields)


class Budgets(Asking):
    """A client's methods of budgets."""

    def budgets(self) -> list[Budget]:
        """Return the org's budgets, and what was used of each.

        Raises:
            ApiError: Tocsin refused.
            httpx.TransportError: Tocsin can't be reached, or its answer was lost.
        """
        return self._run(_all())

    def budget(self, id: str) -> Budget:
        """Return one budget; raises what :meth:`budgets` raises."""
        return self._run(_one(id))

    def create_budget(self, limits: _Limits, **options: Unpack[BudgetOptions]) -> Budget:
        """Make a budget, as in ``{"cost_usd_per_day": 5}``; needs the scope ``admin``.

        It is sent once: if the answer is lost, :meth:`budgets` says whether there is one. Raises
        what that raises.
        """
        return self._run(_created(limits, options))

    def update_budget(self, id: str, limits: _Limits, **options: Unpack[BudgetOptions]) -> Budget:
        """Change a budget: what is left out is as in a new one."""
        return self._run(_updated(id, limits, options))

    def remove_budget(self, id: str) -> None:
        """Remove a budget.

        An ApiError's ``status`` is 404 if there is none, also by a try of this very call whose
        answer was lost.
        """
        self._run(_removed(id))


class AsyncBudgets(AsyncAsking):
    """The same for asyncio; see :class:`Client`'s methods."""

    async def budgets(self) -> list[Budget]:
        """Return the org's budgets."""
        return await self._run(_all())

    async def budget(self, id: str) -> Budget:
        """Return one budget."""
        return await self._run(_one(id))

    async def create_budget(self, limits: _Limits, **options: Unpack[BudgetOptions]) -> Budget:
        """Make a budget."""
        return await self._run(_created(limits, options))

    async def update_budget(
        self, id: str, limits: _Limits, **options: Unpack[BudgetOptions]
    ) -> Budget:
        """Change a budget."""
        return await self._run(_updated(id, limits, options))

    async def remove_budget(self, id: str) -> None:
        """Remove a budget."""
        await self._run(_removed(id))


def _all() -> Flow[list[Budget]]:
    return listed(_BUDGETS, None, Budget.from_fields, "list of budgets")


def _one(id: str) -> Flow[Budget]:
    return one(Question("GET", path(_BUDGETS, id)), Budget.from_fields, "budget")


def _created(limits: _Limits, options: BudgetOptions) -> Flow[Budget]:
    body = {"limits": dict(limits), **options}
    return one(Question("POST", _BUDGETS, body=body, once=True), Budget.from_fields, "budget")


def _updated(id: str, limits: _Limits, options: BudgetOptions) -> Flow[Budget]:
    body = {"limits": dict(limits), **options}
    return one(Question("PUT", path(_BUDGETS, id), body=body), Budget.from_fields, "budget")


def _removed(id: str) -> Flow[object]:
    return one(Question("DELETE", path(_BUDGETS, id)), lambda body: body["deleted"], "budget")
