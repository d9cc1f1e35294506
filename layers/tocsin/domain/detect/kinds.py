"""The kinds of anomalies, and how serious each is."""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Final

__all__ = ["BUDGETED", "SEVERITIES", "Kind", "Severity"]


class Severity(IntEnum):
    """How serious it is, in KavachOS' words, the least first."""

    INFO = 0
    WARNING = 1
    CRITICAL = 2

    @property
    def word(self) -> str:
        """Its name on the wire."""
        return self.name.lower()

    def raised(self) -> "Severity":
        """Return the next severity, if there is one."""
        return Severity(min(self + 1, Severity.CRITICAL))


class Kind(StrEnum):
    """What can be found; each is Igris', KavachOS' or Tocsin's own name for it."""

    RATE_SPIKE = "rate_spike"
    ERROR_RATE = "error_rate"
    LATENCY_SPIKE = "latency_spike"
    TOKEN_SPIKE = "token_spike"  # noqa: S105
    COST_SPIKE = "cost_spike"
    SILENCE = "silence"
    HIGH_DENIAL_RATE = "high_denial_rate"
    PRIVILEGE_ESCALATION = "privilege_escalation"
    RAPID_FIRE = "rapid_fire"
    UNUSUAL_RESOURCE_ACCESS = "unusual_resource_access"
    OFF_HOURS_ACTIVITY = "off_hours_activity"
    DESTRUCTIVE_PATTERN = "destructive_pattern"
    NEW_TOOL = "new_tool"
    NEW_MODEL_OR_PROVIDER = "new_model_or_provider"
    TOOL_DEFINITION_CHANGED = "tool_definition_changed"
    REPEATED_CALL = "repeated_call"


BUDGETED: Final = frozenset(
    {
        *(Kind.RATE_SPIKE, Kind.ERROR_RATE, Kind.SILENCE),
        *(Kind.LATENCY_SPIKE, Kind.TOKEN_SPIKE, Kind.COST_SPIKE),
    }
)
"""Kinds that are told by how unlikely they are, under the org's budget of false alerts.

The others follow rules of their own, with fixed thresholds.
"""

SEVERITIES: Final[Mapping[Kind, Severity]] = {
    Kind.RATE_SPIKE: Severity.WARNING,
    Kind.ERROR_RATE: Severity.WARNING,
    Kind.LATENCY_SPIKE: Severity.WARNING,
    Kind.TOKEN_SPIKE: Severity.WARNING,
    Kind.COST_SPIKE: Severity.WARNING,
    Kind.SILENCE: Severity.WARNING,
    Kind.HIGH_DENIAL_RATE: Severity.WARNING,
    Kind.PRIVILEGE_ESCALATION: Severity.CRITICAL,
    Kind.RAPID_FIRE: Severity.WARNING,
    Kind.UNUSUAL_RESOURCE_ACCESS: Severity.INFO,
    Kind.OFF_HOURS_ACTIVITY: Severity.INFO,
    Kind.DESTRUCTIVE_PATTERN: Severity.WARNING,  # of what was allowed: critical
    Kind.NEW_TOOL: Severity.INFO,
    Kind.NEW_MODEL_OR_PROVIDER: Severity.INFO,
    Kind.TOOL_DEFINITION_CHANGED: Severity.CRITICAL,
    Kind.REPEATED_CALL: Severity.WARNING,
}
"""How serious each kind is in usual hours; off hours raise it by one."""
