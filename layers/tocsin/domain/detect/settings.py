"""What an org wants detection to do. A change is an event, so the ledger says what held when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from tocsin.domain.detect.kinds import Kind, Severity
from tocsin.domain.times import utc

__all__ = ["ALL_DAYS", "Hours", "Settings"]

ALL_DAYS: Final = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class Hours:
    """When people are at work: from a minute of the day to another, on days (0: Monday).

    Where ``until`` is not after ``start`` they work through midnight: a night belongs to the day on
    which it began.
    """

    start: int = 8 * 60
    until: int = 18 * 60
    days: frozenset[int] = frozenset(range(5))
    time_zone: str = "UTC"

    def hold(self, at_ms: int) -> bool:
        """Whether a Unix time is within them."""
        local: datetime = utc(at_ms).astimezone(ZoneInfo(self.time_zone))
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.start < self.until:
            return day in self.days and self.start <= minute < self.until
        if minute >= self.start:
            return day in self.days
        return minute < self.until and (day - 1) % 7 in self.days


@dataclass(frozen=True, slots=True)
class Settings:
    """How an org is watched.

    ``false_alerts_per_day`` is the budget of the kinds that are told by how unlikely they are.
    Without ``hours``, those are off in which the org is quiet as a rule. A finding from
    ``suspend_from`` on suspends the session that it names; None: none does.
    """

    enabled: bool = True
    false_alerts_per_day: float = 1.0
    kinds: frozenset[Kind] = field(default_factory=lambda: frozenset(Kind))
    hours: Hours | None = None
    suspend_from: Severity | None = None

    def as_data(self) -> dict[str, Any]:
        """Return it as the event's data has it, in words that JSON has."""
        hours = self.hours
        return {
            "enabled": self.enabled,
            "false_alerts_per_day": self.false_alerts_per_day,
            "kinds": sorted(self.kinds),
            "hours": None
            if hours is None
            else {
                "from": f"{hours.start // 60:02}:{hours.start % 60:02}",
                "to": f"{hours.until // 60:02}:{hours.until % 60:02}",
                "days": sorted(hours.days),
                "time_zone": hours.time_zone,
            },
            "suspend_from": None if self.suspend_from is None else self.suspend_from.word,
        }

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> "Settings":
        """Return what :meth:`as_data` wrote; a kind that this version does not know is left out.

        Raises:
            ValueError: nothing that it writes.
        """
        try:
            hours, suspend = data["hours"], data["suspend_from"]
            return cls(
                bool(data["enabled"]),
                float(data["false_alerts_per_day"]),
                frozenset(Kind(each) for each in data["kinds"] if each in set(Kind)),
                None if hours is None else _hours(hours),
                None if suspend is None else Severity[suspend.upper()],
            )
        except (AttributeError, KeyError, OSError, TypeError) as error:
            raise ValueError(f"no settings: {error!r}") from error


def _hours(data: Mapping[str, Any]) -> Hours:
    def minute(text: str) -> int:
        hour, _, rest = text.partition(":")
        return int(hour) * 60 + int(rest)

    zone = str(data["time_zone"])
    ZoneInfo(zone)  # a ValueError, KeyError or OSError where there is no such zone
    days = frozenset(int(day) for day in data["days"])
    return Hours(minute(data["from"]), minute(data["to"]), days, zone)
