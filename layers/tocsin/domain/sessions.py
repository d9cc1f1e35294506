"""An agent's session: it begins active, and people decide whether it goes on."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["SessionState", "SessionStatus"]


class SessionStatus(StrEnum):
    """Whether an agent may go on in a session."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """A session's status, who decided it, and why: nobody did, if ``by`` is empty.

    ``change`` names the batch that tells of it.
    """

    org: str
    id: str
    status: SessionStatus = SessionStatus.ACTIVE
    reason: str = ""
    by: str = ""
    at_ms: int = 0
    change: str = ""
