"""The shape of activity in time: 48 factors around 1, for the hours of weekdays and weekends.

Hours are UTC's; a time zone only says which hour is which. What is averaged are the square roots
of the hours' counts, whose spread is steady (F. J. Anscombe, *The Transformation of Poisson,
Binomial and Negative-Binomial Data*, 1948), so that one wild hour moves little. A factor is drawn
to that of another shape, or to 1, as a Poisson rate is to its Gamma prior, until there is evidence.
"""

from math import sqrt
from struct import Struct
from typing import Final, Self

__all__ = ["Shape"]

_BINS: Final = 48
_WEEK_HOURS: Final = 168
_MOST_VISITS: Final = 5  # a factor is an average of about as many of its hours
_PRIOR_VISITS: Final = 0.5  # of an average hour are what the other shape is worth,
_PRIOR_EVENTS: Final = 30.0  # and at least
_MOST_ROOT: Final = 65_000.0  # of an hour's count: what a half float holds
_MOST_EVENTS: Final = 1e18
_WILD: Final = 2.0  # times its root: an hour teaches no more than that
_NEVER: Final = -1.0
_PACKED: Final = Struct("<qdHH48e")
_HALF: Final = Struct("<e")


class Shape:
    """What is known of when an org, or one of its series, is active. O(1), 116 bytes packed.

    ``minute`` is Unix time in minutes. Factors change only when :meth:`see` is told of an hour
    that is later than those before.
    """

    PACKED_BYTES: Final = _PACKED.size

    __slots__ = ("_count", "_hour", "_level", "_pair", "_roots", "_seen")

    def __init__(self) -> None:
        self._hour = -1  # the hour that is counted; of the first one only a part was seen
        self._count = -1.0  # so far in this hour, or less than 0 if it is not wholly seen
        self._seen = [0, 0]  # hours of weekdays, of weekends
        self._roots = [_NEVER] * _BINS
        self._level: tuple[int, float] | None = None  # beside which hour's other shape
        self._pair: tuple[int, int, float, float] | None = None  # two hours' factors, the same

    def see(self, minute: int, events: float) -> None:
        """Count events into their hour; what is of an hour before the last one is left out."""
        hour = minute // 60
        if hour != self._hour:
            if hour > self._hour:
                self._close(hour)
            elif hour >= self._hour - _WEEK_HOURS:
                return
            else:  # the clock was far ahead before
                self._hour, self._count = hour, -1.0
        if self._count >= 0:
            self._count = min(self._count + events, _MOST_EVENTS)

    @property
    def hour(self) -> int:
        """The hour that is being counted: while it is the same, so are the factors."""
        return self._hour

    def knows(self, hour: int) -> bool:
        """Whether this hour of a day of its kind was seen before."""
        return self._roots[_place(hour)] >= 0

    def factor(self, hour: int, other: "Shape | None" = None) -> float:
        """Return how active this hour (Unix time in hours) is, by what is known, around 1."""
        return self._factor(_place(hour), other)

    def between(self, start: int, stop: int, other: "Shape | None" = None) -> float:
        """Return how many average minutes those from ``start`` until before ``stop`` are worth."""
        minutes = stop - start
        if minutes <= 60:  # between the middles of hours, so that there are no steps
            hour, past = divmod(start + stop - 60, 120)
            pair = self._pair
            of = -1 if other is None else other._hour
            if pair is None or pair[0] != hour or pair[1] != of:
                here, next_hour = self.factor(hour, other), self.factor(hour + 1, other)
                self._pair = pair = hour, of, here, (next_hour - here) / 120
            return minutes * (pair[2] + past * pair[3])
        hours = minutes / 60
        if hours > _WEEK_HOURS:
            return float(minutes)
        first = start // 60
        whole = int(hours)
        return minutes / whole * sum(self.factor(first + each, other) for each in range(whole))

    def pack(self) -> bytes:
        """Return the state's bytes."""
        return _PACKED.pack(self._hour, self._count, *self._seen, *self._roots)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Return the state of :meth:`pack`, or a new one if these bytes are none."""
        shape = cls()
        if len(packed) != _PACKED.size:
            return shape
        hour, count, weekdays, weekends, *roots = _PACKED.unpack(packed)
        if not (
            abs(hour) < 1 << 40
            and -1 <= count < 1e18
            and all(-1 <= root <= _MOST_ROOT for root in roots)
        ):
            return shape
        shape._hour, shape._count, shape._seen = hour, count, [weekdays, weekends]
        shape._roots = roots
        return shape

    def _close(self, hour: int) -> None:
        """Learn from the hours until before this one."""
        before, self._hour = self._hour, hour
        if before < 0:
            return
        if self._count >= 0:
            self._learn(before, self._count)
        for empty in range(max(before + 1, hour - _WEEK_HOURS), hour):
            self._learn(empty, 0.0)
        self._count = 0.0
        self._level = self._pair = None

    def _learn(self, hour: int, events: float) -> None:
        place = _place(hour)
        kind = place >= 24
        root = min(sqrt(events + 0.375), _MOST_ROOT)
        known = self._roots[place]
        if known >= 0:
            root = min(root, _WILD * (known + 1))
            visits = min(self._seen[kind] / 24, _MOST_VISITS - 1)
            root = known + (root - known) / (max(visits, 1.0) + 1)
        self._seen[kind] = min(self._seen[kind] + 1, _MOST_VISITS * 24)
        (self._roots[place],) = _HALF.unpack(_HALF.pack(root))

    def _factor(self, place: int, other: "Shape | None") -> float:
        prior = 1.0 if other is None else other._factor(place, None)
        root = self._roots[place]
        if root < 0:  # as at this hour of the days of the other kind, then
            root = self._roots[(place + 24) % _BINS]
        if root < 0:
            return prior
        level = self._level_beside(other)
        visits = max(self._seen[place >= 24] / 24, 1.0)
        weight = max(_PRIOR_VISITS * level, _PRIOR_EVENTS)
        return (visits * _square(root) + weight * prior) / (visits * level + weight)

    def _level_beside(self, other: "Shape | None") -> float:
        """Return the events of an hour of factor 1, by the hours that were seen."""
        of = -1 if other is None else other._hour
        if self._level is None or self._level[0] != of:
            events = prior = 0.0
            for place, root in enumerate(self._roots):
                if root >= 0:
                    days = 5 if place < 24 else 2
                    events += days * _square(root)
                    prior += days * (1.0 if other is None else other._factor(place, None))
            self._level = of, events / prior if prior else 0.0
        return self._level[1]


def _place(hour: int) -> int:
    day, hour_of_day = divmod(hour, 24)
    return hour_of_day + 24 * ((day + 3) % 7 >= 5)  # 1970 began with a Thursday


def _square(root: float) -> float:
    return max(root * root - 0.125, 0.0)
