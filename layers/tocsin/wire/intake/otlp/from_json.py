"""OTLP's JSON encoding: ids in hex, 64-bit integers as text or numbers, lowerCamelCase.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. Unknown fields are ignored, as the
protocol asks. What has another type than the protocol says makes the request one that can't be
read; what is too large or too deep costs the record that it stands in.
"""

from collections.abc import Iterator
from typing import Any, Final

import orjson

from tocsin.domain.errors import Malformed, TooLarge
from tocsin.wire.intake.otlp.json_parts import (
    attributes_of,
    id_in,
    integer_in,
    list_in,
    object_in,
    objects_in,
    text_in,
    value_of,
)
from tocsin.wire.intake.otlp.record import ERROR, KINDS, Record, Room, Source
from tocsin.wire.intake.strict import Flaw

__all__ = ["data_points", "logs", "spans"]

_POINTS: Final = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")


def spans(body: bytes) -> Iterator[Record | Flaw]:
    """Yield the spans of an ExportTraceServiceRequest, or why one can't be taken.

    Raises:
        Malformed: it is none.
        TooLarge: it is of more than a request may be.
    """
    return _records(body, "Spans", "spans", _span)


def logs(body: bytes) -> Iterator[Record | Flaw]:
    """Yield the log records of an ExportLogsServiceRequest, as :func:`spans`."""
    return _records(body, "Logs", "logRecords", _log)


def data_points(body: bytes) -> int:
    """Return how many data points an ExportMetricsServiceRequest has.

    Raises:
        Malformed: it is none.
    """
    room, count = Room(), 0
    for resource in _groups(_loaded(body), "resourceMetrics", room):
        for scope in _groups(resource, "scopeMetrics", room):
            for metric in _groups(scope, "metrics", room):
                kinds = (object_in(metric, kind) for kind in _POINTS if kind in metric)
                count += sum(len(list_in(points, "dataPoints")) for points in kinds)
    return count


def _groups(holder: dict[str, Any], name: str, room: Room) -> list[dict[str, Any]]:
    room.groups(len(list_in(holder, name)))
    return objects_in(holder, name)


def _records(body: bytes, what: str, leaf: str, read: Any) -> Iterator[Record | Flaw]:
    room = Room()
    groups: list[tuple[Source, list[Any]]] = []
    for resource in _groups(_loaded(body), f"resource{what}", room):
        told: dict[str, Any] | None = None
        for scope in _groups(resource, f"scope{what}", room):
            if records := list_in(scope, leaf):
                if told is None:
                    told = attributes_of(object_in(resource, "resource"), room)
                source = _source(told, resource, scope, room)
                room.records(source, len(records))
                groups.append((source, records))
    for source, records in groups:
        for record in records:
            if not isinstance(record, dict):
                raise Malformed(f"{leaf}: expected objects")
            try:
                yield read(source, record, room)
            except TooLarge as error:
                yield Flaw(str(error))


def _loaded(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Malformed("the body is not a JSON object")
    return value


def _source(
    told: dict[str, Any], resource: dict[str, Any], scope: dict[str, Any], room: Room
) -> Source:
    own = object_in(scope, "scope")
    said: dict[str, Any] = {
        "name": text_in(own, "name"),
        "version": text_in(own, "version"),
        "attributes": attributes_of(own, room),
    }
    schemas = {
        "resource_schema_url": text_in(resource, "schemaUrl"),
        "schema_url": text_in(scope, "schemaUrl"),
    }
    return Source(
        resource=told,
        scope={name: value for name, value in said.items() if value},
        schemas={name: url for name, url in schemas.items() if url},
    )


def _span(source: Source, span: dict[str, Any], room: Room) -> Record:
    status = object_in(span, "status")
    code = integer_in(status, "code")
    kind = integer_in(span, "kind")
    rest = {
        "kind": KINDS[kind] if 0 < kind < len(KINDS) else "",
        "trace_state": text_in(span, "traceState"),
        "status_message": text_in(status, "message"),
        "events": [_event(event, room) for event in objects_in(span, "events")],
        "links": [_link(link, room) for link in objects_in(span, "links")],
        "dropped_attributes": integer_in(span, "droppedAttributesCount"),
        "dropped_events": integer_in(span, "droppedEventsCount"),
        "dropped_links": integer_in(span, "droppedLinksCount"),
    }
    return Record(
        source=source,
        is_span=True,
        name=text_in(span, "name"),
        attributes=attributes_of(span, room),
        trace_id=id_in(span, "traceId"),
        span_id=id_in(span, "spanId"),
        parent_id=id_in(span, "parentSpanId"),
        start_ns=integer_in(span, "startTimeUnixNano"),
        end_ns=integer_in(span, "endTimeUnixNano"),
        failed=code == ERROR if code else None,
        rest=rest,
    )


def _log(source: Source, log: dict[str, Any], room: Room) -> Record:
    at, observed = integer_in(log, "timeUnixNano"), integer_in(log, "observedTimeUnixNano")
    rest = {
        "observed_unix_nano": str(observed) if observed and at not in (0, observed) else "",
        "severity": text_in(log, "severityText"),
        "severity_number": integer_in(log, "severityNumber"),
        "dropped_attributes": integer_in(log, "droppedAttributesCount"),
    }
    return Record(
        source=source,
        is_span=False,
        name=text_in(log, "eventName"),
        attributes=attributes_of(log, room),
        trace_id=id_in(log, "traceId"),
        span_id=id_in(log, "spanId"),
        start_ns=at or observed,
        body=value_of(log.get("body"), 1, room),
        rest=rest,
    )


def _event(event: dict[str, Any], room: Room) -> dict[str, Any]:
    told = {
        "name": text_in(event, "name"),
        "time_unix_nano": str(integer_in(event, "timeUnixNano") or ""),
        "attributes": attributes_of(event, room),
    }
    return {name: value for name, value in told.items() if value}


def _link(link: dict[str, Any], room: Room) -> dict[str, Any]:
    told = {
        "trace_id": id_in(link, "traceId"),
        "span_id": id_in(link, "spanId"),
        "trace_state": text_in(link, "traceState"),
        "attributes": attributes_of(link, room),
    }
    return {name: value for name, value in told.items() if value}
