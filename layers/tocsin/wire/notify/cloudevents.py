"""CloudEvents 1.0.2 over HTTP, structured: one JSON object, with the headers of Standard Webhooks.

See https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md. ``type`` is the event's
own, as everywhere; ``source`` says whose it is. ``sequence`` is the seq, in the form of
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/sequence.md: a text, since
integers end at 2^31 there.
"""

from typing import Any, Final

from tocsin.domain import canonical
from tocsin.domain.deliveries import Outgoing
from tocsin.domain.org import event_source
from tocsin.domain.segment import SealedEvent
from tocsin.wire.notify.fields import said
from tocsin.wire.notify.sending import Sending, posted
from tocsin.wire.notify.standard import attempted
from tocsin.wire.notify.thin import payload

__all__ = ["outgoing"]

_CONTENT_TYPE: Final = "application/cloudevents+json; charset=UTF-8"
_SEQUENCE_DIGITS: Final = 16


def outgoing(event: SealedEvent, sending: Sending) -> Outgoing:
    """Return the request that sends an event."""
    fields = canonical.parse(event.entry)
    around: dict[str, Any] = {
        "specversion": "1.0",
        "id": fields["id"],
        "source": event_source(sending.endpoint.org),
        "type": fields["type"],
        "time": fields["timestamp"],
        "sequence": f"{event.seq:0{_SEQUENCE_DIGITS}d}",
        "datacontenttype": "application/json",
    }
    agent = said(fields, "agent_id")
    if agent and agent.isprintable():  # attributes have no control characters
        around["subject"] = agent
    body = payload(event, around | {"data": event.parse()}, around, sending.public_url)
    headers = attempted(fields["id"], sending, body)
    return posted(sending.endpoint.url, body, *headers, content_type=_CONTENT_TYPE)
