"""Govrix Scout's format: flat snake_case objects, as messages of a stream and in lists.

The event's canonical fields are Govrix' own, so an object is the event with what the ledger gives
it. In a stream every message is an ``agent_event``; ``pii_detected`` is always there, as in Govrix'
document, and other absent fields are left out. In a list every documented field is there: what the
event does not say is null, except that ``total_tokens`` is the sum where both its parts are known.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import orjson

from tocsin.domain.segment import SealedEvent
from tocsin.wire import frames

__all__ = ["array", "encode", "encode_object"]

_DOCUMENTED: Final[dict[str, Any]] = dict.fromkeys(
    (
        "id",
        "agent_id",
        "session_id",
        "timestamp",
        "direction",
        "model",
        "provider",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "cost_usd",
        "compliance_tag",
        "lineage_hash",
    )
) | {"pii_detected": False, "pii_types": []}
_OWN: Final[dict[str, Any]] = {"seq": None, "type": None, "tool_name": None, "metadata": {}}


def encode(event: SealedEvent) -> bytes:
    """Return an event as Govrix Scout streams it."""
    return frames.event("agent_event", event.seq, {"pii_detected": False} | event.parse())


def encode_object(event: SealedEvent) -> bytes:
    """Return an event as Govrix Scout lists it: a JSON object."""
    fields = _DOCUMENTED | _OWN | event.parse()
    prompt, completion = fields["prompt_tokens"], fields["completion_tokens"]
    if fields["total_tokens"] is None and prompt is not None and completion is not None:
        fields["total_tokens"] = prompt + completion
    return orjson.dumps(fields)


def array(groups: Iterable[Sequence[SealedEvent]]) -> Iterator[bytes]:
    """Yield the pieces of a JSON array, one for each group of events and one that ends it.

    The piece of an empty group is empty.
    """
    before = b"["
    for events in groups:
        yield before + b",".join(map(encode_object, events)) if events else b""
        before = b"," if events else before
    yield b"]" if before == b"," else b"[]"
