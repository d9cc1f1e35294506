"""The events that tell of approvals, in the words of the ledger; their types are Tocsin's alone."""

from typing import Any, Final

from tocsin.domain.approvals import Approval, Grant, Rule, Status
from tocsin.domain.limits import MAX_MESSAGE_CHARS
from tocsin.domain.links import SIGNED_LINK
from tocsin.domain.times import iso_ms

__all__ = ["asked", "bulk", "expired", "linked", "reminded", "resolved", "rule_removed"]

_ACTIONS: Final = {Status.APPROVED: "allow", Status.DENIED: "deny", Status.EXPIRED: "deny"}

type Event = dict[str, Any]


def asked(approval: Approval) -> Event:
    """Tell that a call waits."""
    request = approval.call.what | {"approval_id": approval.id}
    decision = {"action": "ask", "message": approval.message}
    return _event("approval.created", approval, "ask", request, decision)


def reminded(approval: Approval) -> Event:
    """Tell that a call still waits, of an approval that is to be escalated."""
    request = approval.call.what | {"approval_id": approval.id}
    return _event("approval.reminder", approval, "ask", request, {"action": "ask"})


def linked(approval: Approval) -> Event:
    """Tell to whom an approval's links were given."""
    request = {
        "action": "approval_linked",
        "tool": approval.call.tool,
        "approval_id": approval.id,
        "linked_by": approval.linked_by,
    }
    event = _event("approval.linked", approval, "log", request, {})
    return event | {"user_id": approval.linked_by}


def resolved(
    approval: Approval, *, persist_asked: bool = False, bulk: Event | None = None
) -> Event:
    """Tell of a resolution; ``bulk`` says what else is said of one among several."""
    resolution = "always_allowed" if approval.persisted else str(approval.status)
    request = _resolution(approval, resolution) | {
        "persist_requested": persist_asked,
        "persist": approval.persisted,
        **(bulk or {}),
    }
    kind = "approval.resolved" if not bulk else "approval.resolved_in_bulk"
    event = _event(kind, approval, _ACTIONS[approval.status], request, {"action": resolution})
    return event | {"user_id": approval.resolved_by}


def expired(approval: Approval) -> Event:
    """Tell that nobody resolved it in time."""
    request = _resolution(approval, str(approval.status))
    return _event("approval.expired", approval, "deny", request, {"action": "deny"})


def bulk(
    first: Approval, *, scope: str, count: int, by: str, claimed: str, grant: Grant | None
) -> Event:
    """Tell of a resolution of several, after the events of each."""
    request = {
        "action": "approvals_resolved",
        "resolution": str(first.status),
        "resolved_by": by,
        "count": count,
        "approval_scope": scope,
        "future_calls_authorized": grant is not None,
    }
    if claimed:
        request["claimed_by"] = claimed
    if first.resolved_reason:
        request["resolved_reason"] = first.resolved_reason
    if grant:
        request["grant_expires_at"] = iso_ms(grant.expires_at_ms)
    event = _event("approval.bulk_resolved", first, _ACTIONS[first.status], request, {})
    for one in ("tool_name", "tool_call_id", "data", "decision"):  # of the first alone
        event.pop(one, None)
    return event | {"user_id": by}


def rule_removed(rule: Rule, by: str) -> Event:
    """Tell that what was always approved is asked for again."""
    request = dict(rule.what) | {"action": "rule_removed", "rule": rule.name, "removed_by": by}
    event = {"type": "approval.rule_removed", "action": "log", "request": request, "user_id": by}
    return event | ({"agent_id": rule.agent} if rule.agent else {})


def _resolution(approval: Approval, resolution: str) -> dict[str, Any]:
    request = {
        "action": "approval_resolved",
        "tool": approval.call.tool,
        "command": _short(approval.call.command),
        "resolution": resolution,
        "resolved_by": approval.resolved_by,
        "approval_id": approval.id,
    }
    if approval.claimed_by:
        request["claimed_by"] = approval.claimed_by
    if approval.resolved_reason:
        request["resolved_reason"] = approval.resolved_reason
    if approval.resolved_by == SIGNED_LINK:
        request["linked_by"] = approval.linked_by
    return request


def _short(text: str) -> str:
    """Return a text as every resolution repeats it: the event before has it whole."""
    return text if len(text) <= MAX_MESSAGE_CHARS else text[: MAX_MESSAGE_CHARS - 1] + "…"


def _event(type: str, approval: Approval, action: str, request: Event, decision: Event) -> Event:
    call = approval.call
    names = {
        "tool_name": call.tool,
        "agent_id": call.agent,
        "session_id": call.session,
        "run_id": call.run_id,
        "tool_call_id": call.tool_call_id,
    }
    data = {
        "approval_id": approval.id,
        "status": str(approval.status),
        "expires_at": iso_ms(approval.expires_at_ms),
        "credential_owner": call.owner,
        "message": approval.message,
        "reason": approval.reason,
        "on_expiry": str(approval.on_expiry),
    }
    event = {"type": type, "action": action, "request": request, "decision": decision}
    return (
        event
        | {name: value for name, value in names.items() if value}
        | {"data": {name: value for name, value in data.items() if value}}
    )
