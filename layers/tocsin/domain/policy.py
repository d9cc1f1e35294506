"""Policies: what an org's agents may call. They are text, in Cedar, with a version."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["CANARY", "Decision", "Policies", "Verdict"]

CANARY: Final = "tocsin.canary"
"""A tool, a command or a path that is denied whatever policies say: so one sees that calls are."""


class Decision(StrEnum):
    """What is done about a call."""

    ALLOW = "allow"
    WATCH = "watch"  # allowed, and marked for who looks
    ASK = "ask"
    DENY = "deny"

    @property
    def allows(self) -> bool:
        """Whether the call may be made."""
        return self in (Decision.ALLOW, Decision.WATCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """An org's policies; each change makes the next version. Version 0 is what comes with Tocsin.

    ``change`` names the batch that tells of it.
    """

    org: str
    version: int
    text: str
    created_at_ms: int = 0
    created_by: str = ""
    change: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the policies say of a call, and the names of those that decided it."""

    decision: Decision
    policies: Sequence[str] = ()
    message: str = ""
    suggestions: Sequence[str] = ()
