"""The body of ``POST /api/v1/ingest/raw`` (Igris' raw ingestion): bytes in, events out.

What is checked here and why: RFC 7493 (I-JSON) forbids duplicate keys, lone surrogates and integers
beyond ±(2^53-1), since the value could not come back as it was sent; nesting and sizes are bounded.
What breaks these rules costs the event that it stands in, and the others only without ``partial``.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from tocsin.domain.canonical import has_astral_key, is_plain_float
from tocsin.domain.errors import Detail, Forbidden, Invalid, Malformed, TooLarge
from tocsin.domain.limits import (
    MAX_DEPTH,
    MAX_DETAILS_PER_EVENT,
    MAX_DETAILS_PER_REFUSAL,
    MAX_EVENTS_PER_BATCH,
    MAX_IGNORED_NAMES,
    MAX_NAME_CHARS,
    MAX_SAFE_INTEGER,
    MAX_TYPE_CHARS,
)
from tocsin.wire.depth import deeper
from tocsin.wire.event import (
    ACTIONS,
    CAMEL,
    DECISION_SNAKE,
    FROM_METADATA,
    RESERVED_TYPES,
    SNAKE,
    TOOL_TYPES,
    IncomingEvent,
)

__all__ = ["RawRequest", "Rejection", "boolean", "parse"]

_MAY_BE_ASTRAL = re.compile(rb"[\xf0-\xf4]|\\u[dD][89abAB]")
_MAY_BE_LONE = re.compile(rb"\\u[dD][89a-fA-F]")  # a surrogate's escape, half of a pair or not
_LONE = re.compile("[\ud800-\udfff]")
_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{}]', re.DOTALL)  # or a string
_CERTAIN_DIGITS = 15  # a double holds any number of so many
_MOST_INTEGER_CHARS = 22  # RFC 8785 writes what is below 1e21 as an integer, perhaps after a minus
_NOT_TEXT = "a string holds a lone surrogate, which is not Unicode text"
_MOST_REASONS = 10_000  # kept at a time, since a body can have a million flaws
_PRUNED_DEPTH = MAX_DEPTH + 3  # an event in a batch begins at the third level
_EVENT: TypeAdapter[IncomingEvent] = TypeAdapter(IncomingEvent)


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that ``?partial=true`` left out: its place in the request, and why."""

    index: int
    details: Sequence[Detail]


