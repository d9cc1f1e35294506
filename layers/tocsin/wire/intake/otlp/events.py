"""From a span or a log record to an event. Nothing that was said is lost: see ``metadata``."""

from typing import Any, Final

from tocsin.domain.limits import MAX_NAME_CHARS
from tocsin.domain.times import iso_ms
from tocsin.wire.event import RESERVED_TYPES, TYPES, is_open_type
from tocsin.wire.intake.otlp import calls, claude_code
from tocsin.wire.intake.otlp.kinds import MODEL_CALLS, kind_of
from tocsin.wire.intake.otlp.record import Record, Source
from tocsin.wire.intake.otlp.taking import Taking

__all__ = ["VIA", "event_of", "source_of"]

VIA: Final = "otlp"

_NS_PER_MS: Final = 1_000_000
_LAST_MS: Final = 253_402_300_799_999  # of the year 9999
_UNNAMED: Final = "unknown_service"  # what an SDK calls a service that was not named


def event_of(record: Record) -> tuple[dict[str, Any], bool]:
    """Return the event, and whether its agent is a guess: what ``service.name`` or a name says.

    What its source says is not in it: see :func:`source_of`.
    """
    taken = Taking(record.attributes)
    metadata: dict[str, Any] = {"via": VIA}
    fields = _fields(record, taken, metadata)
    fields |= _placed(record, metadata)
    guess = "" if "agent_id" in fields else _agent(record)
    if guess:
        fields["agent_id"] = guess
    said = {
        "name": record.name,
        "attributes": taken.left,
        **record.rest,
    }
    metadata |= {name: value for name, value in said.items() if value or value is False}
    if record.body is not None:
        metadata["body"] = record.body
    fields["metadata"] = metadata
    return fields, bool(guess)


def source_of(source: Source) -> dict[str, Any]:
    """Return what a source says, for the ``metadata`` of all of its events."""
    said = {"resource": source.resource, "scope": source.scope, **source.schemas}
    return {name: value for name, value in said.items() if value}


def _fields(record: Record, taken: Taking, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return what the attributes say; ``metadata`` gets what has a place of its own there."""
    if record.is_span:
        return _of_span(record, taken, metadata)
    fields = calls.named_fields(taken)
    if name := claude_code.event_name(record):
        metadata["via"] = claude_code.VIA
        own, beside = claude_code.fields_of(name, taken)
        metadata |= beside
        return {"type": "otel.log"} | fields | own
    called = record.name or taken.left.get("event.name")
    fields["type"] = called if isinstance(called, str) and _is_own(called) else "otel.log"
    if response_id := calls.response_id(taken):  # it tells of a call once more
        metadata["response_id"] = response_id
        fields |= calls.named_model(taken)
    return fields


def _of_span(record: Record, taken: Taking, metadata: dict[str, Any]) -> dict[str, Any]:
    fields = calls.named_fields(taken)
    if claude_code.is_span(record):
        metadata["via"] = claude_code.VIA
        told, beside = claude_code.report(taken)
        metadata |= beside
        return fields | told | {"type": record.name if _is_own(record.name) else "otel.span"}
    kind = kind_of(record.attributes) or "otel.span"
    fields["type"] = kind
    if kind in MODEL_CALLS:
        own, beside = calls.model_call(taken)
        fields |= {"tool_name": record.name[:MAX_NAME_CHARS] or kind} | own
        metadata |= beside
    elif kind == "tool_call":
        fields |= calls.tool_call(taken, record.name)
    failed = record.failed or "error.type" in record.attributes
    if failed:
        fields["status"] = "error"
    elif record.failed is False or kind in MODEL_CALLS or kind == "tool_call":
        fields["status"] = "ok"
    return fields


def _placed(record: Record, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return where and when it happened; what no field can hold goes to ``metadata``."""
    fields: dict[str, Any] = {}
    for name in ("trace_id", "span_id", "parent_id"):
        value = getattr(record, name)
        if value:
            (fields if len(value) <= MAX_NAME_CHARS else metadata)[name] = value
    start_ns, end_ns = record.start_ns, record.end_ns
    if 0 < start_ns // _NS_PER_MS <= _LAST_MS:
        fields["timestamp"] = iso_ms(start_ns // _NS_PER_MS)
    if start_ns and (start_ns % _NS_PER_MS or "timestamp" not in fields):
        metadata["start_unix_nano"] = str(start_ns)
    if record.is_span:
        if 0 < start_ns <= end_ns:
            fields["latency_ms"] = (end_ns - start_ns) / _NS_PER_MS
        elif end_ns:
            metadata["end_unix_nano"] = str(end_ns)
    return fields


def _agent(record: Record) -> str:
    for holder, name in (
        (record.attributes, "gen_ai.agent.name"),
        (record.source.resource, "service.name"),
    ):
        value = holder.get(name)
        if isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARS:
            return "" if value.startswith(_UNNAMED) else value
    return ""


def _is_own(name: str) -> bool:
    """Whether a name is a type of its sender's own: not one that means something here."""
    return is_open_type(name) and name not in TYPES and not RESERVED_TYPES.fullmatch(name)
