"""What is usual at a time of day: 24 hours of workdays, and 24 of weekends."""

import math
from array import array
from typing import Final, NamedTuple

__all__ = ["PLACES", "Place", "Profile"]

_HOUR_MS: Final = 3_600_000
_HOURS: Final = 24
_DAYS: Final = 7.0  # that an hour remembers
PLACES: Final = 2 * _HOURS


class Place(NamedTuple):
    """A time between two hours of the profile, how far it is from the first, and its value."""

    before: int
    after: int
    part: float
    value: float


class Profile:
    """Values at full hours (UTC), as floats of 32 bits; a time between them is on the line.

    A weekend's hour that was not seen yet is taken as a workday's.
    """

    __slots__ = ("at_ms", "hours", "values")

    def __init__(self) -> None:
        self.at_ms = 0  # of the last value
        self.hours = 0.0  # that were seen
        self.values = array("f", [math.nan]) * PLACES

    def place(self, at_ms: int, otherwise: float) -> Place:
        """Return where a time (Unix ms) is, with another value where none is known."""
        hour, rest = divmod(at_ms, _HOUR_MS)
        day, hour = divmod(hour, _HOURS)
        weekend = _HOURS if (day + 3) % 7 >= 5 else 0
        part = rest / _HOUR_MS
        before, after = weekend + hour, weekend + (hour + 1) % _HOURS
        here, there = self._value(before, otherwise), self._value(after, otherwise)
        return Place(before, after, part, here + part * (there - here))

    def _value(self, index: int, otherwise: float) -> float:
        value = self.values[index]
        if value != value:
            value = self.values[index % _HOURS]
        return otherwise if value != value else value

    def learn(self, place: Place, y: float, at_ms: int) -> None:
        """Take in a value, by the time since the one before: up to an hour."""
        passed = min(max(0.0, (at_ms - self.at_ms) / _HOUR_MS), 1.0)
        self.at_ms = at_ms
        self.hours += passed
        seen = min(self.hours / _HOURS, _DAYS)
        before, after, part, value = place
        gain = passed / (seen + passed) if passed > 0.0 else 0.0
        gain *= (y - value) / (part * part + (1.0 - part) * (1.0 - part))
        for i, share in ((before, 1.0 - part), (after, part)):
            old = self.values[i]
            if share > 0.0:
                self.values[i] = y if old != old else old + gain * share
