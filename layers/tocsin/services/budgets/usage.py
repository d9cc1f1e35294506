"""What budgets' subjects have used, as the projections count it."""

from collections import Counter
from collections.abc import Iterable, Mapping

from tocsin.domain.budgets import (
    COUNTED,
    Budget,
    Used,
    made,
    period_id,
    periods_at,
    spent_id,
)
from tocsin.domain.projection import BY_DAY, SPENT, Item, Projected, day_id, hourly
from tocsin.domain.times import iso_ms
from tocsin.ports.projections import Projections
from tocsin.services.reading.served import served

__all__ = ["Opening", "opening", "usage"]


type Opening = tuple[Projected, Mapping[str, Used]]


def usage(
    projections: Projections, org: str, budgets: Iterable[Budget], now_ms: int
) -> dict[str, dict[str, Used]]:
    """Return what was used in the present periods: by a budget's id and the kind of period."""
    budgets, time = list(budgets), iso_ms(now_ms)
    places = {
        (budget.id, period): (SPENT, spent_id(budget.counter, period_id(period, time)))
        for budget in budgets
        for period in budget.periods
    }

    def read(at: Projected) -> Mapping[tuple[str, str], Item]:
        return projections.items(org, list(places.values()), at.generation)

    items = served(projections, org, read) if places else {}
    return {
        budget.id: {
            period: budget.used(period_id(period, time), items.get(places[budget.id, period], {}))
            for period in budget.periods
        }
        for budget in budgets
    }


def opening(projections: Projections, org: str, kind: str, subject: str, now_ms: int) -> Opening:
    """Return how far events are projected, and what was used up to there.

    That is exact if no run is claimed, for as long as it stays there. It is by the ids of the
    present periods. Of a user, and of an agent on a day when a hundred others were seen before it,
    nothing is known.
    """
    time = iso_ms(now_ms)
    present = periods_at(time)

    def read(at: Projected) -> Opening:
        if kind == "session":
            item = projections.get(org, "session", subject, at.generation) or {}
            began = str(item.get("first_timestamp", ""))
            return at, {
                id: made(item) for period, id in present.items() if period_id(period, began) == id
            }
        sums: dict[str, Counter[str]] = {id: Counter() for id in present.values()}
        for id, item in _days(projections, org, kind, subject, time, at.generation):
            for period in present.values():
                if id.startswith(period):
                    hours = {it: sum(hourly(item, it)) for it in COUNTED.values()}
                    sums[period].update(made({**item, **hours}))
        return at, {period: dict(used) for period, used in sums.items() if used}

    return served(projections, org, read)


def _days(
    projections: Projections, org: str, kind: str, subject: str, time: str, generation: int
) -> Iterable[tuple[str, Item]]:
    """Return the items of the month's days up to now, with their ids."""
    if kind == "org":
        return projections.between(org, "day", f"{time[:7]}-01", time[:10], generation)
    if kind != "agent":
        return ()
    of = BY_DAY[kind]
    days = [f"{time[:7]}-{day:02}" for day in range(1, int(time[8:10]) + 1)]
    keys = [(of, id) for day in days if (id := day_id(day, subject)) != day_id(day, "")]
    return [(id, item) for (_, id), item in projections.items(org, keys, generation).items()]
