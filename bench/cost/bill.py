"""Lines of a bill, and their sums."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from bench.cost.prices import Prices
from bench.cost.use import Use, billed_ms

__all__ = ["LAMBDA_REQUESTS", "LAMBDA_TIME", "Bill", "Line", "invoked"]

LAMBDA_REQUESTS, LAMBDA_TIME = "requests", "GB-seconds"


@dataclass(frozen=True, slots=True)
class Line:
    """A quantity of something priced, for a million events."""

    component: str
    price: str
    quantity: float
    apart: bool = False  # not part of what the targets are for


class Bill:
    """Lines with their prices."""

    def __init__(self, of: Iterable[Line], prices: Prices) -> None:
        self.lines = list(of)
        self.by_component: defaultdict[str, float] = defaultdict(float)
        self.apart: defaultdict[str, float] = defaultdict(float)
        for line in self.lines:
            sums = self.apart if line.apart else self.by_component
            sums[line.component] += prices.usd(line.price, line.quantity)

    @cached_property
    def total(self) -> float:
        """Dollars per million events, without what stands apart."""
        return sum(self.by_component.values())

    def quantity(self, price: str) -> float:
        """Return how much of what this ``price`` is for is in it, without what stands apart."""
        return sum(line.quantity for line in self.lines if line.price == price and not line.apart)

    def usd(self, *components: str) -> float:
        """Return what these components cost."""
        return sum(self.by_component[component] for component in components)


def invoked(name: str, use: Use, memory_mb: int, each: float) -> Iterator[Line]:
    """Yield what Lambda charges for an invocation, ``each`` times."""
    gb_seconds = billed_ms(use, memory_mb) / 1000 * memory_mb / 1024
    yield Line(f"{name}: {LAMBDA_REQUESTS}", "lambda_requests", use.invocations * each)
    yield Line(f"{name}: {LAMBDA_TIME}", "lambda_gb_seconds", gb_seconds * each)
