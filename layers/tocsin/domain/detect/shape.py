"""The shape of an org's days and weeks."""

from dataclasses import dataclass

__all__ = ["Shape"]


@dataclass(slots=True)
class Shape:
    """How active an hour is, beside the mean."""

    known: bool = False

    def see(self, minute: int) -> None:
        """Count a call."""

    def factor(self, minute: int) -> float:
        """Return it for a minute."""
        return 1.0

    def pack(self) -> bytes:
        """Return it as bytes."""
        return b""

    @classmethod
    def unpack(cls, data: bytes) -> "Shape":
        """Return what :meth:`pack` wrote."""
        return cls()
