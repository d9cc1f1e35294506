"""Keeping an org's budgets: made, changed and removed, each told by an event."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from typing import Any, Final

from tocsin.domain.batch import Batch
from tocsin.domain.budgets import Budget, BudgetAction, Limit, Used, in_words, period_id
from tocsin.domain.errors import Busy, Conflict, NotFound
from tocsin.domain.ids import is_name
from tocsin.domain.keys import ApiKey
from tocsin.domain.limits import MAX_BUDGETS
from tocsin.domain.projection import Projected
from tocsin.domain.times import iso_ms
from tocsin.ports.projections import Projections
from tocsin.services.budgets.changing import Changing
from tocsin.services.budgets.usage import opening, usage
from tocsin.services.intake.stamp import new_id

__all__ = ["BudgetState", "Keeping", "Wanted", "id_of_agent"]

_PAUSES_SECONDS: Final = (0.1, 0.3, 0.6, 1.0, 0.0)  # a run is applied within seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a budget shall be; ``kind`` and ``subject`` as :class:`Budget` has them."""

    name: str = ""
    kind: str = "org"
    subject: str = ""
    limits: tuple[Limit, ...]
    action: BudgetAction = BudgetAction.WARN
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget, what was used of it by the kind of period, and which kinds are used up."""

    budget: Budget
    used: dict[str, Used]
    used_up: tuple[str, ...]


class Keeping:
    """The use cases behind ``/api/v1/budgets``. Everything blocks, and may raise Busy."""

    def __init__(self, changing: Changing, projections: Projections) -> None:
        self._changing = changing
        self._store = changing.store
        self._clock = changing.clock
        self._projections = projections

    def all(self, org: str) -> Sequence[BudgetState]:
        """Return every budget, oldest first."""
        return self._states(org, self._store.all(org))

    def one(self, org: str, id: str) -> BudgetState:
        """Return a budget, or raise NotFound."""
        return self._states(org, [self._found(org, id)])[0]

    def create(self, key: ApiKey, wanted: Wanted) -> BudgetState:
        """Make a budget.

        Raises:
            Conflict: the org has :data:`.limits.MAX_BUDGETS`.
        """
        return self._put(key, f"bud_{new_id(self._clock.now_ms()).lower()}", wanted)

    def change(self, key: ApiKey, id: str, wanted: Wanted) -> BudgetState:
        """Change a budget, or raise NotFound. Of the same subject it goes on counting."""
        self._found(key.org, id)
        return self._put(key, id, wanted)

    def put_of_agent(self, key: ApiKey, wanted: Wanted) -> BudgetState:
        """Make or change the budget that an agent has by its own route."""
        return self._put(key, id_of_agent(wanted.subject), wanted)

    def remove(self, key: ApiKey, id: str) -> None:
        """Remove a budget, or raise NotFound."""
        self._found(key.org, id)

        def plan(now: Budget, _: int) -> tuple[Budget, Sequence[dict[str, Any]]]:
            event = {
                "type": "tocsin.budget_removed",
                "user_id": key.holder,
                "request": {"budget_id": id},
            }
            return now, [event] if now.change else []

        def removed(budget: Budget, was: str, *told: Any) -> bool:
            return self._store.remove(replace(budget, change=was), *told)

        self._changing(key.org, id, plan, removed)

    def _found(self, org: str, id: str) -> Budget:
        found = self._store.get(org, id) if is_name(id.replace("_", "-")) else None
        if found is None:
            raise NotFound("there is no such budget")
        return found

    def _put(self, key: ApiKey, id: str, wanted: Wanted) -> BudgetState:
        at: Projected | None = None

        def plan(now: Budget, at_ms: int) -> tuple[Budget, Sequence[dict[str, Any]]]:
            nonlocal at
            at = None
            if now.change and wanted == _as_wanted(now):
                return now, []
            if not now.change and len(self._store.all(key.org)) >= MAX_BUDGETS:
                raise Conflict(f"the org has {MAX_BUDGETS:,} budgets: remove one first")
            if now.change and (now.kind, now.subject) == (wanted.kind, wanted.subject):
                next = replace(now, exceeded=(), **_fields(wanted))
            else:
                next, at = self._begun(key, id, wanted, at_ms)
            next, events = self._changing.reached(next, self._counted(next, at_ms))
            event = {
                "type": "tocsin.budget_set",
                "user_id": key.holder,
                "request": {"budget_id": id, "of": wanted.kind, "subject": wanted.subject}
                | {"action": str(wanted.action), "enabled": wanted.enabled}
                | {limit.name: in_words(limit.measure, limit.most) for limit in wanted.limits},
            }
            return next, [event, *events]

        def write(budget: Budget, was: str, batch: Batch, packed: bytes) -> bool:
            return self._store.write(budget, was, batch, packed, at)

        return self._states(key.org, [self._changing(key.org, id, plan, write)])[0]

    def _begun(self, key: ApiKey, id: str, wanted: Wanted, at_ms: int) -> tuple[Budget, Projected]:
        """Return a budget that counts from where the projections are, and where that is.

        Raises:
            Busy: they are just being brought up to date, and what was used can't be told.
        """
        for pause_seconds in _PAUSES_SECONDS:
            at, before = opening(self._projections, key.org, wanted.kind, wanted.subject, at_ms)
            if at.until_seq <= at.through_seq:
                break
            time.sleep(pause_seconds)
        else:
            raise Busy("what was used is just being counted: send the same again a little later")
        budget = Budget(
            org=key.org,
            id=id,
            created_at_ms=at_ms,
            created_by=key.holder,
            counter=new_id(at_ms),
            from_seq=at.through_seq,
            opening=before,
            **_fields(wanted),
        )
        return budget, at

    def _counted(self, budget: Budget, at_ms: int) -> list[tuple[str, str, Used]]:
        used = usage(self._projections, budget.org, [budget], at_ms)[budget.id]
        now = iso_ms(at_ms)
        return [(period, period_id(period, now), each) for period, each in used.items()]

    def _states(self, org: str, budgets: Sequence[Budget]) -> list[BudgetState]:
        now_ms = self._clock.now_ms()
        used, now = usage(self._projections, org, budgets, now_ms), iso_ms(now_ms)
        return [BudgetState(it, used[it.id], it.used_up(now)) for it in budgets]


def id_of_agent(agent: str) -> str:
    """Return the id of the budget that an agent has by its own route."""
    return f"bud_agent_{sha256(agent.encode()).hexdigest()[:26]}"


def _as_wanted(budget: Budget) -> Wanted:
    return Wanted(**{each.name: getattr(budget, each.name) for each in fields(Wanted)})


def _fields(wanted: Wanted) -> dict[str, Any]:
    return {each.name: getattr(wanted, each.name) for each in fields(Wanted)}
