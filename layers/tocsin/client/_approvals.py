"""Approvals: what is asked, and what is answered. No I/O."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self, TypedDict
from urllib.parse import quote
from uuid import uuid4

import httpx
import orjson

from tocsin.client._errors import ApiError, not_tocsins
from tocsin.domain.limits import MAX_DECISION_WAIT_SECONDS

__all__ = [
    "Approval",
    "ApprovalLinks",
    "AskOptions",
    "Deadline",
    "Question",
    "answered",
    "asked",
    "linked",
    "one",
    "page",
    "question",
]

APPROVALS_PATH: Final = "/v1/approvals"

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


@dataclass(frozen=True, slots=True)
class Question:
    """One request to a route of approvals; it can be sent again as it is."""

    method: str
    path: str
    params: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    read_seconds: float | None = None


def question(
    method: str, id: str = "", what: str = "", body: Mapping[str, Any] | None = None
) -> Question:
    """Return a request about one approval, or about all."""
    parts = [APPROVALS_PATH, *(quote(part, safe="") for part in (id, what) if part)]
    return Question(method, "/".join(parts), body=body)


def asked(tool: str, agent: str, message: str, options: AskOptions) -> Question:
    """Return the request for an approval.

    It names a tool call, so that a repetition whose answer was lost asks for the same.
    """
    call = {"tool_call_id": f"call_{uuid4().hex}"} | dict(options)
    return question("POST", body={"tool": tool, "agent": agent, "message": message, **call})


class Deadline:
    """The requests that wait for one decision, for up to ``seconds``; None: until its end."""

    def __init__(self, id: str, seconds: float | None) -> None:
        self._id = id
        self._ends_at = None if seconds is None else time.monotonic() + seconds

    def question(self) -> Question:
        """Return the next request."""
        wait = MAX_DECISION_WAIT_SECONDS
        if self._ends_at is not None:
            wait = max(0, min(wait, round(self._ends_at - time.monotonic())))
        path = question("GET", self._id, "decision").path
        return Question("GET", path, {"wait": str(wait)}, read_seconds=wait + 15.0)

    def is_over(self, approval: Approval) -> bool:
        """Whether there is nothing more to wait for."""
        if approval.approved is not None:
            return True
        return self._ends_at is not None and time.monotonic() >= self._ends_at


def answered(response: httpx.Response) -> Any:
    """Return the JSON of an answer; raises what :func:`one` raises."""
    if not response.is_success:
        raise ApiError(response)
    try:
        return orjson.loads(response.content)
    except ValueError as error:
        raise not_tocsins(response, "JSON") from error


def one(response: httpx.Response) -> Approval:
    """Return the approval that an answer tells of.

    Raises:
        ApiError: Tocsin refused.
        httpx.RemoteProtocolError: What answered is not Tocsin.
    """
    if not response.is_success:
        raise ApiError(response)
    try:
        return Approval.from_fields(orjson.loads(response.content))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise not_tocsins(response, "approval") from error


def linked(response: httpx.Response) -> ApprovalLinks:
    """Return the links that an answer holds; raises what :func:`one` raises."""
    fields = answered(response)
    try:
        return ApprovalLinks(fields["approve_url"], fields["deny_url"], fields["expires_at"])
    except (KeyError, TypeError) as error:
        raise not_tocsins(response, "links") from error


def page(response: httpx.Response) -> tuple[list[Approval], Question | None]:
    """Return the approvals of a list, and the request for those after them.

    Raises what :func:`one` raises.
    """
    if not response.is_success:
        raise ApiError(response)
    try:
        fields = orjson.loads(response.content)["approvals"]
        found = [Approval.from_fields(each) for each in fields]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise not_tocsins(response, "list of approvals") from error
    if "next" not in response.links or not found:
        return found, None
    return found, Question("GET", APPROVALS_PATH, {"after": found[-1].id})
