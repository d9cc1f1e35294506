"""KavachOS' dialect: twelve named types, each with the same few fields around its ``data``.

An event whose type is one of the twelve is sent by that name, an ``anomaly`` as
``anomaly.detected``, and all else as ``audit``. A client that asks for ``cost.recorded`` gets one
for every event that cost something, besides the event itself if it asked for that too.

``agentId`` and ``userId`` are the event's; where it has none, those of its payload, since the
document's emitter puts them only into ``data`` and its browser client reads them beside it.

``data`` is what the sender gave as KavachOS' payload, and what detection says of an anomaly. Where
there is none, or the message is named differently from the event, it holds the event's other fields
in KavachOS' camelCase, with the event's own ``type`` among them.
"""

from dataclasses import dataclass
from typing import Any, Final

from tocsin.domain import canonical
from tocsin.domain.segment import SealedEvent
from tocsin.wire import event as events
from tocsin.wire import frames, sse

__all__ = ["HEARTBEAT", "TYPES", "UNAUTHORIZED", "Asked", "encode", "messages"]

TYPES: Final = events.TYPES - events.TOOL_TYPES
HEARTBEAT: Final = sse.comment("heartbeat")
UNAUTHORIZED: Final = sse.encode("error", '{"code":"UNAUTHORIZED","message":"Invalid token"}')
"""All that a client without a valid token is sent."""

_COST: Final = "cost.recorded"
_BESIDE: Final = ("tool_name", "metadata", "backfill", "masked", "cost_estimated")
_AROUND: Final = {"id", "type", "timestamp", "agent_id", "user_id", *_BESIDE}
_ANOMALY: Final = "anomaly"  # its data is in KavachOS' form
_NAMES: Final = events.CAMEL | {"received_at": "receivedAt"}


@dataclass(frozen=True, slots=True)
class Asked:
    """The dialect for clients that asked for only some of the twelve types; None: all.

    With ``own_ids`` an event goes by the id that its sender gave it.
    """

    types: frozenset[str] | None
    own_ids: bool = False

    def __call__(self, event: SealedEvent) -> bytes:
        """Return an event as these clients see it; empty when it is hidden from them."""
        return encode(event, self.types, own_ids=self.own_ids)


def encode(
    event: SealedEvent, asked: frozenset[str] | None = None, *, own_ids: bool = False
) -> bytes:
    """Return an event as KavachOS sends it; the first of two messages has the id of a part."""
    found = messages(event, asked, own_ids=own_ids)
    ids = [frames.part_id(event.seq)] * (len(found) - 1) + [str(event.seq)]
    return b"".join(
        sse.encode(message["type"], frames.json_data(message), id)
        for message, id in zip(found, ids, strict=False)
    )


def messages(
    event: SealedEvent, asked: frozenset[str] | None = None, *, own_ids: bool = False
) -> list[dict[str, Any]]:
    """Return the 0 to 2 messages about an event for clients that ``asked`` for these types."""
    fields = canonical.parse(event.entry)
    names = [_name(fields["type"])]
    if asked is not None:
        if names != [_COST] and fields.get("cost_usd", 0) > 0:
            names.append(_COST)
        names = [name for name in names if name in asked]
    if own_ids:
        fields["id"] = fields.pop("source_id", fields["id"])
    return [_message(name, fields, event.seq) for name in names]


def _name(type: str) -> str:
    if type in TYPES:
        return type
    return "anomaly.detected" if type == _ANOMALY else "audit"


def _message(name: str, fields: dict[str, Any], seq: int) -> dict[str, Any]:
    message = {"id": fields["id"], "type": name, "timestamp": fields["timestamp"]}
    if "data" in fields and (name == fields["type"] or fields["type"] == _ANOMALY):
        message["data"] = fields["data"]
    else:
        rest = {_NAMES.get(key, key): fields[key] for key in fields if key not in _AROUND}
        message["data"] = {"type": fields["type"]} | rest
    for field, key in (("agent_id", "agentId"), ("user_id", "userId")):
        if field in fields:
            message[key] = fields[field]
        elif isinstance(message["data"], dict) and isinstance(message["data"].get(key), str):
            message[key] = message["data"][key]
    message |= {key: fields[key] for key in _BESIDE if key in fields}
    message["seq"] = seq
    return message
