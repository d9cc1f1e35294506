"""How events are told to people: a title, a tone, some text, facts."""

from collections.abc import Mapping
from datetime import UTC
from enum import IntEnum
from typing import Any, Final

from tocsin.domain.times import iso_ms, moment_of
from tocsin.domain.tree import CHECKPOINT
from tocsin.wire.notify.fields import ANSWERED, ASKED, REVIEWED, said
from tocsin.wire.notify.sending import Sending
from tocsin.wire.notify.wanting import REMINDER, TEST

__all__ = ["Tone", "facts", "text", "title", "tone"]

_TITLES: Final = {
    "approval.created": "Approval needed",
    REMINDER: "Still waiting for approval",
    "approval.expired": "Nobody answered in time",
    "approval.linked": "Links to an approval were given out",
    "approval.used": "An approval was used",
    "approval.bulk_resolved": "Several approvals were answered",
    "budget.exceeded": "Budget used up",
    "anomaly": "Anomaly",
    REVIEWED: "Anomaly reviewed",
    "session_update": "Session changed",
    "agent.created": "Agent created",
    "agent.revoked": "Agent retired",
    "delegation.created": "Key delegated",
    "auth.failed": "Sign-in failed",
    "tool_call": "Tool call",
    "completion": "Completion",
    TEST: "Test of this endpoint",
    CHECKPOINT: "Checkpoint: keep it",
}
_VERDICTS: Final = {"deny": "denied", "ask": "waits", "alert": "alerted"}


class Tone(IntEnum):
    """How loud a message is."""

    PLAIN = 0
    GOOD = 1
    WARNING = 2
    CRITICAL = 3


def title(type: str, fields: Mapping[str, Any]) -> str:
    """Return what happened, in a few words."""
    if type in ("approval.resolved", "approval.resolved_in_bulk"):
        return {"approved": "Approved", "denied": "Denied"}.get(
            said(fields, "data", "status"), "Answered"
        )
    if type == "anomaly":
        kind = said(fields, "anomaly_type").replace("_", " ")
        return f"Anomaly, {said(fields, 'status')}: {kind}"
    if type == REVIEWED:
        return f"Anomaly: {said(fields, 'status').replace('_', ' ')}"
    named = _TITLES.get(type, f"Event {type}")
    verdict = _VERDICTS.get(said(fields, "action"), "")
    return f"{named} ({verdict})" if verdict and not type.startswith("approval.") else named


def tone(type: str, fields: Mapping[str, Any]) -> Tone:
    """Return how loud it is to be told."""
    if type == "anomaly":
        words = {"critical": Tone.CRITICAL, "warning": Tone.WARNING}
        return words.get(said(fields, "status"), Tone.PLAIN)
    if type == REMINDER:
        return Tone.CRITICAL
    if type in ("approval.created", "approval.expired", "budget.exceeded", "auth.failed"):
        return Tone.WARNING
    if type in ANSWERED:
        return Tone.GOOD if said(fields, "data", "status") == "approved" else Tone.WARNING
    return Tone.WARNING if said(fields, "action") == "deny" else Tone.PLAIN


def text(type: str, fields: Mapping[str, Any]) -> str:
    """Return what is said of it in whole sentences; empty: nothing is."""
    if type in ASKED:
        return said(fields, "data", "message") or said(fields, "decision", "message")
    if type == "anomaly":
        return said(fields, "data", "description")
    if type == CHECKPOINT:
        return said(fields, "data", "checkpoint")
    if type == TEST:
        return "If you can read this, deliveries arrive here."
    return said(fields, "decision", "message")


def facts(type: str, fields: Mapping[str, Any], sending: Sending) -> dict[str, str]:
    """Return what a person needs to know besides agent, tool and session; some may be empty."""
    if type in ASKED:
        ends = said(fields, "data", "expires_at")
        if not ends and sending.links:
            ends = iso_ms(sending.links.expires_at_ms)
        return {
            "Asked by": said(fields, "data", "credential_owner"),
            "Reason": said(fields, "data", "reason"),
            "In": said(fields, "request", "cwd"),
            "Waits until": _moment(ends),
        }
    if type in ANSWERED:
        return {
            "Answered by": said(fields, "request", "resolved_by"),
            "Who says to be": said(fields, "request", "claimed_by"),
            "Reason": said(fields, "request", "resolved_reason"),
            "Asked by": said(fields, "data", "credential_owner"),
        }
    if type == "anomaly":
        found = ("data", "evidence")
        unit = said(fields, *found, "unit")
        return {
            "Severity": said(fields, "status"),
            "Seen": _with_unit(said(fields, *found, "seen"), unit),
            "Expected": _with_unit(said(fields, *found, "expected"), unit),
            "Threshold": _with_unit(said(fields, *found, "threshold"), unit),
            "Since": _moment(said(fields, *found, "since")),
            "Alerts it stands for": said(fields, "data", "count"),
        }
    if type == "budget.exceeded":
        return {
            "Budget": said(fields, "data", "name") or said(fields, "data", "budget_id"),
            "Period": said(fields, "data", "period_id"),
            "What happens": said(fields, "data", "action"),
            "Limits": _listed(fields, "limits"),
            "Used": _listed(fields, "used"),
        }
    return {
        "Status": said(fields, "status"),
        "By": said(fields, "user_id"),
        "Reason": said(fields, "data", "reason"),
    }


def _moment(text: str) -> str:
    """Return a time as people read it; what is none is left as it is."""
    try:
        return f"{moment_of(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError):
        return text


def _with_unit(number: str, unit: str) -> str:
    return f"{number} {unit}".strip() if number else ""


def _listed(fields: Mapping[str, Any], name: str) -> str:
    data = fields.get("data")
    listed = data.get(name) if isinstance(data, Mapping) else None
    names = list(listed)[:10] if isinstance(listed, Mapping) else []
    return ", ".join(f"{each} {said(listed, each)}" for each in names)
