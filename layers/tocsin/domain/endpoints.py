"""Endpoints: where an org's events are sent, each a cursor over its ledger.

::

    active ──▶ paused      by a person, by an answer of 410, or by five days of failures
       ▲          │
       └──────────┘        by a person
"""

import re
import secrets
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from tocsin.domain.detect.kinds import Severity

__all__ = ["Endpoint", "Format", "Order", "Secret", "Status", "Wanted", "is_id", "new_id"]

_ID: Final = re.compile(r"ep_[0-9a-z]{26}", re.ASCII)
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id() -> str:
    """Return an id for an endpoint: ``ep_`` and 26 random letters."""
    return "ep_" + "".join(secrets.choice(_ALPHABET) for _ in range(26))


def is_id(text: str) -> bool:
    """Whether ``text`` can be an endpoint's id."""
    return _ID.fullmatch(text) is not None


class Format(StrEnum):
    """What an endpoint is sent."""

    TOCSIN = "tocsin"
    CLOUDEVENTS = "cloudevents"
    KAVACH = "kavach"
    SLACK = "slack"
    TEAMS = "teams"
    DISCORD = "discord"
    PAGERDUTY = "pagerduty"
    EMAIL = "email"
    SPLUNK = "splunk"
    S3 = "s3"
    PARQUET = "parquet"


class Order(StrEnum):
    """In which order an endpoint is sent events.

    ``relaxed``: in that of the ledger, except that others pass one that fails. ``strict``: nothing
    passes it until it is given up. ``none``: several at once.
    """

    RELAXED = "relaxed"
    STRICT = "strict"
    NONE = "none"


class Status(StrEnum):
    """Whether an endpoint is sent anything."""

    ACTIVE = "active"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events an endpoint wants: each that is given must be as the event's; None: any will do.

    ``severity`` is the least of an anomaly; it says nothing of other events.
    """

    types: frozenset[str] | None = None
    agent_id: str | None = None
    tool_name: str | None = None
    action: str | None = None
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Secret:
    """What deliveries are signed with: an HMAC key (``whsec_``), and an Ed25519 key's seed.

    ``public`` is the Ed25519 key that verifies (``whpk_``). All are bytes: 24 to 64, 32 and 32. One
    that was rotated out signs until ``ends_at_ms``; 0: it is the current one.
    """

    hmac: bytes = field(repr=False)
    seed: bytes = field(repr=False)
    public: bytes
    ends_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint as people set it; ``change`` names the batch that tells of its last change.

    ``secrets`` are the current one and those before it that still sign, newest first. ``token`` is
    what the receiving service asks for beside the URL (Splunk's token, PagerDuty's routing key).
    ``links``: messages about approvals carry signed links, made with the key ``links_key``.
    ``escalation``: it is sent the reminders of approvals that are to be escalated.
    ``reason`` says why it is paused. It was last resumed at ``resumed_at_ms``, to go on after
    ``resumed_after_seq``; 0: where it was.
    """

    org: str
    id: str
    url: str
    description: str = ""
    format: Format = Format.TOCSIN
    order: Order = Order.RELAXED
    escalation: bool = False
    links: bool = False
    links_key: str = ""
    wanted: Wanted = Wanted()
    token: str = field(default="", repr=False)
    secrets: tuple[Secret, ...] = ()
    status: Status = Status.ACTIVE
    reason: str = ""
    by: str = ""
    at_ms: int = 0
    created_at_ms: int = 0
    resumed_at_ms: int = 0
    resumed_after_seq: int = 0
    change: str = ""

    @property
    def active(self) -> bool:
        """Whether it is sent anything."""
        return self.status is Status.ACTIVE

    def signing(self, now_ms: int) -> tuple[Secret, ...]:
        """Return the secrets that sign now, the current one first."""
        return tuple(
            each for each in self.secrets if not each.ends_at_ms or now_ms < each.ends_at_ms
        )

    def rotated(self, secret: Secret, now_ms: int, ends_at_ms: int) -> "Endpoint":
        """Return the endpoint with a new secret; the one before it signs until ``ends_at_ms``.

        Those that were rotated out before sign no longer.
        """
        before = [replace(each, ends_at_ms=ends_at_ms) for each in self.secrets[:1]]
        kept = before if ends_at_ms > now_ms else []
        return replace(self, secrets=(secret, *kept))
