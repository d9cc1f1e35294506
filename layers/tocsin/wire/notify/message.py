"""What a person needs to know of an event: the same in every chat, mail and page.

What agents wrote stands in it as they wrote it, less credentials; each service's module makes it
fit to be shown there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final
from urllib.parse import quote

import orjson

from tocsin.domain import approvals, ids
from tocsin.domain.times import iso_ms
from tocsin.wire.masking import masked
from tocsin.wire.notify.sending import Answers, Sending
from tocsin.wire.notify.wanting import REMINDER, TEST

__all__ = ["Message", "Tone", "message_of", "said"]

ASKED: Final = frozenset({"approval.created", REMINDER})
ANSWERED: Final = frozenset({"approval.resolved", "approval.resolved_in_bulk", "approval.expired"})
REVIEWED: Final = "tocsin.anomaly_reviewed"

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
}
_VERDICTS: Final = {"deny": "denied", "ask": "waits", "alert": "alerted"}
_CALLS: Final = ("command", "path", "input")


class Tone(IntEnum):
    """How loud a message is."""

    PLAIN = 0
    GOOD = 1
    WARNING = 2
    CRITICAL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A title, perhaps some text and a block of code, and facts: names and values, none empty.

    ``link`` leads to the dashboard, if anybody knows where that is.
    """

    title: str
    tone: Tone
    text: str
    code: str
    facts: tuple[tuple[str, str], ...]
    link: str
    links: Answers | None
    at: str

    @property
    def actions(self) -> list[tuple[str, str]]:
        """What can be opened: names and URLs."""
        links = self.links
        answers = [("Approve", links.approve_url), ("Deny", links.deny_url)] if links else []
        return [*answers, ("Open in Tocsin", self.link)] if self.link else answers


def message_of(fields: Mapping[str, Any], seq: int, sending: Sending) -> Message:
    """Return the message of an event, given its canonical fields."""
    type = said(fields, "type")
    facts = {
        "Agent": said(fields, "agent_id"),
        "Tool": said(fields, "tool_name"),
        **_facts(type, fields, sending),
        "Session": said(fields, "session_id"),
        "Event": f"{type}, seq {seq} of {sending.endpoint.org}",
    }
    tool = facts["Tool"]
    title = _title(type, fields)
    return Message(
        title=f"{title}: {tool}" if tool.strip() else title,
        tone=_tone(type, fields),
        text=masked(_text(type, fields)),
        code=_code(fields),
        facts=tuple((name, masked(value)) for name, value in facts.items() if value.strip()),
        link=_link(type, fields, sending.public_url),
        links=sending.links if type in ASKED else None,
        at=said(fields, "timestamp"),
    )


def said(fields: Any, *names: str) -> str:
    """Return what stands under a name inside of another, as text; nothing else than plain values.

    Another version, or a client, may have put anything there.
    """
    for name in names:
        fields = fields.get(name) if isinstance(fields, Mapping) else None
    match fields:
        case bool() | None:
            return ""
        case float():
            return f"{fields:.6g}"
        case str() | int():
            return str(fields)
    return ""


def _title(type: str, fields: Mapping[str, Any]) -> str:
    if type in ("approval.resolved", "approval.resolved_in_bulk"):
        return {"approved": "Approved", "denied": "Denied"}.get(
            said(fields, "data", "status"), "Answered"
        )
    if type == "anomaly":
        kind = said(fields, "anomaly_type").replace("_", " ")
        return f"Anomaly, {said(fields, 'status')}: {kind}"
    if type == REVIEWED:
        return f"Anomaly: {said(fields, 'status').replace('_', ' ')}"
    verdict = _VERDICTS.get(said(fields, "action"), "")
    title = _TITLES.get(type, f"Event {type}")
    return f"{title} ({verdict})" if verdict and not type.startswith("approval.") else title


def _tone(type: str, fields: Mapping[str, Any]) -> Tone:
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


def _text(type: str, fields: Mapping[str, Any]) -> str:
    if type in ASKED:
        return said(fields, "data", "message") or said(fields, "decision", "message")
    if type == "anomaly":
        return said(fields, "data", "description")
    if type == TEST:
        return "If you can read this, deliveries arrive here."
    return said(fields, "decision", "message")


def _facts(type: str, fields: Mapping[str, Any], sending: Sending) -> dict[str, str]:
    if type in ASKED:
        ends = said(fields, "data", "expires_at")
        if not ends and sending.links:
            ends = iso_ms(sending.links.expires_at_ms)
        return {
            "Asked by": said(fields, "data", "credential_owner"),
            "Reason": said(fields, "data", "reason"),
            "In": said(fields, "request", "cwd"),
            "Waits until": ends,
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
            "Since": said(fields, *found, "since"),
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


def _with_unit(number: str, unit: str) -> str:
    return f"{number} {unit}".strip() if number else ""


def _listed(fields: Mapping[str, Any], name: str) -> str:
    data = fields.get("data")
    listed = data.get(name) if isinstance(data, Mapping) else None
    names = list(listed)[:10] if isinstance(listed, Mapping) else []
    return ", ".join(f"{each} {said(listed, each)}" for each in names)


def _code(fields: Mapping[str, Any]) -> str:
    """Return what is, or would be, done: the command if there is one."""
    request = fields.get("request")
    if not isinstance(request, Mapping):
        return ""
    for name in _CALLS:
        if given := request.get(name):
            given = masked(given)
            return given if isinstance(given, str) else orjson.dumps(given).decode()
    return ""


def _link(type: str, fields: Mapping[str, Any], public_url: str | None) -> str:
    if public_url is None:
        return ""
    view, id = "feed", said(fields, "id")
    approval, anomaly = said(fields, "data", "approval_id"), said(fields, "data", "anomaly_id")
    if type.startswith("approval.") and approvals.is_id(approval):
        view, id = "approvals", approval
    elif type == "anomaly":
        view = "anomalies"
    elif type == REVIEWED and ids.batch_of(anomaly):
        view, id = "anomalies", anomaly
    return f"{public_url}/#/{view}/{quote(id, safe='')}"
