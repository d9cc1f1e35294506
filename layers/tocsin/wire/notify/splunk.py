"""Splunk: the event endpoint of an HTTP Event Collector, many events a request.

The objects stand one behind the other. ``time`` is in seconds, with milliseconds; ``fields`` are
indexed and flat. See
https://help.splunk.com/splunk-enterprise/get-data-in/collect-http-event-data/format-events-for-http-event-collector.
"""

from collections.abc import Sequence
from typing import Final

from tocsin.domain.deliveries import Outgoing
from tocsin.domain.segment import SealedEvent
from tocsin.wire import summary
from tocsin.wire.notify.sending import Sending, json_body, posted, with_path

__all__ = ["AROUND_BYTES", "MAX_BODY_BYTES", "outgoing"]

MAX_BODY_BYTES: Final = 1_000_000
"""Of a request; what is larger some collectors refuse."""

AROUND_BYTES: Final = 1_024
"""Of what an event has around its entry, at most."""

_PATH: Final = "/services/collector/event"
_SOURCE: Final = "tocsin"
_SOURCE_TYPE: Final = "tocsin:event"


def outgoing(events: Sequence[SealedEvent], sending: Sending) -> Outgoing:
    """Return the request that sends a run of events."""
    body = b"".join(_event(each, sending.endpoint.org) for each in events)
    authorization = ("authorization", f"Splunk {sending.endpoint.token}")
    return posted(with_path(sending.endpoint.url, _PATH), body, authorization)


def _event(event: SealedEvent, org: str) -> bytes:
    fields = event.parse()
    return json_body(
        {
            "time": max(summary.at_ms(fields), 0) / 1_000,
            "host": _SOURCE,
            "source": _SOURCE,
            "sourcetype": _SOURCE_TYPE,
            "fields": {
                "org": org,
                "id": fields["id"],
                "seq": str(event.seq),
                "type": fields["type"],
            },
            "event": fields,
        }
    )
