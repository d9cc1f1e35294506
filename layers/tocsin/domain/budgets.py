"""Budgets: how much an org, an agent, a user or a session may use in a day or a month.

Days and months are those of the receipt, in UTC.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

__all__ = [
    "COUNTED",
    "PERIODS",
    "SUBJECTS",
    "Budget",
    "BudgetAction",
    "Limit",
    "Used",
    "counted",
    "in_words",
    "made",
    "period_id",
    "periods_at",
    "spent_id",
]

_NANO: Final = 10**9

SUBJECTS: Final = ("agent", "user", "session")
"""What can have a budget beside the org."""

COUNTED: Final = {"cost_usd": "cost_nano_usd", "tokens": "total_tokens", "calls": "calls"}
"""What is limited, and the projections' counter of it."""

PERIODS: Final = {"day": 10, "month": 7}
"""For how long, and how many characters of an ISO time name it: ``2026-11-27``, ``2026-11``."""

type Used = Mapping[str, int]
"""Counters by their names: what was used in a period."""


class BudgetAction(StrEnum):
    """What happens when a budget is used up, beside the event that tells of it."""

    WARN = "warn"
    THROTTLE = "throttle"
    BLOCK = "block"
    REVOKE = "revoke"


@dataclass(frozen=True, slots=True)
class Limit:
    """As much of what :data:`COUNTED` names, in its counter's unit, in a period."""

    measure: str
    period: str
    most: int

    @property
    def name(self) -> str:
        """Its name in requests."""
        return f"{self.measure}_per_{self.period}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one subject; of the org, if ``kind`` is ``org`` (and ``subject`` empty).

    ``change`` names the batch that tells of its last change. What was sealed beyond ``from_seq``
    is counted under the name ``counter``, which is never used again, and ``opening`` is what had
    been used before, by the period's id. ``exceeded`` has the ids of the last periods in which it
    was used up, as they were found: a clock may have been ahead.
    """

    org: str
    id: str
    name: str = ""
    kind: str = "org"
    subject: str = ""
    limits: tuple[Limit, ...] = ()
    action: BudgetAction = BudgetAction.WARN
    enabled: bool = True
    created_at_ms: int = 0
    created_by: str = ""
    change: str = ""
    counter: str = ""
    from_seq: int = 0
    opening: Mapping[str, Used] = field(default_factory=dict)
    exceeded: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError where it is not a budget."""
        if self.kind != "org" and self.kind not in SUBJECTS:
            raise ValueError(f"{self.kind!r} has no budget")
        for limit in self.limits:
            if limit.measure not in COUNTED or limit.period not in PERIODS:
                raise ValueError(f"{limit.measure!r} a {limit.period!r} is no limit")
        numbers = [limit.most for limit in self.limits]
        for used in self.opening.values():
            numbers += used.values()
        if not all(isinstance(number, int) for number in numbers):
            raise ValueError("it counts in whole numbers")
        if not all(isinstance(period, str) for period in self.exceeded):
            raise ValueError("a period's id is text")

    @property
    def periods(self) -> tuple[str, ...]:
        """The kinds of periods that it has limits for."""
        return tuple(period for period in PERIODS if any(it.period == period for it in self.limits))

    @property
    def event_names(self) -> dict[str, str]:
        """Whom an event about it names."""
        return {} if self.kind == "org" else {f"{self.kind}_id": self.subject}

    def of(self, names: Mapping[str, str]) -> bool:
        """Whether it is about a call of these, by the kinds of :data:`SUBJECTS`."""
        return self.kind == "org" or names.get(self.kind) == self.subject

    def counts(self, names: Mapping[str, str], seq: int) -> bool:
        """Whether it counts a call of these that an event with this seq tells of."""
        return seq > self.from_seq and self.of(names)

    def spent(self, received_at: str) -> Iterator[str]:
        """Yield the ids of the items that count for it what was received at a time."""
        for period in self.periods:
            yield spent_id(self.counter, period_id(period, received_at))

    def used(self, id: str, counted: Mapping[str, Any]) -> Used:
        """Return what was used in a period, of which an item counted so much."""
        before = self.opening.get(id, {})
        return {counter: value + before.get(counter, 0) for counter, value in made(counted).items()}

    def beyond(self, period: str, used: Used) -> tuple[Limit, ...]:
        """Return the limits of a kind of period that this reaches."""
        return tuple(
            limit
            for limit in self.limits
            if limit.period == period and used[COUNTED[limit.measure]] >= limit.most
        )

    def used_up(self, now: str) -> tuple[str, ...]:
        """Return the kinds of periods that are used up at a time (ISO 8601)."""
        return tuple(
            period
            for period in self.periods
            if self.enabled and period_id(period, now) in self.exceeded
        )


def made(counted: Mapping[str, Any]) -> dict[str, int]:
    """Return what a projected item's counters say of calls that were made.

    What others cost, if they say so, was spent all the same.
    """
    found = {counter: int(counted.get(counter, 0)) for counter in COUNTED.values()}
    found["calls"] -= int(counted.get("held_calls", 0))
    return found


def period_id(period: str, time: str) -> str:
    """Return the id of the period in which a time (ISO 8601, UTC) is."""
    return time[: PERIODS[period]]


def periods_at(time: str) -> dict[str, str]:
    """Return the ids of all periods in which a time is, by their kinds."""
    return {period: period_id(period, time) for period in PERIODS}


def counted(measure: str, said: float) -> int:
    """Return what people say as a counter's value; the other way round is :func:`in_words`."""
    return round(said * _NANO) if measure == "cost_usd" else int(said)


def in_words(measure: str, counted: int) -> float:
    """Return a counter's value as people say it: money in dollars."""
    return counted / _NANO if measure == "cost_usd" else counted


def spent_id(counter: str, period: str) -> str:
    """Return the id of the projected item that counts in a period, given by id."""
    return f"{period}#{counter}"
