"""What the routes of coding agents' hooks take besides a payload, and what ``tocsin hook`` gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tocsin.domain.approvals import Approval, is_id
from tocsin.domain.errors import Malformed
from tocsin.domain.limits import (
    LONGEST_HOOK_HOLD_SECONDS,
    MAX_NAME_CHARS,
    SHORTEST_APPROVAL_SECONDS,
)
from tocsin.domain.policy import Decision
from tocsin.domain.times import iso_ms
from tocsin.wire.filters import Query
from tocsin.wire.parameters import flag, number, once

__all__ = ["PARAMETERS", "Asked", "held", "options"]

PARAMETERS: Final = ("agent", "grant", "hold", "approval")

_HOLD: Final = (
    f"the seconds that the sender itself waits for a person, from {SHORTEST_APPROVAL_SECONDS} to "
    f"{LONGEST_HOOK_HOLD_SECONDS:,}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a hook's URL says.

    ``agent`` is who the product is here; "": the key's own, or else the product's name. With
    ``grant``, what policies allow is not asked about by the product either. Who sends
    ``hold_seconds`` waits for a person by itself, and comes again with the ``approval``.
    """

    agent: str = ""
    grant: bool = False
    hold_seconds: int | None = None
    approval: str = ""


def options(query: Query) -> Asked:
    """Return what a hook's URL says.

    Raises:
        Malformed: a parameter is given twice, or not understood.
    """
    given = once(query, set(PARAMETERS))
    seconds = number(given, "hold", _HOLD)
    if seconds is not None and not (
        SHORTEST_APPROVAL_SECONDS <= seconds <= LONGEST_HOOK_HOLD_SECONDS
    ):
        raise Malformed(f"hold is {_HOLD}")
    agent, approval = given.get("agent", ""), given.get("approval", "")
    if len(agent) > MAX_NAME_CHARS:
        raise Malformed(f"agent has {MAX_NAME_CHARS} characters at most")
    if approval and not is_id(approval):
        raise Malformed("approval is the id of an approval")
    return Asked(agent=agent, grant=flag(query, "grant"), hold_seconds=seconds, approval=approval)


def held(
    answer: Mapping[str, Any],
    decision: Decision | None,
    message: str,
    approval: Approval | None,
) -> dict[str, Any]:
    """Return what a sender gets that waits by itself: the product's answer, and what it is."""
    said: dict[str, Any] = {"decision": decision, "message": message, "answer": answer}
    if approval is not None:
        said["approval_id"] = approval.id
        said["expires_at"] = iso_ms(approval.expires_at_ms)
    return said
