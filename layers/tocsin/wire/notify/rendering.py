"""What an endpoint is sent of events, whatever its format: the face of this package."""

from collections.abc import Sequence

from tocsin.domain import canonical
from tocsin.domain.deliveries import Outgoing
from tocsin.domain.endpoints import Endpoint, Format
from tocsin.domain.segment import SealedEvent
from tocsin.wire.notify import (
    cloudevents,
    discord,
    kavach,
    mail,
    objects,
    pagerduty,
    slack,
    splunk,
    standard,
    teams,
)
from tocsin.wire.notify.message import message_of
from tocsin.wire.notify.sending import Answers, Sending
from tocsin.wire.notify.wanting import wants

__all__ = ["Answers", "outgoing", "wants"]


def outgoing(
    endpoint: Endpoint,
    events: Sequence[SealedEvent],
    *,
    now_ms: int,
    attempt: int,
    attempt_id: str,
    public_url: str | None,
    links: Answers | None,
) -> Outgoing:
    """Return the request that sends events to an endpoint: one, or a run where it takes them.

    ``attempt_id`` is a UUID of this attempt, the ``attempt``-th. ``public_url`` is where people
    reach Tocsin, ``links`` are those to the answers of an approval that waits.
    """
    sending = Sending(
        endpoint=endpoint,
        now_ms=now_ms,
        attempt=attempt,
        attempt_id=attempt_id,
        public_url=public_url,
        links=links,
    )
    match endpoint.format:
        case Format.SPLUNK:
            return splunk.outgoing(events, sending)
        case Format.S3 | Format.PARQUET:
            return objects.outgoing(events, sending)
    (event,) = events
    match endpoint.format:
        case Format.TOCSIN:
            return standard.outgoing(event, sending)
        case Format.CLOUDEVENTS:
            return cloudevents.outgoing(event, sending)
        case Format.KAVACH:
            return kavach.outgoing(event, sending)
    fields = canonical.parse(event.entry)
    message = message_of(fields, event.seq, sending)
    match endpoint.format:
        case Format.SLACK:
            return slack.outgoing(message, sending)
        case Format.TEAMS:
            return teams.outgoing(message, sending)
        case Format.DISCORD:
            return discord.outgoing(message, sending)
        case Format.PAGERDUTY:
            return pagerduty.outgoing(message, fields, sending)
        case _:
            return mail.outgoing(message, sending, fields["id"])
