"""Orgs: the tenants."""

from dataclasses import dataclass

__all__ = ["Org"]


@dataclass(frozen=True, slots=True)
class Org:
    """A tenant and its settings."""

    id: str
    events_per_month: int = 1_000_000
