"""Igris' dialect: each message is named by its event's type, and the fields are camelCase.

Igris documents ``tool_call``, ``anomaly`` and ``session_update``. A message carries all that Tocsin
knows of the event, absent fields left out, so a client finds the documented ones in it.
``lineageHash`` is hash(seq), and the message before ends with hash(seq - 1).
"""

from tocsin.domain import canonical
from tocsin.domain.segment import SealedEvent
from tocsin.wire import frames
from tocsin.wire.event import CAMEL

__all__ = ["encode"]

_NAMES = CAMEL | {"id": "id", "received_at": "receivedAt", "source": "source"}


def encode(event: SealedEvent) -> bytes:
    """Return an event as Igris sends it."""
    fields = {_NAMES.get(name, name): value for name, value in canonical.parse(event.entry).items()}
    fields["seq"] = event.seq
    fields["lineageHash"] = f"sha256:{event.hash.hex()}"
    return frames.event(fields["type"], event.seq, fields)
