"""Events that came in, whatever the format: valid, in canonical spelling, not yet stamped.

Each format ends in :func:`read`, so that all of them keep the same rules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from tocsin.domain.canonical import has_astral_key
from tocsin.domain.errors import Detail, Forbidden, Invalid, Malformed, TooLarge
from tocsin.domain.limits import (
    MAX_DEPTH,
    MAX_DETAILS_PER_EVENT,
    MAX_DETAILS_PER_REFUSAL,
    MAX_EVENTS_PER_BATCH,
    MAX_IGNORED_NAMES,
    MAX_NAME_CHARS,
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
from tocsin.wire.intake.strict import Loaded, check, too_deep

__all__ = ["Incoming", "Rejection", "read"]

_EVENT: TypeAdapter[IncomingEvent] = TypeAdapter(IncomingEvent)


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that ``?partial=true`` left out: its place in the request, and why."""

    index: int
    details: Sequence[Detail]


@dataclass(slots=True)
class Incoming:
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


def read(
    events: Sequence[Any], loaded: Loaded, *, batch: bool = True, partial: bool = False
) -> Incoming:
    """Check events, and return them in canonical spelling.

    ``loaded`` is what is known of the values that they are made of, and ``batch`` whether they
    stood in a list. With ``partial``, invalid events are reported and the others returned;
    otherwise one invalid event refuses the request.

    Raises:
        Malformed: a value is not I-JSON.
        Invalid: an event breaks the schema.
        Forbidden: an event has a type that only Tocsin may use.
        TooLarge: more events or deeper nesting than the limits allow.
    """
    if len(events) > MAX_EVENTS_PER_BATCH:
        raise TooLarge(
            f"{len(events):,} events in one request and the limit is {MAX_EVENTS_PER_BATCH:,}: "
            "send them in several requests"
        )
    request = Incoming(plain=loaded.plain, batch=batch)
    forbidden: list[Detail] = []
    for index, event in enumerate(events):
        prefix = f"events[{index}]" if batch else ""
        try:
            if loaded.flawed:
                check(event, prefix)
            details = _read(event, prefix, request, forbidden)
        except (Malformed, TooLarge) as error:
            if not partial:
                raise
            details = error.details or [{"field": prefix or "body", "message": str(error)}]
        if details:
            request.rejected.append(Rejection(index, details[:MAX_DETAILS_PER_EVENT]))
        elif loaded.astral and has_astral_key(request.events[-1]):
            request.plain = False
    if not partial and request.rejected:
        details = [detail for rejection in request.rejected for detail in rejection.details]
        if forbidden:
            raise Forbidden("types that only Tocsin itself may use", forbidden)
        raise Invalid(details[:MAX_DETAILS_PER_REFUSAL])
    return request


def _read(event: Any, prefix: str, request: Incoming, forbidden: list[Detail]) -> Sequence[Detail]:
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
            raise TooLarge(too_deep())
    request.events.append(valid)
    return ()


def _spelled(
    event: dict[str, Any], prefix: str, request: Incoming
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
