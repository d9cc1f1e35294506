"""One CloudEvent as an event of ours. What no field is for stands in ``metadata.cloudevents``."""

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

from tocsin.domain.limits import MAX_NAME_CHARS
from tocsin.domain.times import moment_of
from tocsin.wire.event import (
    ACTIONS,
    RESERVED_TYPES,
    SNAKE,
    TOOL_TYPES,
    IncomingEvent,
    is_open_type,
)
from tocsin.wire.intake.cloudevents.content import is_json
from tocsin.wire.traces import trace_of

__all__ = ["OTHER_TYPE", "VIA", "event_of"]

VIA: Final = "cloudevents"
OTHER_TYPE: Final = "cloudevents.event"
"""Of an event whose own type no event of ours can have."""

# Extension attributes that say what a field is for; their names have no underscores.
_EXTENSIONS: Final = {
    field.replace("_", ""): field
    for field in (
        *("agent_id", "session_id", "user_id", "run_id", "parent_id", "prompt_id", "server_id"),
        *("tool_name", "tool_call_id", "model", "provider", "status", "direction"),
        *("compliance_tag", "action"),
    )
}
_OF_A_SEALED_ONE: Final = ("received_at", "session_id", "timestamp")
_MORE_THAN_A_TIMESTAMP: Final = re.compile(r"\.\d{3}0*[1-9]|[+-](?!00:00)\d\d:\d\d$", re.ASCII)


def event_of(attributes: Mapping[str, Any], data: Any) -> tuple[dict[str, Any], bool]:
    """Return the fields of an event, and whether its agent is a guess.

    The data of one of Tocsin's types, and of an event that a Tocsin sent, are its fields.
    """
    kept = {name: value for name, value in attributes.items() if name != "specversion"}
    kind, id = kept.pop("type"), kept.pop("id")
    event: dict[str, Any] = {}
    if isinstance(data, dict) and (kind in TOOL_TYPES or _was_ours(data, kind, id)):
        if rest := _take_fields(data, event, kind, id):
            kept["data"] = rest
    elif isinstance(data, bytes):
        kept["data_base64"] = b64encode(data).decode()
    elif data is not None:
        event["data"] = data
    if is_open_type(kind) and not RESERVED_TYPES.fullmatch(kind):
        event["type"] = kind
    else:
        event["type"], kept["type"] = OTHER_TYPE, kind
    if len(id) <= MAX_NAME_CHARS:
        event["source_id"] = id
    else:
        kept["id"] = id
    if is_json(kept.get("datacontenttype")) and ";" not in kept["datacontenttype"]:
        del kept["datacontenttype"]
    _take_time(kept, event)
    _take_extensions(kept, event)
    guessed = _take_agent(kept, event, kind)
    _put_metadata(kept, event)
    return event, guessed


def _was_ours(data: Mapping[str, Any], kind: str, id: str) -> bool:
    """Whether a Tocsin's webhook sent it: its data is the event, as it was sealed."""
    return (
        data.get("id") == id
        and data.get("type") == kind
        and all(isinstance(data.get(field), str) for field in _OF_A_SEALED_ONE)
    )


def _take_fields(
    data: Mapping[str, Any], event: dict[str, Any], kind: str, id: str
) -> dict[str, Any]:
    """Take the fields that are ours from the data; return the rest."""
    rest: dict[str, Any] = {}
    for name, value in data.items():
        field = SNAKE.get(name, name)
        if (field == "type" and value == kind) or (name == "id" and value == id):
            continue
        ours = field in IncomingEvent.__annotations__ and field not in ("type", "source_id")
        if ours and field not in event:
            event[field] = value
        else:
            rest[name] = value
    return rest


def _take_time(kept: dict[str, Any], event: dict[str, Any]) -> None:
    time = kept.get("time")
    if not time or "timestamp" in event:
        if time == event.get("timestamp"):
            kept.pop("time", None)
        return
    try:
        moment_of(time.upper())
    except (ValueError, OverflowError):  # a leap second: it stays as it is
        return
    event["timestamp"] = time.upper()
    if not _MORE_THAN_A_TIMESTAMP.search(time):
        del kept["time"]


def _take_extensions(kept: dict[str, Any], event: dict[str, Any]) -> None:
    for name, field in _EXTENSIONS.items():
        value = kept.get(name)
        fits = isinstance(value, str) and 1 <= len(value) <= MAX_NAME_CHARS
        if fits and field not in event and (field != "action" or value in ACTIONS):
            event[field] = kept.pop(name)
    trace, span = trace_of(kept.get("traceparent"))  # which stays: it says whether it is sampled
    if trace is not None:
        event.setdefault("trace_id", trace)
        event.setdefault("span_id", span)


def _take_agent(kept: dict[str, Any], event: dict[str, Any], kind: str) -> bool:
    """Take the subject for the agent where Tocsin itself writes it so; else it may be anything."""
    subject = kept.get("subject")
    if event.get("agent_id") is not None:
        if event["agent_id"] == subject:
            del kept["subject"]
    elif kind in TOOL_TYPES and subject and len(subject) <= MAX_NAME_CHARS:
        event["agent_id"] = subject  # and it stays, since a key's own agent goes before it
        return True
    return False


def _put_metadata(kept: dict[str, Any], event: dict[str, Any]) -> None:
    said = event.get("metadata")
    if said is not None and not isinstance(said, dict):
        return  # the event will be refused for it
    said = dict(said or {})
    before = {name: said.pop(name) for name in ("via", VIA) if name in said}
    if before:
        kept["metadata"] = before
    event["metadata"] = said | {"via": VIA, VIA: kept}
