"""KavachOS' webhooks: its headers, its names of events, its ping; Standard Webhooks' headers too.

``X-Kavach-Signature`` is the HMAC-SHA256 of the body with the secret's whole text (``whsec_…``) as
the key, as KavachOS uses its secrets. It is one signature, the current secret's: whoever rotates
without a gap verifies ``webhook-signature``.
"""

import hmac
from typing import Any, Final

from tocsin.domain import canonical
from tocsin.domain.deliveries import Outgoing
from tocsin.domain.segment import SealedEvent
from tocsin.wire import kavach
from tocsin.wire.notify import signatures
from tocsin.wire.notify.sending import Sending, json_body, posted
from tocsin.wire.notify.standard import attempted
from tocsin.wire.notify.thin import payload
from tocsin.wire.notify.wanting import TEST

__all__ = ["outgoing"]

_NAMES: Final = {
    "approval.created": "approval.requested",
    "approval.resolved": "approval.resolved",
    "approval.resolved_in_bulk": "approval.resolved",
    "approval.expired": "approval.resolved",
    "delegation.created": "delegation.granted",
}
"""What only KavachOS' webhooks know; its streams have other names for them, or none."""

_AROUND: Final = ("id", "event", "type", "timestamp", "agentId", "userId", "seq")


def outgoing(event: SealedEvent, sending: Sending) -> Outgoing:
    """Return the request that sends an event."""
    fields = canonical.parse(event.entry)
    if fields["type"] == TEST:
        name = "ping"
        body = json_body({"event": name, "timestamp": fields["timestamp"]})
    else:
        (message,) = kavach.messages(event)
        name = _NAMES.get(fields["type"], message["type"])
        message |= {"event": name, "type": name}
        around: dict[str, Any] = {each: message[each] for each in _AROUND if each in message}
        body = payload(event, message, around, sending.public_url)
    headers = (
        ("x-kavach-event", name),
        ("x-kavach-delivery", sending.attempt_id),
        ("x-kavach-timestamp", str(sending.now_ms // 1_000)),
        *_signed(body, sending),
        *attempted(fields["id"], sending, body),
    )
    return posted(sending.endpoint.url, body, *headers)


def _signed(body: bytes, sending: Sending) -> list[tuple[str, str]]:
    current = sending.endpoint.signing(sending.now_ms)[:1]
    return [
        (
            "x-kavach-signature",
            "sha256=" + hmac.digest(signatures.hmac_text(each).encode(), body, "sha256").hex(),
        )
        for each in current
    ]
