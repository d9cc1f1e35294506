"""The body of ``POST /api/v1/ingest/raw`` (Igris' raw ingestion): bytes in, events out.

What is checked here and why: RFC 7493 (I-JSON) forbids duplicate keys, lone surrogates and integers
beyond ±(2^53-1), since the value could not come back as it was sent; nesting and sizes are bounded.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from tocsin.domain.canonical import has_astral_key, is_plain_float
from tocsin.domain.errors import Detail, Forbidden, Invalid, Malformed, TooLarge
from tocsin.domain.limits import (
    MAX_DEPTH,
    MAX_EVENTS_PER_BATCH,
    MAX_NAME_CHARS,
    MAX_SAFE_INTEGER,
)
from tocsin.wire.event import (
    CAMEL,
    FROM_METADATA,
    RESERVED_TYPES,
    SNAKE,
    TOOL_TYPES,
    IncomingEvent,
)

__all__ = ["RawRequest", "Rejection", "parse"]

_MAY_BE_ASTRAL = re.compile(rb"[\xf0-\xf4]|\\u[dD][89abAB]")
_EVENT: TypeAdapter[IncomingEvent] = TypeAdapter(IncomingEvent)


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that ``?partial=true`` left out: its place in the request, and why."""

    index: int
    details: Sequence[Detail]


