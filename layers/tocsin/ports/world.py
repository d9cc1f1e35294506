"""What every program has around it: a clock, and a place for its figures."""

from collections.abc import Mapping, Sequence
from typing import Protocol

__all__ = ["Clock", "Metrics"]


class Clock(Protocol):
    """Time, so that tests need not wait for it."""

    def now_ms(self) -> int:
        """Return the Unix time in milliseconds."""


class Metrics(Protocol):
    """Where a service's figures of itself go."""

    def put(self, at_ms: int, figures: Mapping[str, float | Sequence[float]]) -> None:
        """Record figures of the time before ``at_ms``: a number each, or up to 100 values.

        A name ends with its unit: ``Ms``, ``Bytes``; else it is a count.
        """