@dataclass(slots=True)
class RawRequest:
    """The valid events of a request, in canonical spelling, not yet stamped.

    ``plain`` promises what :func:`tocsin.domain.canonical.canonical` asks. ``ignored`` names fields
    that have no place in an event and are not stored: 100 at most, and 256 characters of each.
    The request is a ``batch``, or one event alone.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    ignored: set[str] = field(default_factory=set)
    plain: bool = True
    batch: bool = False

    @property
    def places(self) -> list[int]:
        """Where in the request the events stand, of which some may be left out."""
        out = {rejection.index for rejection in self.rejected}
        return [place for place in range(len(self.events) + len(out)) if place not in out]

    def leave_out(self, unfit: Mapping[int, str]) -> None:
        """Take events out again: their indexes in :attr:`events`, and why."""
        places = self.places
        for at, reason in unfit.items():
            place = places[at]
            detail = Detail(field=f"events[{place}]" if self.batch else "body", message=reason)
            self.rejected.append(Rejection(place, [detail]))
        self.rejected.sort(key=lambda rejection: rejection.index)
        self.events = [event for at, event in enumerate(self.events) if at not in unfit]

    def belong_to(self, agent: str, *, partial: bool) -> None:
        """Make all of them an agent's events; with ``partial`` leave out those that name another.

        Raises:
            Forbidden: one names another, without ``partial``.
        """
        message = f"The key is for the agent {agent!r}"
        foreign = [
            at
            for at, event in enumerate(self.events)
            if event.setdefault("agent_id", agent) != agent
        ]
        if partial:
            self.leave_out(dict.fromkeys(foreign, f"agentId: {message}"))
        elif foreign:
            details: list[Detail] = [
                {
                    "field": _path(f"events[{at}]" if self.batch else "", "agentId"),
                    "message": message,
                }
                for at in foreign[:MAX_DETAILS_PER_REFUSAL]
            ]
            raise Forbidden("the API key is another agent's", details)


@dataclass(frozen=True, slots=True)
class _Flaw:
    """Stands where a value stood that I-JSON has no place for."""

    reason: str


_ONE_OF_MANY = _Flaw("one of very many numbers or objects here that are not I-JSON (RFC 7493)")


def boolean(name: str, text: str | None) -> bool:
    """Read a parameter that is yes or no; absent or empty is no.

    Raises:
        Malformed: it is neither.
    """
    match (text or "false").lower():
        case "true" | "1":
            return True
        case "false" | "0":
            return False
    raise Malformed(f"{name}: send true or false")


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
    value, flawed = _load(body, request)
    if isinstance(value, _Flaw):
        raise Malformed(value.reason)
    if not isinstance(value, dict):
        raise Malformed('send one event as a JSON object, or several as {"events": [...]}')
    request.batch = "events" in value and "type" not in value
    events = value["events"] if request.batch else [value]
    if flawed and request.batch:
        _check_values({name: each for name, each in value.items() if name != "events"})
    if not isinstance(events, list):
        raise Invalid([{"field": "events", "message": "Expected array"}])
    if not events:
        raise Invalid([{"field": "events", "message": "Must hold at least one event"}])
    if len(events) > MAX_EVENTS_PER_BATCH:
        raise TooLarge(
            f"{len(events):,} events in one request and the limit is {MAX_EVENTS_PER_BATCH:,}: "
            "send them in several requests"
        )
    escaped = not body.isascii() or b"\\u" in body
    astral = escaped and _MAY_BE_ASTRAL.search(body) is not None
    forbidden: list[Detail] = []
    for index, event in enumerate(events):
        prefix = f"events[{index}]" if request.batch else ""
        try:
            if flawed:
                _check_values(event, prefix)
            details = _read(event, prefix, request, forbidden)
        except (Malformed, TooLarge) as error:
            if not partial:
                raise
            details = error.details or [{"field": prefix or "body", "message": str(error)}]
        if details:
            request.rejected.append(Rejection(index, details[:MAX_DETAILS_PER_EVENT]))
        elif astral and has_astral_key(request.events[-1]):
            request.plain = False
    if not partial and request.rejected:
        details = [detail for rejection in request.rejected for detail in rejection.details]
        if forbidden:
            raise Forbidden("types that only Tocsin itself may use", forbidden)
        raise Invalid(details[:MAX_DETAILS_PER_REFUSAL])
    return request


def _load(body: bytes, request: RawRequest) -> tuple[Any, bool]:
    """Parse JSON, and note what the canonical writer needs to know about it.

    Returns:
        The value, and whether it may hold a _Flaw or a lone surrogate.
    """
    flaws = 0

    def flaw(reason: str) -> _Flaw:
        nonlocal flaws
        flaws += 1
        return _Flaw(reason) if flaws < _MOST_REASONS else _ONE_OF_MANY

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any] | _Flaw:
        value = dict(items)
        if len(value) != len(items):
            seen = set[str]()
            for key, _ in items:
                if key in seen:
                    return flaw(f"the key {key[:MAX_NAME_CHARS]!r} stands twice in one object")
                seen.add(key)
        return value

    def integer(digits: str) -> int | float | _Flaw:
        if len(digits) < 16:
            return int(digits)
        if len(digits) <= _MOST_INTEGER_CHARS:
            number = int(digits)
            if -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER:
                return number
            if number == _as_written(double := float(digits)):
                request.plain = False
                return double
        return flaw(_loses_digits(digits))

    def real(digits: str) -> int | float | _Flaw:
        number = float(digits)
        if is_plain_float(number):
            return number
        if number in (float("inf"), float("-inf")):
            return flaw(f"the number {digits[:24]} is beyond what a double can hold")
        if number.is_integer():
            if number == 0 and digits.lower().partition("e")[0].strip("-0."):
                return flaw(f"the number {digits[:24]} is too close to zero for a double")
            if -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER:
                return int(number)
            if len(digits) > _CERTAIN_DIGITS and Decimal(digits) != Decimal(repr(number)):
                return flaw(_loses_digits(digits))
        request.plain = False
        return number

    def constant(name: str) -> _Flaw:
        return flaw(f"{name} is not JSON")

    def loads(text: str) -> Any:
        return json.loads(
            text,
            object_pairs_hook=pairs,
            parse_int=integer,
            parse_float=real,
            parse_constant=constant,
        )

    try:
        text = body.decode()
        value = loads(text)
    except UnicodeDecodeError as error:
        raise Malformed("the body is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    except RecursionError as error:
        try:
            value = loads(_pruned(text))
        except (json.JSONDecodeError, RecursionError):
            raise TooLarge(_too_deep()) from error
    return value, flaws > 0 or (b"\\u" in body and _MAY_BE_LONE.search(body) is not None)


def _as_written(number: float) -> int:
    """Return the integer that RFC 8785 writes for an integral double below 1e21."""
    return int(Decimal(repr(number)))


def _loses_digits(digits: str) -> str:
    return (
        f"the integer {digits[:24]} is beyond ±(2^53-1), where JSON numbers lose digits: "
        "send it as a string"
    )


def _pruned(text: str) -> str:
    """Return JSON without what is nested so deep that its event is refused anyway.

    Only so the parser gets through a text that is nested beyond its own limit. The work is linear.
    """
    kept: list[str] = []
    depth = start = 0
    for token in _BRACKET.finditer(text):
        match token[0]:
            case "[" | "{":
                depth += 1
                if depth == _PRUNED_DEPTH:
                    kept.append(text[start : token.end()])
            case "]" | "}":
                if depth == _PRUNED_DEPTH:
                    start = token.start()
                depth -= 1
            case '"':  # a string without an end
                break
    if depth < _PRUNED_DEPTH:
        kept.append(text[start:])
    return "".join(kept)


def _check_values(value: Any, prefix: str = "") -> None:
    """Make sure that a value holds no _Flaw and no lone surrogate.

    Raises:
        Malformed: it does; the message says where.
        TooLarge: it is nested deeper than an event may be.
    """
    found = _flaw_in(value, MAX_DEPTH)
    if found is not None:
        path, reason = found
        path = f"{prefix}{path}".removeprefix(".")[:MAX_NAME_CHARS]
        path = path.encode(errors="backslashreplace").decode()  # it may hold a lone surrogate
        error = Malformed(f"{path}: {reason}" if path else reason)
        error.details = [{"field": path or "body", "message": reason}]
        raise error


def _flaw_in(value: Any, levels: int) -> tuple[str, str] | None:
    """Return where in a value something is wrong, and what."""
    if isinstance(value, _Flaw):
        return "", value.reason
    if isinstance(value, str):
        return ("", _NOT_TEXT) if not value.isascii() and _LONE.search(value) else None
    if isinstance(value, dict | list) and levels == 0:
        raise TooLarge(_too_deep())
    if isinstance(value, list):
        for at, item in enumerate(value):
            if found := _flaw_in(item, levels - 1):
                return f"[{at}]{found[0]}", found[1]
    elif isinstance(value, dict):
        for name, item in value.items():
            if found := _flaw_in(name, 0) or _flaw_in(item, levels - 1):
                return f".{name[:MAX_NAME_CHARS]}{found[0]}", found[1]
    return None


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
            field=_path(prefix, "type"),
            message=f"{kind[:MAX_TYPE_CHARS]} events are made by Tocsin alone",
        )
        forbidden.append(detail)
        return [detail]
    if isinstance(kind, str) and kind in TOOL_TYPES:
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
    decided = valid.get("decision", {}).get("action")
    if "action" not in valid and decided in ACTIONS:
        valid["action"] = decided
    metadata = valid.get("metadata")
    if metadata:
        for nested, canonical in FROM_METADATA.items():
            if nested in metadata and canonical not in valid:
                _fill(valid, canonical, metadata[nested])
    for value in valid.values():
        if isinstance(value, dict | list) and deeper(value, MAX_DEPTH - 1):
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
            if len(request.ignored) < MAX_IGNORED_NAMES:
                request.ignored.add(name[:MAX_NAME_CHARS])
        elif canonical in fields:
            message = f"Given twice: {sent_as[canonical]} and {name} are the same field"
            details.append({"field": _path(prefix, name), "message": message})
        elif value is not None and value != "":  # null and "" say nothing
            fields[canonical] = value
            sent_as[canonical] = name
    decision = fields.get("decision")
    if isinstance(decision, dict):
        spelled: dict[str, Any] = {}
        for spelling, value in cast("dict[str, Any]", decision).items():
            own = DECISION_SNAKE.get(spelling, spelling)
            if own in spelled:
                path = _path(prefix, f"decision.{spelling}")
                message = f"Given twice: {own} and {CAMEL[own]} are the same field"
                details.append({"field": path, "message": message})
            spelled[own] = value
        fields["decision"] = spelled
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


def _too_deep() -> str:
    return f"nested deeper than {MAX_DEPTH} levels: send deep values as strings of JSON"
