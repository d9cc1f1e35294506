"""When a finding is told: not again within its cooldown, nor what somebody said to leave alone."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tocsin.domain.detect.kinds import BUDGETED, Kind
from tocsin.domain.detect.packing import Damaged, join, split

__all__ = ["COOLDOWN_MS", "Alerts", "Lesson"]

COOLDOWN_MS: Final = 5 * 60_000
"""Of one kind, subject and series one alert within this time, unless the kind has its own."""

_LASTING: Final = frozenset(
    {
        *(Kind.RAPID_FIRE, Kind.HIGH_DENIAL_RATE, Kind.OFF_HOURS_ACTIVITY),
        Kind.DESTRUCTIVE_PATTERN,
    }
)
"""Kinds that stay true while an agent goes on as it does: their cooldown doubles, up to a day."""

_COOLDOWNS_MS: Final = {
    Kind.RAPID_FIRE: 60 * 60_000,
    Kind.HIGH_DENIAL_RATE: 60 * 60_000,
    Kind.OFF_HOURS_ACTIVITY: 12 * 60 * 60_000,
}
_LONGEST_MS: Final = 24 * 60 * 60_000
_MOST_DOUBLINGS: Final = 9
_MOST: Final = 32  # series of one subject that are remembered
_FORGET_MS: Final = 30 * 24 * 60 * 60_000
_EXTRA: Final = 1.2  # times what somebody called a false alarm
_HEAD: Final = struct.Struct("<qIBddq")


@dataclass(frozen=True, slots=True)
class Lesson:
    """What somebody said of an alert: snoozed until a time, or a false positive.

    A false positive says that as much as that, by all that was seen of it, is usual here; of a rule
    it is a snooze.
    """

    kind: Kind
    series: str
    until_ms: int
    false_positive: bool = False


@dataclass(slots=True)
class _Told:
    at_ms: int = 0
    held_back: int = 0
    doublings: int = 0
    peak: float = 0.0  # the most that was seen, of the last that was told and since
    least: float = 0.0  # that must be exceeded
    quiet_until_ms: int = 0

    def cooldown_ms(self, kind: Kind) -> int:
        return min(_COOLDOWNS_MS.get(kind, COOLDOWN_MS) << self.doublings, _LONGEST_MS)


@dataclass(slots=True)
class Alerts:
    """What was told of one subject, by kind and series."""

    _told: dict[str, _Told] = field(default_factory=dict)

    def least_seen(self, kind: Kind, series: str) -> float:
        """Return what must be exceeded, in the unit of what is seen, for it to be told."""
        told = self._told.get(f"{kind}:{series}")
        return told.least if told else 0.0

    def tell(
        self, kind: Kind, series: str, at_ms: int, seen: float, may: Callable[[], bool]
    ) -> int:
        """Return how many findings the alert stands for that is told now; 0: it is held back.

        ``may`` is asked last, and says whether it can be told.
        """
        told = self._of(kind, series, at_ms)
        if at_ms < told.quiet_until_ms:
            return 0
        cooldown_ms, since_ms = told.cooldown_ms(kind), at_ms - told.at_ms
        if (told.at_ms and 0 <= since_ms < cooldown_ms) or not may():
            told.held_back += 1
            told.peak = max(told.peak, seen)
            return 0
        goes_on = kind in _LASTING and told.at_ms and 0 <= since_ms < 2 * cooldown_ms
        told.doublings = min(told.doublings + 1, _MOST_DOUBLINGS) if goes_on else 0
        count, told.held_back, told.peak = told.held_back + 1, 0, seen
        told.at_ms = at_ms
        return count

    def learn(self, lesson: Lesson, at_ms: int) -> None:
        """Take what somebody said."""
        told = self._of(lesson.kind, lesson.series, at_ms)
        told.quiet_until_ms = lesson.until_ms
        if lesson.false_positive and lesson.kind in BUDGETED:
            told.least = max(told.least, told.peak * _EXTRA)

    def _of(self, kind: Kind, series: str, at_ms: int) -> _Told:
        name = f"{kind}:{series}"
        told = self._told.pop(name, None) or _Told()
        if told.at_ms and at_ms - told.at_ms > _FORGET_MS:
            told = _Told(quiet_until_ms=told.quiet_until_ms)
        self._told[name] = told  # the last ones to be looked at are kept
        if len(self._told) > _MOST:
            del self._told[next(iter(self._told))]
        return told

    def pack(self) -> bytes:
        """Return it as bytes."""
        return join(
            part
            for name, told in self._told.items()
            for part in (
                name.encode(),
                _HEAD.pack(
                    told.at_ms,
                    min(told.held_back, 2**32 - 1),
                    told.doublings,
                    told.peak,
                    told.least,
                    told.quiet_until_ms,
                ),
            )
        )

    @classmethod
    def unpack(cls, data: bytes) -> "Alerts":
        """Return what :meth:`pack` wrote.

        Raises:
            Damaged: it is nothing of the kind.
        """
        parts = split(data)
        if len(parts) % 2:
            raise Damaged("alerts")
        try:
            return cls(
                {
                    name.decode(): _Told(*_HEAD.unpack(told))
                    for name, told in zip(parts[::2], parts[1::2], strict=True)
                }
            )
        except (struct.error, UnicodeDecodeError) as error:
            raise Damaged("alerts") from error
