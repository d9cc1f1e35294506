"""Orgs: the tenants."""

from dataclasses import dataclass
from enum import StrEnum

from tocsin.domain.errors import OrgSuspended
from tocsin.domain.limits import EVENTS_PER_MONTH

__all__ = ["Org", "OrgStatus", "check_active", "event_source"]


class OrgStatus(StrEnum):
    """Whether an org may use Tocsin. What is deleted stays so: its id is never another's."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETING = "deleting"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Org:
    """A tenant and its settings; ``since_ms`` is when it got its status, 0 for the first."""

    id: str
    events_per_month: int = EVENTS_PER_MONTH
    status: OrgStatus = OrgStatus.ACTIVE
    since_ms: int = 0

    @property
    def gone(self) -> bool:
        """Whether it is being deleted, or was."""
        return self.status in (OrgStatus.DELETING, OrgStatus.DELETED)


def check_active(org: Org | None) -> None:
    """Raise OrgSuspended if an org may not use Tocsin; one that nobody made may."""
    if org is not None and org.status is not OrgStatus.ACTIVE:
        raise OrgSuspended(f"the org {org.id} is {org.status}: ask those who run this Tocsin")


def event_source(org_id: str) -> str:
    """Return what names an org as the source of CloudEvents, a URI reference."""
    return f"/tocsin/orgs/{org_id}"
