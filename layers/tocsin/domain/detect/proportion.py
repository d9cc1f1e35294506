"""Proportion."""

from dataclasses import dataclass

from tocsin.domain.detect.surprise import Surprise

__all__ = ["Proportion"]


@dataclass(slots=True)
class Proportion:
    """A series."""

    def see(self, failed: bool) -> Surprise | None:
        """Take one."""
        return None

    def pack(self) -> bytes:
        """Return it as bytes."""
        return b""

    @classmethod
    def unpack(cls, data: bytes) -> "Proportion":
        """Return what :meth:`pack` wrote."""
        return cls()
