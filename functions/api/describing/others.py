"""The routes that the stream service and the ingest function answer. A test compares the paths."""

from typing import Final

from functions.api.describing.operation import JSON, Answer, Operation
from functions.api.describing.own import TIME
from functions.api.describing.shapes import Schema, array, enum, ref, text
from tocsin.domain.errors import (
    Conflict,
    Crowded,
    Invalid,
    LimitReached,
    NotFound,
    OutcomeUnknown,
    QuotaExhausted,
    TooFar,
    TooLarge,
    UnsupportedMedia,
)
from tocsin.domain.limits import (
    DEFAULT_LIST_EVENTS,
    MAX_DECISION_WAIT_SECONDS,
    MAX_FALSE_ALERTS_PER_DAY,
    MAX_IDEMPOTENCY_KEY_CHARS,
    MAX_LIST_EVENTS,
    MAX_NAME_CHARS,
)
from tocsin.wire import dialects, page
from tocsin.wire.event import ACTIONS
from tocsin.wire.intake.cloudevents.formats import BATCHED, STRUCTURED
from tocsin.wire.parameters import MAX_NUMBER

__all__ = ["OTHERS"]

_NUMBER: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": MAX_NUMBER}
_NAME: Final = text(minLength=1, maxLength=MAX_NAME_CHARS)
_DAY: Final = text(format="date")
_LISTS: Final = (LimitReached,)
_STREAMS: Final = (Crowded, LimitReached)
_NEXT_PAGE: Final = {"Link": {"schema": {"type": "string"}, "description": "The next page."}}

_KNOWN: Final[dict[str, Schema]] = {
    "action": enum(sorted(ACTIONS)),
    "types": text(description="Event types, with commas."),
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIST_EVENTS}
    | {"default": DEFAULT_LIST_EVENTS},
    "offset": _NUMBER,
    "before": _NUMBER,
    "order": enum(("asc", "desc")) | {"default": "desc"},
    "from": TIME,
    "to": TIME,
    "after": text(description="A cursor, or the id or the seq of an event."),
    "since": text(description="A cursor, an id, a seq or a time."),
    "token": text(description="A key or a ticket."),
    "lastEventId": text(description="As Last-Event-ID."),
}


def _query(names: frozenset[str]) -> dict[str, Schema]:
    return {name: _KNOWN.get(name, _NAME) for name in sorted(names)}


def _stream(whose: str) -> Operation:
    return Operation(
        says=f"The stream of {whose}",
        query=_query(dialects.PARAMETERS),
        headers={"Last-Event-ID": text(description="Where to resume.")},
        answers={200: Answer({"type": "string"}, "Messages.", media="text/event-stream")},
        refusals=_STREAMS,
    )


_PLAIN: Final = "text/plain"
_BYTES: Final = "application/octet-stream"
_IGRIS: Final = Operation(
    says="Igris' stream; or a list, for whoever accepts application/json or asks as for one",
    query=_query(dialects.PARAMETERS | page.PARAMETERS),
    headers={"Last-Event-ID": text(description="Where to resume.")},
    answers={200: Answer(array(ref("Event")), "A list.", headers=_NEXT_PAGE)},
    refusals=(*_LISTS, *_STREAMS),
)


def _otlp(says: str) -> Operation:
    return Operation(
        says=says,
        headers={"Content-Encoding": enum(("gzip", "identity"))},
        body={
            JSON: {"type": "object"},
            "application/x-protobuf": {"type": "string", "contentEncoding": "binary"},
        },
        answers={200: Answer("OtlpAnswer", "Taken; what was left out is told.")},
        refusals=(TooLarge, UnsupportedMedia, QuotaExhausted, OutcomeUnknown),
        refused_as="OtlpStatus",
    )


