"""Reading an event that is told: a client, or another version, may have put anything there."""

from collections.abc import Mapping
from typing import Any, Final

from tocsin.domain.detect.said import REVIEWED
from tocsin.wire.notify.wanting import REMINDER

__all__ = ["ANSWERED", "ASKED", "REVIEWED", "said"]

ASKED: Final = frozenset({"approval.created", REMINDER})
"""The types of events that tell of a call that waits."""

ANSWERED: Final = frozenset({"approval.resolved", "approval.resolved_in_bulk", "approval.expired"})
"""The types of those that tell that it does not any more."""


def said(fields: Any, *names: str) -> str:
    """Return what stands under names, one inside the other, as text; "": no plain value does."""
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
