"""Approvals: calls that wait until a person says yes or no.

::

    pending ──▶ approved
       │ ├────▶ denied
       │ └────▶ expired
       └ reminded, once or twice, of an approval that is to be escalated

An approval is only ever one of these, and leaves ``pending`` once. Each change is told by an event,
and ``change`` names the batch of the last one, so that a change whose answer was lost is known by
who made it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from tocsin.domain import ids
from tocsin.domain.canonical import canonical

__all__ = [
    "Approval",
    "Call",
    "Expiry",
    "Grant",
    "Rule",
    "Status",
    "Step",
    "is_id",
    "is_rule_name",
    "new_id",
    "rule_name",
    "run_digest",
]

_PREFIX: Final = "apr_"
_RULE_NAME: Final = re.compile(r"auto-[0-9a-f]{24}", re.ASCII)
_REMIND_AT: Final = (0.5, 0.9)  # of the time that an approval has, when it is to be escalated


def new_id(batch_id: str) -> str:
    """Return an approval's id from one that a batch could have: they are in the order of time."""
    return _PREFIX + batch_id


def is_id(text: str) -> bool:
    """Whether this can be an approval's id."""
    return text.startswith(_PREFIX) and ids.is_batch_id(text.removeprefix(_PREFIX))


class Status(StrEnum):
    """Where an approval stands."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"


class Expiry(StrEnum):
    """What an approval that nobody resolves does: ``escalate`` reminds before it expires."""

    DENY = "deny"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is to be approved, and whose it is. What is not given is empty; ``input`` is JSON.

    ``owner`` is the person or the key that asks.
    """

    tool: str
    agent: str
    owner: str
    session: str = ""
    run_id: str = ""
    tool_call_id: str = ""
    command: str = ""
    path: str = ""
    cwd: str = ""
    input: Any = None

    @property
    def what(self) -> dict[str, Any]:
        """What would be done, without who does it: as events and rules hold it."""
        parts = {"tool": self.tool, "command": self.command, "path": self.path, "cwd": self.cwd}
        given = {name: value for name, value in parts.items() if value}
        return given if self.input is None else given | {"input": self.input}

    @property
    def who(self) -> dict[str, str]:
        """Who does it: owner, agent, session, run and tool call."""
        return {
            "owner": self.owner,
            "agent": self.agent,
            "session": self.session,
            "run_id": self.run_id,
            "tool_call_id": self.tool_call_id,
        }

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the canonical JSON of all of it: another call has another.

        Raises:
            Malformed: it is not I-JSON.
        """
        return _digest({"what": self.what, "who": self.who})

    @property
    def nameless(self) -> "Call":
        """The same without its id: what it is known by to who does not tell the id."""
        return replace(self, tool_call_id="")

    @property
    def rule_digest(self) -> bytes:
        """The same of what a remembered approval is for: this agent, doing exactly this."""
        return _digest({"what": self.what, "agent": self.agent})

    @property
    def run(self) -> bytes | None:
        """The digest of the run that it is part of, for :class:`Grant`; None: of none."""
        if not self.run_id:
            return None
        return run_digest(self.agent, self.session, self.run_id, self.owner)


def run_digest(agent: str, session: str, run_id: str, owner: str) -> bytes:
    """Return what a run is known by."""
    return _digest({"agent": agent, "session": session, "run_id": run_id, "owner": owner})


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One call that was asked for. ``call`` is as it is shown: without credentials.

    ``digest`` and ``rule_digest`` are those of the call as it was sent. ``key_id`` is the key that
    asked, ``root_key_id`` the one that its chain of delegations begins with ("" in old ones: its
    own). ``resolved_by`` is what the resolver's credential proves, ``claimed_by`` what it said.
    ``resolved_reason`` is why, in the resolver's words.
    ``link_secret`` signs its links, if there are any, and ``linked_by`` was given them last.
    """

    org: str
    id: str
    call: Call
    digest: bytes
    rule_digest: bytes
    key_id: str
    created_at_ms: int
    expires_at_ms: int
    change: str = ""  # the batch that tells of the last change
    status: Status = Status.PENDING
    message: str = ""
    reason: str = ""
    on_expiry: Expiry = Expiry.DENY
    reminders: int = 0
    resolved_at_ms: int | None = None
    resolved_by: str = ""
    claimed_by: str = ""
    resolved_reason: str = ""
    persisted: bool = False
    consumed_at_ms: int | None = None
    root_key_id: str = ""
    link_secret: bytes = field(default=b"", repr=False)
    linked_by: str = ""

    @property
    def pending(self) -> bool:
        """Whether it still waits, as far as is stored."""
        return self.status is Status.PENDING

    def overdue(self, now_ms: int) -> bool:
        """Whether its time is over."""
        return now_ms >= self.expires_at_ms

    @property
    def due_ms(self) -> int:
        """When something has to happen by itself: a reminder, or its expiry."""
        if self.on_expiry is Expiry.ESCALATE and self.reminders < len(_REMIND_AT):
            return self._reminder_ms(_REMIND_AT[self.reminders])
        return self.expires_at_ms

    def after(self, now_ms: int) -> "Approval":
        """Return it as time alone has made it by now; itself, if nothing is due."""
        if not self.pending or now_ms < self.due_ms:
            return self
        if self.overdue(now_ms):
            return self.resolved(Status.EXPIRED, now_ms, by="timeout")
        return replace(self, reminders=sum(now_ms >= self._reminder_ms(at) for at in _REMIND_AT))

    def resolved(
        self,
        status: Status,
        now_ms: int,
        *,
        by: str,
        claimed: str = "",
        reason: str = "",
        persisted: bool = False,
    ) -> "Approval":
        """Return it as it is after its resolution."""
        return replace(
            self,
            status=status,
            resolved_at_ms=now_ms,
            resolved_by=by,
            claimed_by=claimed,
            resolved_reason=reason,
            persisted=persisted,
        )

    def _reminder_ms(self, at: float) -> int:
        return self.created_at_ms + int((self.expires_at_ms - self.created_at_ms) * at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Approves every further call of one run until it expires."""

    org: str
    run: bytes  # as run_digest makes it
    expires_at_ms: int
    granted_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Approves what was approved before, for the same agent, until it is removed.

    Its name follows from its digest, so that an agent has one for the same call.
    """

    org: str
    digest: bytes  # Call.rule_digest
    agent: str
    what: Mapping[str, Any] = field(default_factory=dict)  # Call.what, without credentials
    created_at_ms: int
    created_by: str

    @property
    def name(self) -> str:
        """What it is called."""
        return rule_name(self.digest)


def is_rule_name(text: str) -> bool:
    """Whether this can be the name of a rule."""
    return _RULE_NAME.fullmatch(text) is not None


def rule_name(digest: bytes) -> str:
    """Return the name of the rule for a call with this digest."""
    return f"auto-{digest.hex()[:24]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one transaction does, all or nothing.

    Each of ``approvals`` becomes what is said of it here, if the change before it is the one that
    ``was`` names by its id (a new one is not in it). ``asked`` are the digests of those calls that
    a repeated request has to find again, each with the approval that it leads to now and the one
    that it led to before ("" for none).
    """

    approvals: tuple[Approval, ...] = ()
    was: Mapping[str, str] = field(default_factory=dict)
    asked: tuple[tuple[bytes, str, str], ...] = ()
    grant: Grant | None = None
    rule: Rule | None = None
    removed_rule: Rule | None = None
    events: tuple[Mapping[str, Any], ...] = ()

    def told_by(self, batch_id: str) -> "Step":
        """Return it as told by the events of this batch."""
        told = tuple(replace(approval, change=batch_id) for approval in self.approvals)
        return replace(self, approvals=told)


def _digest(value: dict[str, Any]) -> bytes:
    return sha256(canonical(value)).digest()