OTHERS: Final[dict[tuple[str, str], tuple[str | None, Operation]]] = {
    ("POST", "/api/v1/ingest/raw"): (
        "ingest",
        Operation(
            says="Take one event, or {events: [...]}",
            query={
                "partial": enum(("true", "1", "false", "0")),
                "wait": enum(("sealed",)),
                "backfill": enum(("true", "1", "false", "0")),
            },
            headers={
                "Idempotency-Key": text(minLength=1, maxLength=MAX_IDEMPOTENCY_KEY_CHARS),
                "Content-Encoding": enum(("gzip", "identity")),
            },
            body={
                JSON: {"type": "object"},
                "application/gzip": {"type": "string", "contentEncoding": "binary"},
            },
            answers={200: Answer("Ingested")},
            refusals=(
                Invalid,
                Conflict,
                TooLarge,
                UnsupportedMedia,
                QuotaExhausted,
                OutcomeUnknown,
            ),
        ),
    ),
    ("POST", "/v1/cloudevents"): (
        "ingest",
        Operation(
            says="Take one CloudEvent (1.0), or a batch, each once by its source and id",
            query={
                "partial": enum(("true", "1", "false", "0")),
                "backfill": enum(("true", "1", "false", "0")),
            },
            headers={
                "Content-Encoding": enum(("gzip", "identity")),
                "Idempotency-Key": text(minLength=1, maxLength=MAX_IDEMPOTENCY_KEY_CHARS),
            },
            body={
                STRUCTURED: ref("CloudEvent"),
                BATCHED: array(ref("CloudEvent")),
                "*/*": {"description": "With the attributes as ce-… headers: the data alone."},
            },
            answers={200: Answer("CloudEventsTaken")},
            refusals=(Invalid, TooLarge, UnsupportedMedia, QuotaExhausted, OutcomeUnknown),
        ),
    ),
    ("OPTIONS", "/v1/cloudevents"): (
        None,
        Operation(
            says="Agree to being sent CloudEvents, with a key",
            answers={200: Answer(None, says="Send them.")},
        ),
    ),
    ("POST", "/v1/traces"): ("ingest", _otlp("Take spans of OpenTelemetry (OTLP/HTTP)")),
    ("POST", "/v1/logs"): ("ingest", _otlp("Take log records of OpenTelemetry")),
    ("POST", "/v1/metrics"): (
        "ingest",
        _otlp("Count data points of OpenTelemetry, which are not stored"),
    ),
    ("GET", dialects.IGRIS.path): ("read", _IGRIS),
    ("GET", dialects.GOVRIX.path): ("read", _stream("Govrix Scout")),
    ("GET", dialects.RAMPART.path): ("read", _stream("Rampart")),
    ("GET", dialects.KAVACH.path): ("read", _stream("KavachOS")),
    ("GET", "/api/v1/events/{event_id}"): (
        "read",
        Operation(
            says="One event, by its id",
            answers={200: Answer("Event")},
            refusals=(NotFound, *_LISTS),
        ),
    ),
    ("GET", "/api/v1/events/sessions/{session_id}"): (
        "read",
        Operation(
            says="An agent's session, by timestamp",
            query=_query(page.PARAMETERS - {"limit", "offset", "order", "session_id"}),
            answers={200: Answer(array(ref("Event")))},
            refusals=_LISTS,
        ),
    ),
    ("GET", "/api/v1/agents/{agent_id}/events"): (
        "read",
        Operation(
            says="A list of an agent's events",
            query=_query(page.PARAMETERS - {"agent_id"}),
            answers={200: Answer(array(ref("Event")), headers=_NEXT_PAGE)},
            refusals=_LISTS,
        ),
    ),
    ("GET", "/v1/audit/events"): (
        "read",
        Operation(
            says="A page of a day's events, the newest first",
            query={
                "date": _DAY,
                "limit": _NUMBER,
                "offset": _NUMBER,
                "tool": _NAME,
                "action": enum(sorted(ACTIONS)),
                "agent": _NAME,
                "session": _NAME,
            },
            answers={200: Answer("AuditPage")},
            refusals=_LISTS,
        ),
    ),
    ("GET", "/v1/audit/dates"): (
        "read",
        Operation(
            says="The days of which something is kept",
            answers={200: Answer("AuditDates")},
            refusals=_LISTS,
        ),
    ),
    ("GET", "/v1/audit/stats"): (
        "read",
        Operation(
            says="How many events there were from a day to another",
            query={"from": _DAY, "to": _DAY, "before": _NUMBER},
            answers={200: Answer("AuditStats")},
            refusals=_LISTS,
        ),
    ),
    ("GET", "/v1/audit/export"): (
        "read",
        Operation(
            says="A whole day, a JSON object a line, the oldest first",
            query={"date": _DAY},
            required=frozenset({"date"}),
            answers={200: Answer({"type": "string"}, media="application/jsonl")},
            refusals=(NotFound, *_LISTS),
        ),
    ),
    ("GET", "/v1/audit/entries"): (
        "read, of every event type",
        Operation(
            says="Events as they were hashed, a JSON object a line, from a seq to another",
            query={"from": _NUMBER, "to": _NUMBER},
            answers={200: Answer({"type": "string"}, media="application/jsonl")},
            refusals=_LISTS,
        ),
    ),
    ("GET", "/v1/log/checkpoint"): (
        "read, of every event type",
        Operation(
            says="The last signed checkpoint of the org's log (C2SP's tlog-checkpoint)",
            answers={200: Answer({"type": "string"}, media=_PLAIN)},
            refusals=(NotFound, *_LISTS),
        ),
    ),
    ("GET", "/v1/log/keys"): (
        "read, of every event type",
        Operation(
            says="The keys that have signed the log, and since when, a line each",
            answers={200: Answer({"type": "string"}, media=_PLAIN)},
            refusals=_LISTS,
        ),
    ),
    ("GET", "/v1/log/tile/{tile}"): (
        "read, of every event type",
        Operation(
            says="Hashes of the log's tree, or entries, by the paths of C2SP's tlog-tiles",
            answers={200: Answer({"type": "string"}, media=_BYTES)},
            refusals=(NotFound, *_LISTS),
        ),
    ),
    ("GET", "/v1/log/proof"): (
        "read, of every event type",
        Operation(
            says="That an event is in the log, or that a checkpoint goes on from another",
            query={
                **dict.fromkeys(("seq", "from", "to"), _NUMBER),
                "id": text(),
                "entry": enum(("true", "false")),
            },
            answers={200: Answer({"type": "string"}, media=_PLAIN)},
            refusals=(NotFound, *_LISTS),
        ),
    ),
    ("GET", "/v1/audit/verify"): (
        "read",
        Operation(
            says="Whether what is stored is what was sealed, from a seq to another",
            query={"from": _NUMBER, "to": _NUMBER},
            answers={200: Answer("Verified")},
            refusals=_LISTS,
        ),
    ),
    ("GET", "/api/v1/detection/dry-run"): (
        "read",
        Operation(
            says="What detection would have told from a time to another, with these settings",
            query={
                "from": TIME,
                "to": TIME,
                "false_alerts_per_day": {"type": "number", "minimum": 0}
                | {"maximum": MAX_FALSE_ALERTS_PER_DAY},
                "kinds": text(description="Kinds of anomalies, with commas."),
            },
            answers={200: Answer("Rehearsed")},
            refusals=(TooFar, LimitReached),
        ),
    ),
    ("GET", "/v1/approvals/{id}/decision"): (
        "read, approve, or the key that asked",
        Operation(
            says="What was decided of a call that waits, as soon as it is",
            query={"wait": {"type": "integer", "minimum": 0, "maximum": MAX_DECISION_WAIT_SECONDS}},
            answers={200: Answer("Decision")},
            refusals=(NotFound, *_STREAMS),
        ),
    ),
    ("POST", "/v1/stream-tickets"): (
        "read",
        Operation(
            says="A ticket: opens one stream, within 60 seconds",
            answers={201: Answer("Ticket")},
        ),
    ),
    ("GET", "/healthz"): (
        None,
        Operation(
            says="Whether the parts answer",
            answers={200: Answer("StreamHealth"), 503: Answer("StreamHealth")},
        ),
    ),
    ("GET", "/livez"): (
        None,
        Operation(
            says="Of a stream service alone: while it answers at all",
            answers={200: Answer("Health")},
        ),
    ),
}
