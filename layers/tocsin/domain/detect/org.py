"""What detection knows of an org as a whole."""

import struct
from dataclasses import dataclass, field
from typing import Final

import orjson

from tocsin.domain.detect.alerts import COOLDOWN_MS, Alerts
from tocsin.domain.detect.budget import Budget
from tocsin.domain.detect.packing import Damaged, join, split
from tocsin.domain.detect.settings import Settings
from tocsin.domain.detect.shape import Shape

__all__ = ["MOST_SUBJECTS", "Org"]

MOST_SUBJECTS: Final = 5_000
"""Watched in a week, each by itself; what more there are is watched as one of its kind."""

MOST_ALERTS: Final = 20
"""Told within a cooldown: who makes trouble everywhere floods nobody."""

_WEEK_MS: Final = 7 * 24 * 60 * 60_000
_FEWEST_CALLS: Final = 200
_LEAST_MS: Final = 60 * 60_000
_QUIET: Final = 0.1  # of its mean activity: an hour in which an org is as good as not there
_HEAD: Final = struct.Struct("<qqqIIqI")
_VERSION: Final = b"\x01"


@dataclass(slots=True)
class Org:
    """An org's settings, its shape of day and week, its budget, and how much was told of it.

    Nothing is told of what was sealed before ``quiet_until_ms``. ``at_ms`` is the latest time that
    was seen, ``first_ms`` the first one.
    """

    quiet_until_ms: int = 0
    at_ms: int = 0
    first_ms: int = 0
    calls: int = 0
    settings: Settings = field(default_factory=Settings)
    shape: Shape = field(default_factory=Shape)
    budget: Budget = field(default_factory=Budget)
    alerts: Alerts = field(default_factory=Alerts)
    _subjects: int = 0
    _flood: int = 0
    _flooded: int = 0

    @property
    def period(self) -> int:
        """The week for which subjects are counted."""
        return self.at_ms // _WEEK_MS + 1

    @property
    def known(self) -> bool:
        """Whether it is known well enough for something new in it to be told."""
        return self.calls >= _FEWEST_CALLS and self.at_ms - self.first_ms >= _LEAST_MS

    def call(self, at_ms: int) -> None:
        """Count a call."""
        self.first_ms = min(self.first_ms or at_ms, at_ms)
        self.calls = min(self.calls + 1, 2**32 - 1)

    def pass_time(self, at_ms: int) -> None:
        """Go on to a time, if that is later."""
        was, self.at_ms = self.period, max(self.at_ms, at_ms)
        if self.period != was:
            self._subjects = 0

    def has_room(self) -> bool:
        """Count a subject that is seen for the first time in a week; False: there are too many."""
        if self._subjects >= MOST_SUBJECTS:
            return False
        self._subjects += 1
        return True

    def off_hours(self, at_ms: int) -> bool:
        """Whether nobody is expected to be at work."""
        hours = self.settings.hours
        if hours is not None:
            return not hours.hold(at_ms)
        known = self.known and self.at_ms - self.first_ms >= _WEEK_MS
        return known and self.shape.factor(at_ms // 3_600_000) < _QUIET

    def may_tell(self, at_ms: int) -> bool:
        """Count an alert; False: too many were told just before it."""
        flood = at_ms // COOLDOWN_MS
        if flood != self._flood:
            self._flood, self._flooded = flood, 0
        self._flooded += 1
        return self._flooded <= MOST_ALERTS

    def pack(self) -> bytes:
        """Return it as bytes."""
        head = _HEAD.pack(
            self.quiet_until_ms,
            self.at_ms,
            self.first_ms,
            self.calls,
            self._subjects,
            self._flood,
            min(self._flooded, 2**32 - 1),
        )
        settings = orjson.dumps(self.settings.as_data())
        parts = (self.shape.pack(), self.budget.pack(), self.alerts.pack())
        return _VERSION + join([head, settings, *parts])

    @classmethod
    def unpack(cls, data: bytes) -> "Org":
        """Return what :meth:`pack` wrote, or raise Damaged."""
        try:
            if data[:1] != _VERSION:
                raise Damaged("an org's state of another version")
            head, settings, shape, budget, alerts = split(data[1:])
            quiet_until_ms, at_ms, first_ms, calls, subjects, flood, flooded = _HEAD.unpack(head)
            return cls(
                quiet_until_ms,
                at_ms,
                first_ms,
                calls,
                Settings.of_data(orjson.loads(settings)),
                Shape.unpack(shape),
                Budget.unpack(budget),
                Alerts.unpack(alerts),
                subjects,
                flood,
                flooded,
            )
        except (ValueError, struct.error) as error:
            raise Damaged("an org's state") from error
