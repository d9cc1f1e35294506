"""What Rampart's approval routes take and answer. Times are RFC 3339, as its clients read them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import orjson
from pydantic import FailFast, Field, TypeAdapter, with_config

from tocsin.domain.approvals import Approval, Expiry, Rule, Status
from tocsin.domain.errors import Malformed
from tocsin.domain.limits import (
    LONGEST_APPROVAL_SECONDS,
    MAX_BULK_APPROVALS,
    MAX_CALL_BYTES,
    MAX_DECISION_WAIT_SECONDS,
    MAX_MESSAGE_CHARS,
    MAX_NAME_CHARS,
    MAX_PENDING_APPROVALS,
    RUN_GRANT_SECONDS,
    SHORTEST_APPROVAL_SECONDS,
)
from tocsin.domain.times import iso_ms
from tocsin.wire.bodies import STRICT, WHOLE, Name, Perhaps
from tocsin.wire.filters import Query
from tocsin.wire.parameters import known, number, once

__all__ = [
    "BULK",
    "CREATE",
    "RESOLVE",
    "BulkBody",
    "CreateBody",
    "Page",
    "ResolveBody",
    "created",
    "decision",
    "listed",
    "page_asked",
    "pending",
    "resolved",
    "rules",
    "seconds_asked",
    "shown",
    "size_bytes",
]

_WAIT = f"the seconds to wait for a decision, {MAX_DECISION_WAIT_SECONDS} at most"
_LIMIT = f"how many to return, from 1 to {MAX_PENDING_APPROVALS:,}"
_FRAME_BYTES = 512  # of an approval in a list, besides what was sent
_Text = Annotated[str, Field(max_length=MAX_MESSAGE_CHARS)]
_Long = Annotated[str, Field(max_length=MAX_CALL_BYTES)]
_Seconds = Annotated[int, Field(ge=SHORTEST_APPROVAL_SECONDS, le=LONGEST_APPROVAL_SECONDS), WHOLE]


@with_config(STRICT)
class CreateBody(TypedDict):
    """Of ``POST /v1/approvals``; ``ttl`` is in seconds."""

    tool: Name
    agent: Name
    message: _Text
    command: NotRequired[_Long]
    path: NotRequired[_Long]
    cwd: NotRequired[_Long]
    input: NotRequired[Any]
    session: NotRequired[Perhaps]
    run_id: NotRequired[Perhaps]
    tool_call_id: NotRequired[Perhaps]
    reason: NotRequired[_Text]
    ttl: NotRequired[_Seconds]
    on_expiry: NotRequired[Literal["deny", "escalate"]]


@with_config(STRICT)
class ResolveBody(TypedDict):
    """Of ``POST /v1/approvals/{id}/resolve``."""

    approved: bool
    resolved_by: NotRequired[Perhaps]
    reason: NotRequired[_Text]
    persist: NotRequired[bool]


@with_config(STRICT)
class BulkBody(TypedDict):
    """Of ``POST /v1/approvals/bulk-resolve``."""

    agent: Name
    session: Perhaps
    run_id: Name
    action: Literal["approve", "deny"]
    scope: Literal["pending", "run"]
    ids: Annotated[list[Name], Field(min_length=1, max_length=MAX_BULK_APPROVALS), FailFast()]
    resolved_by: NotRequired[Perhaps]
    reason: NotRequired[_Text]


CREATE: TypeAdapter[CreateBody] = TypeAdapter(CreateBody)
RESOLVE: TypeAdapter[ResolveBody] = TypeAdapter(ResolveBody)
BULK: TypeAdapter[BulkBody] = TypeAdapter(BulkBody)


@dataclass(frozen=True, slots=True)
class Page:
    """Up to ``limit`` approvals, from beyond the one with this id."""

    limit: int
    after: str


def seconds_asked(query: Query) -> int:
    """Return how long a request for a decision waits for it; 0 if it does not say.

    Raises:
        Malformed: another parameter, or another value.
    """
    known(query, ("wait",))
    seconds = number(once(query, {"wait"}), "wait", _WAIT) or 0
    if seconds > MAX_DECISION_WAIT_SECONDS:
        raise Malformed(f"wait is {_WAIT}")
    return seconds


def page_asked(query: Query) -> Page:
    """Return which of the pending approvals are asked for: all, unless the query says otherwise.

    Raises:
        Malformed: a parameter is given twice, or not understood.
    """
    given = once(query, {"limit", "after"})
    limit = number(given, "limit", _LIMIT)
    if limit is not None and not 1 <= limit <= MAX_PENDING_APPROVALS:
        raise Malformed(f"limit is {_LIMIT}")
    after = given.get("after", "")
    if len(after) > MAX_NAME_CHARS or not after.isascii():
        raise Malformed("after is the id of an approval")
    return Page(limit or MAX_PENDING_APPROVALS, after)


def size_bytes(approval: Approval) -> int:
    """Return about how large an approval is in a list."""
    call = approval.call
    texts = (call.command, call.tool, call.agent, call.session, call.run_id, approval.message)
    return _FRAME_BYTES + sum(len(orjson.dumps(text)) for text in texts)


def decision(approval: Approval) -> dict[str, Any]:
    """Return how an approval stands; ``approved`` is None until it is decided."""
    answer: dict[str, Any] = {
        "id": approval.id,
        "status": approval.status,
        "approved": None if approval.pending else approval.status is Status.APPROVED,
        "expires_at": iso_ms(approval.expires_at_ms),
    }
    if approval.resolved_at_ms is not None:
        answer["resolved_at"] = iso_ms(approval.resolved_at_ms)
        answer["resolved_by"] = approval.resolved_by
        if approval.resolved_reason:
            answer["resolved_reason"] = approval.resolved_reason
    return answer


def created(approval: Approval) -> dict[str, Any]:
    """Return the answer to a request for an approval."""
    answer: dict[str, Any] = {"id": approval.id, "status": approval.status}
    if not approval.pending:
        answer["message"] = f"approved already, by {approval.resolved_by}"
    return answer | {"expires_at": iso_ms(approval.expires_at_ms)}


def listed(approval: Approval) -> dict[str, Any]:
    """Return an approval as the list has it."""
    call = approval.call
    return {
        "id": approval.id,
        "tool": call.tool,
        "command": call.command,
        "agent": call.agent,
        "session": call.session,
        "credential_owner": call.owner,
        "message": approval.message,
        "status": approval.status,
        "run_id": call.run_id,
        "created_at": iso_ms(approval.created_at_ms),
        "expires_at": iso_ms(approval.expires_at_ms),
    }


def shown(approval: Approval) -> dict[str, Any]:
    """Return one approval, whole."""
    call = approval.call
    more = {
        "path": call.path,
        "cwd": call.cwd,
        "tool_call_id": call.tool_call_id,
        "reason": approval.reason,
        "claimed_by": approval.claimed_by,
        "linked_by": approval.linked_by,
        "resolved_reason": approval.resolved_reason,
        "sha256": approval.digest.hex(),
    }
    answer = listed(approval) | {name: value for name, value in more.items() if value}
    if call.input is not None:
        answer["input"] = call.input
    if approval.on_expiry is not Expiry.DENY:
        answer["on_expiry"] = approval.on_expiry
    if approval.resolved_at_ms is not None:
        answer["resolved_at"] = iso_ms(approval.resolved_at_ms)
        answer["resolved_by"] = approval.resolved_by
        answer["persisted"] = approval.persisted
    return answer


def pending(approvals: Sequence[Approval]) -> dict[str, Any]:
    """Return the list of those that wait, and the runs that have several of them."""
    return {
        "approvals": [listed(each) for each in approvals],
        "run_groups": _groups(approvals),
        "run_grant_ttl_ms": RUN_GRANT_SECONDS * 1_000,
    }


def resolved(approval: Approval) -> dict[str, Any]:
    """Return the answer to a resolution."""
    return {
        "id": approval.id,
        "status": approval.status,
        "approved": approval.status is Status.APPROVED,
        "persisted": approval.persisted,
    }


def rules(each: Iterable[Rule]) -> dict[str, Any]:
    """Return what is always approved."""
    return {
        "rules": [
            {
                "index": index,
                "name": rule.name,
                "tool": rule.what.get("tool", ""),
                "command_pattern": rule.what.get("command", ""),
                "path_pattern": rule.what.get("path", ""),
                "agent": rule.agent,
                "created": iso_ms(rule.created_at_ms),
                "created_by": rule.created_by,
            }
            for index, rule in enumerate(each)
        ]
    }


def _groups(approvals: Sequence[Approval]) -> list[dict[str, Any]]:
    """Return the runs with two or more, oldest first, apart by owner."""
    runs: dict[tuple[str, str, str, str], list[Approval]] = {}
    for each in approvals:
        call = each.call
        if call.run_id:
            run = (call.agent, call.session, call.run_id, call.owner)
            runs.setdefault(run, []).append(each)
    return [
        {
            "agent": agent,
            "session": session,
            "run_id": run_id,
            "credential_owner": owner,
            "count": len(group),
            "earliest_created_at": iso_ms(group[0].created_at_ms),
            "items": [listed(each) for each in group],
        }
        for (agent, session, run_id, owner), group in runs.items()
        if len(group) > 1
    ]
