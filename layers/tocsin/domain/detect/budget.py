"""The org's budget of false alerts."""

from dataclasses import dataclass

__all__ = ["Budget"]


@dataclass(slots=True)
class Budget:
    """How unlikely what is told has to be."""

    def see(self, nats: float, at_ms: int) -> None:
        """Take what a detector found."""

    def threshold(self, per_day: float) -> float:
        """Return how unlikely it has to be, in nats."""
        return 16.0

    def pack(self) -> bytes:
        """Return it as bytes."""
        return b""

    @classmethod
    def unpack(cls, data: bytes) -> "Budget":
        """Return what :meth:`pack` wrote."""
        return cls()
