"""Govrix Scout's dialect: every message is an ``agent_event`` with flat snake_case fields.

The event's canonical fields are Govrix' own, so a message is the event with what the ledger gives
it. ``pii_detected`` is always there, as in Govrix' document; other absent fields are left out.
"""

from tocsin.domain.segment import SealedEvent
from tocsin.wire import frames

__all__ = ["encode"]


def encode(event: SealedEvent) -> bytes:
    """Return an event as Govrix Scout sends it."""
    return frames.event("agent_event", event.seq, {"pii_detected": False} | event.parse())