@dataclass(slots=True)
class RawRequest:
    """The valid events of a request, in canonical spelling, not yet stamped.

    ``plain`` promises what :func:`tocsin.domain.canonical.canonical` asks. ``ignored`` names the
    fields that have no place in an event; they are not stored.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    ignored: set[str] = field(default_factory=set)
    plain: bool = True


def parse(body: bytes, *, partial: bool = False) -> RawRequest:
    """Parse a single event or ``{"events": [...]}``.

    With ``partial``, invalid events are reported and the others returned; otherwise one invalid
    event refuses the request.

    Raises:
        Malformed: not I-JSON, or neither of the two forms.
        Invalid: an event breaks the schema.
        Forbidden: an event has a type that only Tocsin may use.
        TooLarge: more events or deeper nesting than the limits allow.
    """
    request = RawRequest()
    value = _load(body, request)
    if not isinstance(value, dict):
        raise Malformed('send one event as a JSON object, or several as {"events": [...]}')
    batch = "events" in value and "type" not in value
    events = value["events"] if batch else [value]
    if not isinstance(events, list):
        raise Invalid([{"field": "events", "message": "Expected array"}])
    if not events:
        raise Invalid([{"field": "events", "message": "Must hold at least one event"}])
    if len(events) > MAX_EVENTS_PER_BATCH:
        raise TooLarge(
            f"{len(events):,} events in one request and the limit is {MAX_EVENTS_PER_BATCH:,}: "
            "send them in several requests"
        )
    forbidden: list[Detail] = []
    for index, event in enumerate(events):
        prefix = f"events[{index}]" if batch else ""
        details = _read(event, prefix, request, forbidden)
        if details:
            request.rejected.append(Rejection(index, details))
    if not partial and request.rejected:
        details = [detail for rejection in request.rejected for detail in rejection.details]
        if forbidden:
            raise Forbidden("types that only Tocsin itself may use", forbidden)
        raise Invalid(details[:100])
    return request


def _load(body: bytes, request: RawRequest) -> Any:
    """Parse JSON strictly, and note what the canonical writer needs to know about it."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(items)
        if len(value) != len(items):
            keys = [key for key, _ in items]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise Malformed(f"the key {twice!r} stands twice in one object")
        return value

    def integer(digits: str) -> int:
        if len(digits) < 16:
            return int(digits)
        if len(digits) > 17 or not -MAX_SAFE_INTEGER <= (number := int(digits)) <= MAX_SAFE_INTEGER:
            raise Malformed(
                f"the integer {digits[:24]} is beyond ±(2^53-1), where JSON numbers lose digits: "
                "send it as a string"
            )
        return number

    def real(digits: str) -> int | float:
        number = float(digits)
        if is_plain_float(number):
            return number
        if number.is_integer() and -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER:
            return int(number)
        if number in (float("inf"), float("-inf")):
            raise Malformed(f"the number {digits[:24]} is beyond what a double can hold")
        request.plain = False
        return number

    def constant(name: str) -> None:
        raise Malformed(f"{name} is not JSON")

    try:
        text = body.decode()
        value = json.loads(
            text,
            object_pairs_hook=pairs,
            parse_int=integer,
            parse_float=real,
            parse_constant=constant,
        )
    except UnicodeDecodeError as error:
        raise Malformed("the body is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise TooLarge(_too_deep()) from error
    escaped = not body.isascii() or b"\\u" in body
    if escaped and _MAY_BE_ASTRAL.search(body) and has_astral_key(value):
        request.plain = False
    return value


def _read(
    event: Any, prefix: str, request: RawRequest, forbidden: list[Detail]
) -> Sequence[Detail]:
    """Add one event to the request, or return what is wrong with it."""
    if not isinstance(event, dict):
        return [{"field": prefix or "body", "message": "Expected object"}]
    fields, sent_as, details = _spelled(event, prefix, request)
    kind = fields.get("type")
    if isinstance(kind, str) and RESERVED_TYPES.fullmatch(kind):
        detail = Detail(
            field=_path(prefix, "type"), message=f"{kind} events are made by Tocsin alone"
        )
        forbidden.append(detail)
        return [detail]
    if kind in TOOL_TYPES:
        fields.setdefault("tool_name", None)
    try:
        valid = cast("dict[str, Any]", _EVENT.validate_python(fields))
    except ValidationError as error:
        details += [
            _detail(item, prefix, sent_as)
            for item in error.errors(include_url=False)
            if item["loc"][-1] != "int"  # the other half of a number's union reports it too
        ]
    if details:
        return details
    metadata = valid.get("metadata")
    if metadata:
        for nested, canonical in FROM_METADATA.items():
            if nested in metadata and canonical not in valid:
                _fill(valid, canonical, metadata[nested])
    for value in valid.values():
        if isinstance(value, dict | list) and _deeper(value, MAX_DEPTH - 1):
            raise TooLarge(_too_deep())
    request.events.append(valid)
    return ()


def _spelled(
    event: dict[str, Any], prefix: str, request: RawRequest
) -> tuple[dict[str, Any], dict[str, str], list[Detail]]:
    """Return the canonical fields, how each was spelled, and the fields given in both spellings."""
    fields: dict[str, Any] = {}
    sent_as: dict[str, str] = {}
    details: list[Detail] = []
    for name, value in event.items():
        canonical = SNAKE.get(name)
        if canonical not in IncomingEvent.__annotations__:
            request.ignored.add(name)
        elif canonical in fields:
            message = f"Given twice: {sent_as[canonical]} and {name} are the same field"
            details.append({"field": _path(prefix, name), "message": message})
        elif value is not None and value != "":  # null and "" say nothing
            fields[canonical] = value
            sent_as[canonical] = name
    decision = fields.get("decision")
    if isinstance(decision, dict):
        fields["decision"] = {SNAKE.get(name, name): value for name, value in decision.items()}
    return fields, sent_as, details


def _fill(event: dict[str, Any], field: str, value: Any) -> None:
    """Take a field from metadata if it is of the field's type; else it stays where it is."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    if field == "total_tokens":
        if number and isinstance(value, int):
            event[field] = value
    elif field == "latency_ms":
        if number:
            event[field] = value
    elif isinstance(value, str) and 1 <= len(value) <= MAX_NAME_CHARS:
        event[field] = value


def _detail(error: Any, prefix: str, sent_as: dict[str, str]) -> Detail:
    """Put one of pydantic's errors into the words of Igris' documents."""
    first, *rest = error["loc"]
    name = sent_as.get(first, CAMEL.get(first, first))
    path = _path(prefix, name) + "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest if part != "float"
    )
    missing = error["type"] == "missing" or (error["input"] is None and first == "tool_name")
    message = "Required" if missing else error["msg"].removeprefix("Value error, ")
    return {"field": path, "message": message}


def _path(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _deeper(value: Any, levels: int) -> bool:
    """Whether a container nests deeper than ``levels``."""
    items = value.values() if isinstance(value, dict) else value
    for item in items:
        if isinstance(item, dict | list) and (levels == 1 or _deeper(item, levels - 1)):
            return True
    return False


def _too_deep() -> str:
    return f"nested deeper than {MAX_DEPTH} levels: send deep values as strings of JSON"
