"""Orgs: the tenants."""

from dataclasses import dataclass
from enum import StrEnum

from tocsin.domain.errors import Conflict, OrgSuspended
from tocsin.domain.limits import EVENTS_PER_MONTH
from tocsin.domain.times import iso_ms

__all__ = ["Org", "OrgStatus", "check_active", "check_not_held", "event_source"]


class OrgStatus(StrEnum):
    """Whether an org may use Tocsin. What is deleted stays so: its id is never another's."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETING = "deleting"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Org:
    """A tenant and its settings; ``since_ms`` is when it got its status, 0 for the first.

    ``held_since_ms`` is since when it is under a legal hold; 0: it is under none.
    """

    id: str
    events_per_month: int = EVENTS_PER_MONTH
    status: OrgStatus = OrgStatus.ACTIVE
    since_ms: int = 0
    held_since_ms: int = 0

    @property
    def gone(self) -> bool:
        """Whether it is being deleted, or was."""
        return self.status in (OrgStatus.DELETING, OrgStatus.DELETED)


def check_not_held(org: Org | None) -> None:
    """Raise Conflict if an org is under a legal hold, so that nothing of it may go."""
    if org is not None and org.held_since_ms:
        raise Conflict(
            f"the org {org.id} is under a legal hold since {iso_ms(org.held_since_ms)}: nothing of "
            "it is deleted or erased until those who run this Tocsin release it"
        )


def check_active(org: Org | None) -> None:
    """Raise OrgSuspended if an org may not use Tocsin; one that nobody made may."""
    if org is not None and org.status is not OrgStatus.ACTIVE:
        raise OrgSuspended(f"the org {org.id} is {org.status}: ask those who run this Tocsin")


def event_source(org_id: str) -> str:
    """Return what names an org as the source of CloudEvents, a URI reference."""
    return f"/tocsin/orgs/{org_id}"
