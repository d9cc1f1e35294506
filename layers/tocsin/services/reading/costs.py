"""What an org's agents cost, by the hour and by name, and what is left of its quota."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tocsin.domain.errors import Forbidden
from tocsin.domain.keys import ApiKey
from tocsin.domain.projection import BY_DAY, OTHER, Item, Projected, day_id, hourly
from tocsin.domain.times import iso, iso_ms
from tocsin.ports.intake import Quota
from tocsin.ports.orgs import Orgs
from tocsin.ports.projections import Projections
from tocsin.ports.world import Clock
from tocsin.services.reading.served import served
from tocsin.services.reading.whole import sees_all
from tocsin.wire.costs import Asked, Granularity

__all__ = ["Costs"]

_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_FIGURES: Final = ("calls", "total_tokens", "cost_nano_usd")
_TIMES: Final = ("latency_us", "timed")
_NANO: Final = 10**9


class Costs:
    """Costs are of the time of events. All raise Forbidden as :func:`sees_all` does, and Busy."""

    def __init__(self, projections: Projections, orgs: Orgs, quota: Quota, clock: Clock) -> None:
        self._projections = projections
        self._orgs = orgs
        self._quota = quota
        self._clock = clock

    def summary(self, key: ApiKey, asked: Asked) -> dict[str, Any]:
        """Return the sums of a span; ``avg_latency_ms`` is null where no time is known."""
        sums = self._sums(key, asked, "day", lambda _, hour: "", _FIGURES + _TIMES)
        total = sums.get("", Counter())
        timed = total["timed"]
        return {
            "total_cost_usd": total["cost_nano_usd"] / _NANO,
            "total_requests": total["calls"],
            "total_tokens": total["total_tokens"],
            "avg_latency_ms": total["latency_us"] / timed / 1_000 if timed else None,
            "period_start": iso(asked.start),
            "period_end": iso(asked.end),
        }

    def breakdown(self, key: ApiKey, asked: Asked) -> dict[str, Any]:
        """Return the sums of each group, the dearest first.

        ``other`` is true of the one row, if there is one, for the names beyond a day's first
        hundred.
        """
        sums = self._sums(key, asked, BY_DAY[asked.group], lambda name, _: name)
        rows = [
            {"group": name or "other", "other": name == OTHER, **_row(figures)}
            for name, figures in sums.items()
        ]
        rows.sort(key=lambda row: (-row["cost_usd"], -row["tokens"], row["group"]))
        return {"data": rows, "total": len(rows)}

    def timeseries(self, key: ApiKey, asked: Asked) -> dict[str, Any]:
        """Return the sums of each hour, day, week (from Monday) or month in which there were any.

        Of an agent that was not among a day's first hundred, that day is not known.
        """
        kind = "day" if asked.agent_id is None else BY_DAY["agent"]
        sums = self._sums(key, asked, kind, lambda _, hour: _begin(hour, asked.granularity))
        rows = [{"timestamp": iso(time), **_row(figures)} for time, figures in sorted(sums.items())]
        return {"data": rows, "total": len(rows)}

    def calls(self, key: ApiKey) -> dict[str, int]:
        """Return how many events there were this month, and how many of them were denials."""
        month = iso_ms(self._clock.now_ms())[:7]
        item = served(
            self._projections,
            key.org,
            lambda at: self._projections.get(key.org, "usage", month, at.generation),
        )
        counted = item or {}
        return {"total": int(counted.get("events", 0)), "deny": int(counted.get("denials", 0))}

    def usage(self, key: ApiKey) -> dict[str, Any]:
        """Return the month, its quota of events, and how many are used and left.

        Raises:
            Forbidden: there is no such org (any more).
        """
        month = iso_ms(self._clock.now_ms())[:7]
        org = self._orgs.get(key.org)
        if org is None:
            raise Forbidden(f"there is no org {key.org}")
        used = self._quota.used(key.org, month)
        left = max(0, org.events_per_month - used)
        return {"month": month, "quota": org.events_per_month, "used": used, "left": left}

    def _sums[Group](
        self,
        key: ApiKey,
        asked: Asked,
        kind: str,
        group_of: Callable[[str, datetime], Group],
        counters: Sequence[str] = _FIGURES,
    ) -> dict[Group, Counter[str]]:
        """Return the counters of a span by what ``group_of`` makes of the name and the hour."""
        sees_all(key)

        def read(at: Projected) -> dict[Group, Counter[str]]:
            sums: defaultdict[Group, Counter[str]] = defaultdict(Counter)
            for id, item in self._days(key.org, asked, kind, at.generation):
                day, _, name = id.partition("#")
                midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
                for counter in counters:
                    for hour, value in enumerate(hourly(item, counter)):
                        time = midnight + hour * _HOUR
                        if value and asked.start <= time < asked.end:
                            sums[group_of(name, time)][counter] += value
            return sums

        return served(self._projections, key.org, read)

    def _days(
        self, org: str, asked: Asked, kind: str, generation: int
    ) -> Iterable[tuple[str, Item]]:
        first, last = asked.start.date(), (asked.end - _HOUR).date()
        if asked.agent_id is None:
            days = first.isoformat(), last.isoformat()
            return self._projections.between(org, kind, *days, generation)
        count = (last - first).days + 1
        ids = [day_id((first + n * _DAY).isoformat(), asked.agent_id) for n in range(count)]
        keys = [(kind, id) for id in ids if not id.endswith("#" + OTHER)]
        found = self._projections.items(org, keys, generation)
        return [(id, item) for (_, id), item in found.items()]


def _begin(hour: datetime, granularity: Granularity) -> datetime:
    if granularity == "hour":
        return hour
    day = hour.replace(hour=0)
    if granularity == "week":
        return day - day.weekday() * _DAY
    return day.replace(day=1) if granularity == "month" else day


def _row(figures: Counter[str]) -> dict[str, Any]:
    return {
        "requests": figures["calls"],
        "tokens": figures["total_tokens"],
        "cost_usd": figures["cost_nano_usd"] / _NANO,
    }
