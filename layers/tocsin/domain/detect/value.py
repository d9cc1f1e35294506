"""Value."""

from dataclasses import dataclass

from tocsin.domain.detect.surprise import Surprise

__all__ = ["Value"]


@dataclass(slots=True)
class Value:
    """A series."""

    def see(self, x: float, at_ms: int) -> Surprise | None:
        """Take one."""
        return None

    def pack(self) -> bytes:
        """Return it as bytes."""
        return b""

    @classmethod
    def unpack(cls, data: bytes) -> "Value":
        """Return what :meth:`pack` wrote."""
        return cls()
