"""Approvals: what is asked, and what is answered. No I/O."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self, TypedDict
from uuid import uuid4

from tocsin.client import _asking as asking
from tocsin.client._asking import Flow, Question
from tocsin.domain.limits import MAX_DECISION_WAIT_SECONDS

__all__ = [
    "Approval",
    "ApprovalLinks",
    "AskOptions",
    "asked",
    "decided",
    "linked",
    "one",
    "pages",
    "question",
    "resolution",
]

_APPROVALS: Final = "/v1/approvals"

type Status = Literal["pending", "approved", "denied", "expired"]


class AskOptions(TypedDict, total=False):
    """What else can be said of a call that is to be approved; ``ttl`` is in seconds."""

    command: str
    path: str
    cwd: str
    input: Any
    session: str
    run_id: str
    tool_call_id: str
    reason: str
    ttl: int
    on_expiry: Literal["deny", "escalate"]


@dataclass(frozen=True, slots=True)
class Approval:
    """A call that waits for a person, or what was decided.

    Attributes:
        approved: Whether it may be made; None until that is decided.
        fields: All that Tocsin said of it.
    """

    id: str
    status: Status
    expires_at: str
    approved: bool | None = None
    resolved_by: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Return it as any of Tocsin's answers has it.

        Raises:
            KeyError, TypeError: it is none.
        """
        status = fields["status"]
        return cls(
            id=fields["id"],
            status=status,
            expires_at=str(fields.get("expires_at", "")),
            approved=None if status == "pending" else status == "approved",
            resolved_by=fields.get("resolved_by"),
            fields=fields,
        )


@dataclass(frozen=True, slots=True)
class ApprovalLinks:
    """Two links, each to one answer: whoever opens it can give that answer, without a key."""

    approve_url: str
    deny_url: str
    expires_at: str

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Return them as Tocsin's answer has them; raises KeyError or TypeError: it has none."""
        return cls(fields["approve_url"], fields["deny_url"], fields["expires_at"])


def question(
    method: str,
    id: str = "",
    what: str = "",
    body: Mapping[str, Any] | None = None,
    params: Mapping[str, str] | None = None,
    read_seconds: float | None = None,
) -> Question:
    """Return a request about one approval, or about all."""
    at = asking.path(_APPROVALS, *(part for part in (id, what) if part))
    return Question(method, at, params, body, read_seconds)


def asked(tool: str, agent: str, message: str, options: AskOptions) -> Question:
    """Return the request for an approval.

    It names a tool call, so that a repetition whose answer was lost asks for the same.
    """
    call = {"tool_call_id": f"call_{uuid4().hex}"} | dict(options)
    return question("POST", body={"tool": tool, "agent": agent, "message": message, **call})


def resolution(id: str, approved: bool, persist: bool, reason: str) -> Question:
    """Return the request that answers an approval."""
    why = {"reason": reason} if reason else {}
    return question("POST", id, "resolve", {"approved": approved, "persist": persist} | why)


def decided(id: str, seconds: float | None) -> Flow[Approval]:
    """Wait for one decision, for up to ``seconds``; None: until its end."""
    ends_at = None if seconds is None else time.monotonic() + seconds
    while True:
        wait = MAX_DECISION_WAIT_SECONDS
        if ends_at is not None:
            wait = max(0, min(wait, round(ends_at - time.monotonic())))
        asked = question("GET", id, "decision", params={"wait": str(wait)}, read_seconds=wait + 15)
        approval = yield from one(asked)
        over = ends_at is not None and time.monotonic() >= ends_at
        if approval.approved is not None or over:
            return approval


def one(question: Question) -> Flow[Approval]:
    """Ask about one approval; raises what :func:`._asking.read` raises."""
    return asking.one(question, Approval.from_fields, "approval")


def linked(id: str) -> Flow[ApprovalLinks]:
    """Ask for an approval's links."""
    return asking.one(question("POST", id, "links"), ApprovalLinks.from_fields, "links")


def pages() -> Flow[list[Approval]]:
    """Ask for the approvals that wait, page by page."""
    found, after = list[Approval](), dict[str, str]()
    while True:
        response = yield question("GET", params=after or None)
        some = asking.read(response, _approvals, "list of approvals")
        found += some
        if "next" not in response.links or not some:
            return found
        after = {"after": found[-1].id}


def _approvals(fields: Mapping[str, Any]) -> list[Approval]:
    return [Approval.from_fields(each) for each in fields["approvals"]]
