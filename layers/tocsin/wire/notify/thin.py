"""Payloads of webhooks: an event as it is, or what leads to it where it is too large.

Standard Webhooks recommends payloads below 20 KB
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#payload-size).
"""

from collections.abc import Mapping
from typing import Any

from tocsin.domain import canonical
from tocsin.domain.limits import MAX_THICK_PAYLOAD_BYTES
from tocsin.domain.segment import SealedEvent
from tocsin.wire.notify.sending import json_body

__all__ = ["payload"]


def payload(
    event: SealedEvent, whole: Any, around: Mapping[str, Any], public_url: str | None
) -> bytes:
    """Return the JSON of a payload, if it is small enough.

    Else the JSON of what is ``around`` its ``data``, and there the event's id, seq and URL alone.
    """
    body = json_body(whole)
    if len(body) <= MAX_THICK_PAYLOAD_BYTES:
        return body
    id = canonical.parse(event.entry)["id"]
    thin = {"id": id, "seq": event.seq}
    if public_url is not None:
        thin["href"] = f"{public_url}/api/v1/events/{id}"
    return json_body({**around, "data": thin})
