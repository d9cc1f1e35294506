"""What the routes of budgets take and answer; that of an agent's is Govrix Scout's."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict

from pydantic import ConfigDict, Field, TypeAdapter, with_config

from tocsin.domain.budgets import (
    COUNTED,
    PERIODS,
    SUBJECTS,
    Budget,
    BudgetAction,
    Limit,
    Used,
    counted,
    in_words,
)
from tocsin.domain.errors import Invalid
from tocsin.domain.limits import MAX_SAFE_INTEGER
from tocsin.domain.times import iso_ms
from tocsin.wire.bodies import STRICT, WHOLE, Name, Perhaps

__all__ = [
    "OF_AGENT",
    "PUT",
    "STATUSES",
    "AgentBudgetBody",
    "BudgetBody",
    "defined",
    "limits_of",
    "overview",
    "shown",
]

STATUSES: Final = ("active", "triggered", "disabled")
"""Of budgets."""

_MAX_USD: Final = 10**6

_Dollars = Annotated[float, Field(ge=0, le=_MAX_USD, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER), WHOLE]


# What `limits_of` refuses, for those who read the schema.
_ONE: Final = ConfigDict(json_schema_extra={"minProperties": 1})
_TWO_SUBJECTS: Final[list[Any]] = [
    {"required": [f"{kind}_id", f"{other}_id"]} for kind, other in combinations(SUBJECTS, 2)
]
_NO_KEYS: Final[dict[str, Any]] = {
    "required": ["action"],
    "properties": {"action": {"const": BudgetAction.REVOKE}},
    "not": {"anyOf": [{"required": ["agent_id"]}, {"required": ["user_id"]}]},
}
_SUBJECT: Final = ConfigDict(json_schema_extra={"not": {"anyOf": [*_TWO_SUBJECTS, _NO_KEYS]}})


@with_config(STRICT | _ONE)
class Limits(TypedDict):
    """At least one of them: for a day and a calendar month, in UTC."""

    cost_usd_per_day: NotRequired[_Dollars]
    cost_usd_per_month: NotRequired[_Dollars]
    tokens_per_day: NotRequired[_Count]
    tokens_per_month: NotRequired[_Count]
    calls_per_day: NotRequired[_Count]
    calls_per_month: NotRequired[_Count]


_Action = Literal["warn", "throttle", "block", "revoke"]


@with_config(STRICT)
class AgentBudgetBody(TypedDict):
    """Of ``PUT /api/v1/agents/{id}/budget``."""

    limits: Limits
    name: NotRequired[Perhaps]
    action: NotRequired[_Action]
    enabled: NotRequired[bool]


@with_config(STRICT | _SUBJECT)
class BudgetBody(TypedDict):
    """Of ``POST /api/v1/budgets`` and ``PUT /api/v1/budgets/{id}``.

    It names an agent, a user or a session; none of them: the budget is the org's.
    """

    limits: Limits
    agent_id: NotRequired[Name]
    user_id: NotRequired[Name]
    session_id: NotRequired[Name]
    name: NotRequired[Perhaps]
    action: NotRequired[_Action]
    enabled: NotRequired[bool]


PUT: Final[TypeAdapter[BudgetBody]] = TypeAdapter(BudgetBody)
OF_AGENT: Final[TypeAdapter[AgentBudgetBody]] = TypeAdapter(AgentBudgetBody)


def limits_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a body says of a budget, under the names of :class:`Budget`.

    Raises:
        Invalid: it has no limit, names several subjects, or would revoke what has no keys.
    """
    subjects = [kind for kind in SUBJECTS if f"{kind}_id" in body]
    if len(subjects) > 1:
        raise Invalid([{"field": f"{subjects[1]}_id", "message": "A budget is of one subject"}])
    kind = subjects[0] if subjects else "org"
    action = BudgetAction(body.get("action", BudgetAction.WARN))
    if action is BudgetAction.REVOKE and kind not in ("agent", "user"):
        raise Invalid([{"field": "action", "message": "Only an agent and a user have keys"}])
    asked = body["limits"]
    limits = tuple(
        Limit(measure, period, counted(measure, asked[name]))
        for measure in COUNTED
        for period in PERIODS
        if (name := f"{measure}_per_{period}") in asked
    )
    if not limits:
        raise Invalid([{"field": "limits", "message": "Set at least one"}])
    return {
        "name": body.get("name", ""),
        "kind": kind,
        "subject": body.get(f"{kind}_id", ""),
        "limits": limits,
        "action": action,
        "enabled": body.get("enabled", True),
    }


def defined(budget: Budget) -> dict[str, Any]:
    """Return a budget as people set it."""
    return {
        "id": budget.id,
        "name": budget.name,
        "of": budget.kind,
        **budget.event_names,
        "limits": {limit.name: in_words(limit.measure, limit.most) for limit in budget.limits},
        "action": budget.action,
        "enabled": budget.enabled,
        "created_at": iso_ms(budget.created_at_ms),
        "created_by": budget.created_by,
    }


def shown(budget: Budget, used: Mapping[str, Used], used_up: Sequence[str]) -> dict[str, Any]:
    """Return a budget, what was used of it in the present periods, and its status."""
    status = "triggered" if used_up else "active"
    return {
        **defined(budget),
        "status": status if budget.enabled else "disabled",
        "exceeded": list(used_up),
        "usage": {
            period: {
                measure: in_words(measure, each[counter]) for measure, counter in COUNTED.items()
            }
            for period, each in used.items()
        },
    }


def overview(budgets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return all of an org's budgets, and how many have which status."""
    count = dict.fromkeys(STATUSES, 0)
    for each in budgets:
        count[each["status"]] += 1
    return {"data": budgets, "total": len(budgets), **count}
