"""What admins say of an agent. Of one that they said nothing of, only its events are known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

__all__ = ["AgentState", "Profile"]


class Profile(TypedDict, total=False):
    """What an agent is called and what it is; what is not in it is not said."""

    name: str
    description: str
    framework: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentState:
    """An agent as admins described it, and whether it is retired: then ``reason`` says why.

    ``by`` and ``at_ms`` are of the last change, and ``change`` names the batch that tells of it.
    """

    org: str
    id: str
    name: str = ""
    description: str = ""
    framework: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    retired_at_ms: int | None = None
    reason: str = ""
    by: str = ""
    at_ms: int = 0
    change: str = ""

    @property
    def retired(self) -> bool:
        """Whether its calls are denied."""
        return self.retired_at_ms is not None
