"""List prices, from a dated file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FOLDER", "Prices"]

FOLDER = Path(__file__).parents[1] / "prices"


@dataclass(frozen=True, slots=True)
class Prices:
    """List prices by name, from the newest file."""

    date: str
    by_name: Mapping[str, float]  # dollars for one
    unseen: tuple[str, ...] = ()  # prices that nothing confirms yet

    @classmethod
    def newest(cls) -> "Prices":
        """Read the file whose date is the latest."""
        path = max(FOLDER.glob("*.json"), key=lambda path: path.stem[-10:])
        content = json.loads(path.read_text())
        prices = content["prices"]
        return cls(
            date=content["date"],
            by_name={name: price["usd"] / price["per"] for name, price in prices.items()},
            unseen=tuple(name for name, price in prices.items() if price["seen"] is None),
        )

    def usd(self, name: str, quantity: float) -> float:
        """Return the dollars for ``quantity`` of what ``name`` prices."""
        return self.by_name[name] * quantity
