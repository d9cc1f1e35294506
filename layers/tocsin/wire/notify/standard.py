"""Tocsin's own format: a payload as Standard Webhooks recommends it, ``type, timestamp, data``."""

from typing import Any

from tocsin.domain import canonical
from tocsin.domain.deliveries import Outgoing
from tocsin.domain.segment import SealedEvent
from tocsin.domain.times import iso_ms
from tocsin.wire.notify import signatures
from tocsin.wire.notify.sending import Sending, posted
from tocsin.wire.notify.thin import payload

__all__ = ["attempted", "outgoing"]


def outgoing(event: SealedEvent, sending: Sending) -> Outgoing:
    """Return the request that sends an event."""
    fields = canonical.parse(event.entry)
    around: dict[str, Any] = {"type": fields["type"], "timestamp": fields["timestamp"]}
    if sending.links:
        around["links"] = {
            "approve": sending.links.approve_url,
            "deny": sending.links.deny_url,
            "expires_at": iso_ms(sending.links.expires_at_ms),
        }
    body = payload(event, around | {"data": event.parse()}, around, sending.public_url)
    return posted(sending.endpoint.url, body, *attempted(fields["id"], sending, body))


def attempted(id: str, sending: Sending, body: bytes) -> tuple[tuple[str, str], ...]:
    """Return the headers that tell of an attempt, signed with what the endpoint signs with now."""
    signing = sending.endpoint.signing(sending.now_ms)
    signed = signatures.headers(signing, id, sending.now_ms, body)
    return (*signed, ("tocsin-attempt", str(sending.attempt)))
