"""Orgs: the tenants."""

from dataclasses import dataclass

from tocsin.domain.limits import EVENTS_PER_MONTH

__all__ = ["Org"]


@dataclass(frozen=True, slots=True)
class Org:
    """A tenant and its settings."""

    id: str
    events_per_month: int = EVENTS_PER_MONTH
