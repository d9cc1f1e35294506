"""What share of calls fails: an error rate, and what is too much of it.

The last 4, 8, 16 and 32 outcomes are looked at, against a Beta distribution of the outcomes before
them, which are discounted as in M. West and P. J. Harrison, *Bayesian Forecasting and Dynamic
Models*, 1997; so what is seen is beta-binomial.
"""

from struct import Struct
from typing import Final, Self

from tocsin.domain.detect import tails
from tocsin.domain.detect.surprise import Surprise

__all__ = ["Proportion"]

LENGTHS: Final = (4, 8, 16, 32)
"""How many of the last outcomes are looked at together."""

_RING: Final = LENGTHS[-1]
_MEMORY: Final = 500.0  # outcomes
_PRIOR_YES, _PRIOR_NO = 0.5, 9.5  # ten calls, half a one of which failed
_TIMES: Final = 2  # what is not so many times the usual share is not told
_PACKED: Final = Struct("<IB2d")


class Proportion:
    """A series of outcomes, of which those that are told of are the rarer ones. 21 bytes packed."""

    __slots__ = ("_no", "_outcomes", "_seen", "_yes")

    def __init__(self) -> None:
        self._outcomes = 0  # a bit each, the last one's the lowest
        self._seen = 0  # of the ring
        self._yes = 0.0  # discounted
        self._no = 0.0

    def see(self, outcome: bool) -> Surprise | None:
        """Add an outcome; if it is one that is told of, say how surprising the last ones are."""
        if self._seen == _RING:
            oldest = self._outcomes >> (_RING - 1)
            keep = 1 - 1 / _MEMORY
            self._yes = self._yes * keep + oldest
            self._no = self._no * keep + (1 - oldest)
        else:
            self._seen += 1
        self._outcomes = (self._outcomes << 1 | outcome) & ((1 << _RING) - 1)
        if not outcome:
            return None
        yes, no = self._yes + _PRIOR_YES, self._no + _PRIOR_NO
        expected = yes / (yes + no)
        found: Surprise | None = None
        for length in LENGTHS:
            if length > self._seen:
                break
            count = (self._outcomes & ((1 << length) - 1)).bit_count()
            if count > 1 and count > _TIMES * expected * length:
                nats = tails.beta_binomial(count, length, yes, no)
                if found is None or nats > found.nats:
                    found = Surprise(nats, count / length, expected, length)
        return found

    def pack(self) -> bytes:
        """Return the state's bytes."""
        return _PACKED.pack(self._outcomes, self._seen, self._yes, self._no)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Return the state of :meth:`pack`, or a new one if these bytes are none."""
        proportion = cls()
        if len(packed) != _PACKED.size:
            return proportion
        outcomes, seen, yes, no = _PACKED.unpack(packed)
        if seen <= _RING and 0 <= yes <= 2 * _MEMORY and 0 <= no <= 2 * _MEMORY:
            proportion._outcomes, proportion._seen = outcomes, seen
            proportion._yes, proportion._no = yes, no
        return proportion
