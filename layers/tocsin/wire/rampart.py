"""Rampart's dialect: messages without a name, told apart by the ``type`` in their data.

| event | messages |
|---|---|
| ``approval.bulk_resolved`` | ``audit_batch`` with the run's id |
| ``approval.resolved`` | ``approvals``, then ``audit`` |
| any other ``approval.*`` | ``approvals`` |
| all else | ``audit`` |

Rampart's Go client reads lines with a scanner that gives up at 64 KiB and then drops the rest of
the stream. So no line reaches :data:`MAX_LINE_BYTES`: what is too large in an ``audit`` message is
replaced by ``{"href": path, "size_bytes": n}``, where the path is that of the whole event.
"""

from typing import Any, Final

from tocsin.domain import canonical
from tocsin.domain.segment import SealedEvent
from tocsin.wire import frames, sse

__all__ = ["MAX_LINE_BYTES", "audit_event", "encode", "opening"]

MAX_LINE_BYTES: Final = 60_000
_MAX_DATA_BYTES: Final = MAX_LINE_BYTES - len(b"data: \n")
_MORE: Final = (
    *("tool_name", "metadata", "run_id", "tool_call_id", "prompt_id", "anomaly_type", "backfill"),
    *("trace_id", "span_id", "parent_id", "masked", "cost_estimated"),
)
_APPROVALS: Final = b'{"type":"approvals"}'


def opening(cursor: int | str, retry_ms: int) -> bytes:
    """Return Rampart's first message, which also tells the cursor to resume from."""
    return sse.encode(None, b'{"type":"connected"}', cursor, retry_ms)


def encode(event: SealedEvent) -> bytes:
    """Return an event as Rampart sends it; the first of two messages has the id of a part."""
    fields = canonical.parse(event.entry)
    match fields["type"].partition("."):
        case "approval", _, "bulk_resolved":
            batch = {"type": "audit_batch", "run_id": fields.get("run_id", "")}
            return sse.encode(None, frames.json_data(batch), event.seq)
        case "approval", _, "resolved":
            first = sse.encode(None, _APPROVALS, frames.part_id(event.seq))
            return first + sse.encode(None, _audit(event, fields), event.seq)
        case "approval", _, _:
            return sse.encode(None, _APPROVALS, event.seq)
        case _:
            return sse.encode(None, _audit(event, fields), event.seq)


def audit_event(event: SealedEvent) -> dict[str, Any]:
    """Return an event as Rampart lists it: whole, however large it is."""
    return {"run_id": ""} | _audited(event, canonical.parse(event.entry))


def _audit(event: SealedEvent, fields: dict[str, Any]) -> bytes:
    """Return an ``audit`` message's data."""
    audit = _audited(event, fields)
    data = frames.json_data({"type": "audit", "event": audit})
    if len(data) > _MAX_DATA_BYTES:
        data = frames.json_data({"type": "audit", "event": _linked(audit, fields, len(data))})
    return data


def _audited(event: SealedEvent, fields: dict[str, Any]) -> dict[str, Any]:
    """Return an event in Rampart's words; fields that clients read unchecked are always there."""
    decision = {"action": fields["action"], "matched_policies": []} | fields.get("decision", {})
    audit = {
        "id": fields["id"],
        "timestamp": fields["timestamp"],
        "agent": fields.get("agent_id", ""),
        "session": fields["session_id"],
        "tool": fields.get("tool_name", ""),
        "request": fields.get("request", {}),
        "decision": decision,
        "prev_hash": event.prev_hash.hex(),
        "hash": event.hash.hex(),
        "type": fields["type"],
        "seq": event.seq,
    }
    return audit | {name: fields[name] for name in _MORE if name in fields}


def _linked(audit: dict[str, Any], fields: dict[str, Any], size_bytes: int) -> dict[str, Any]:
    """Replace the largest parts by links until a message of ``size_bytes`` is short enough."""
    sizes = {
        name: len(frames.json_data(audit[name]))
        for name in ("request", "metadata", "decision")
        if name in audit
    }
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        link: dict[str, Any] = {"href": f"/api/v1/events/{fields['id']}", "size_bytes": sizes[name]}
        if name == "decision":
            link = {"action": _short(audit[name]["action"], fields["action"])} | link
        audit[name] = link
        size_bytes -= sizes[name] - len(frames.json_data(link))
        if size_bytes <= _MAX_DATA_BYTES:
            break
    return audit


def _short(action: Any, default: str) -> Any:
    return action if len(frames.json_data(action)) <= 256 else default
