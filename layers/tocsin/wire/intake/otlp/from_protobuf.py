"""OTLP's binary encoding, by Google's own parser and OpenTelemetry's own messages.

A message of two bytes takes some hundred as an object. So a request is taken apart first, by a
message of which everything is bytes: what is counted then is let in, and a record at a time is read
as what it is. protobuf takes long to import: this module is for requests that need it.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tocsin.domain.errors import Malformed, TooLarge
from tocsin.domain.limits import MAX_EVENT_BYTES
from tocsin.wire.intake.otlp.record import (
    ERROR,
    KINDS,
    Record,
    Room,
    Source,
    named,
)
from tocsin.wire.intake.strict import Flaw

__all__ = ["data_points", "logs", "spans"]

_POINTS: Final = (5, 7, 9, 10, 11)  # gauge, sum, histogram, exponential histogram, summary


def _parts() -> Any:
    """Return a message class whose fields 1, 2, 3 … are lists of bytes: part1, part2, part3."""
    file = FileDescriptorProto(name="tocsin/parts.proto", syntax="proto3")
    message = file.message_type.add(name="Parts")
    for number in (1, 2, 3, *_POINTS):
        message.field.add(
            name=f"part{number}",
            number=number,
            type=FieldDescriptorProto.TYPE_BYTES,
            label=FieldDescriptorProto.LABEL_REPEATED,
        )
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("Parts"))


_Parts: Final = _parts()


def spans(body: bytes) -> Iterator[Record | Flaw]:
    """Yield the spans of an ExportTraceServiceRequest, or why one can't be taken.

    Raises:
        Malformed: it is none.
        TooLarge: it is of more than a request may be.
    """
    return _records(body, Span, _span)


def logs(body: bytes) -> Iterator[Record | Flaw]:
    """Yield the log records of an ExportLogsServiceRequest, as :func:`spans`."""
    return _records(body, LogRecord, _log)


def data_points(body: bytes) -> int:
    """Return how many data points an ExportMetricsServiceRequest has.

    Raises:
        Malformed: it is none.
    """
    room, count = Room(), 0
    for resource in _groups(_Parts, room, _read(_Parts, body).part1):
        for scope in _groups(_Parts, room, resource.part2):
            for metric in _groups(_Parts, room, scope.part2):
                for kind in _POINTS:
                    for points in _groups(_Parts, room, getattr(metric, f"part{kind}")):
                        count += len(points.part1)
    return count


def _groups(message: Any, room: Room, contents: Any) -> Iterator[Any]:
    room.groups(len(contents))
    return (_read(message, content) for content in contents)


def _read(message: Any, content: bytes) -> Any:
    try:
        return message.FromString(content)
    except DecodeError as error:
        raise Malformed(f"the body is not OTLP in protobuf: {error}") from error


def _records(body: bytes, message: Any, read: Any) -> Iterator[Record | Flaw]:
    room = Room()
    groups: list[tuple[Source, Any]] = []
    for resource in _groups(_Parts, room, _read(_Parts, body).part1):
        told: dict[str, Any] | None = None
        for scope in _groups(_Parts, room, resource.part2):
            if scope.part2:
                if told is None:
                    told = _attributes(_one(Resource, resource.part1).attributes, room)
                source = _source(told, resource, scope, room)
                room.records(source, len(scope.part2))
                groups.append((source, scope.part2))
    for source, contents in groups:
        for content in contents:
            if len(content) > MAX_EVENT_BYTES:
                yield Flaw(_too_large(len(content)))
                continue
            found = _read(message, content)
            try:
                yield read(source, found, room)
            except TooLarge as error:
                yield Flaw(str(error))


def _too_large(size_bytes: int) -> str:
    return (
        f"{size_bytes:,} bytes and the limit is {MAX_EVENT_BYTES:,} a record: let the "
        "instrumentation shorten what it records (OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT)"
    )


def _one(message: Any, contents: Iterable[bytes]) -> Any:
    """Return a message of which there may be parts: they are one, as protobuf says."""
    content = b"".join(contents)
    if len(content) > MAX_EVENT_BYTES:
        raise TooLarge(f"the resource or the scope is of {_too_large(len(content))}")
    return _read(message, content)


def _source(told: dict[str, Any], of_resource: Any, of_scope: Any, room: Room) -> Source:
    scope = _one(InstrumentationScope, of_scope.part1)
    said = {
        "name": scope.name,
        "version": scope.version,
        "attributes": _attributes(scope.attributes, room),
    }
    urls = {
        "resource_schema_url": _url(of_resource.part3),
        "schema_url": _url(of_scope.part3),
    }
    return Source(
        resource=told,
        scope={name: value for name, value in said.items() if value},
        schemas={name: url for name, url in urls.items() if url},
    )


def _url(contents: Any) -> str:
    if not contents:
        return ""
    try:
        return str(contents[-1], "utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("a schema_url is not UTF-8") from error


def _span(source: Source, span: Span, room: Room) -> Record:
    room.values(len(span.events) + len(span.links), 0)
    rest = {
        "kind": KINDS[span.kind] if 0 < span.kind < len(KINDS) else "",
        "trace_state": span.trace_state,
        "status_message": span.status.message,
        "events": [_event(event, room) for event in span.events],
        "links": [_link(link, room) for link in span.links],
        "dropped_attributes": span.dropped_attributes_count,
        "dropped_events": span.dropped_events_count,
        "dropped_links": span.dropped_links_count,
    }
    code = span.status.code
    return Record(
        source=source,
        is_span=True,
        name=span.name,
        attributes=_attributes(span.attributes, room),
        trace_id=_id(span.trace_id),
        span_id=_id(span.span_id),
        parent_id=_id(span.parent_span_id),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        failed=code == ERROR if code else None,
        rest=rest,
    )


def _log(source: Source, log: LogRecord, room: Room) -> Record:
    at, observed = log.time_unix_nano, log.observed_time_unix_nano
    rest = {
        "observed_unix_nano": str(observed) if observed and at not in (0, observed) else "",
        "severity": log.severity_text,
        "severity_number": log.severity_number,
        "dropped_attributes": log.dropped_attributes_count,
    }
    return Record(
        source=source,
        is_span=False,
        name=log.event_name,
        attributes=_attributes(log.attributes, room),
        trace_id=_id(log.trace_id),
        span_id=_id(log.span_id),
        start_ns=at or observed,
        body=_value(log.body, 1, room) if log.HasField("body") else None,
        rest=rest,
    )


def _event(event: Any, room: Room) -> dict[str, Any]:
    told = {
        "name": event.name,
        "time_unix_nano": str(event.time_unix_nano or ""),
        "attributes": _attributes(event.attributes, room),
    }
    return {name: value for name, value in told.items() if value}


def _link(link: Any, room: Room) -> dict[str, Any]:
    told = {
        "trace_id": _id(link.trace_id),
        "span_id": _id(link.span_id),
        "trace_state": link.trace_state,
        "attributes": _attributes(link.attributes, room),
    }
    return {name: value for name, value in told.items() if value}


def _attributes(pairs: Any, room: Room) -> dict[str, Any]:
    room.attributes(len(pairs))
    return named([(pair.key, _value(pair.value, 1, room)) for pair in pairs])


def _value(value: Any, levels: int, room: Room) -> Any:
    """Return an AnyValue as a plain value."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    content = getattr(value, kind)
    if kind == "array_value":
        room.values(len(content.values), levels)
        return [_value(each, levels + 1, room) for each in content.values]
    if kind == "kvlist_value":
        room.values(len(content.values), levels)
        return named([(pair.key, _value(pair.value, levels + 1, room)) for pair in content.values])
    return content


def _id(content: bytes) -> str:
    """Return an id in hex; one of zeros alone is none."""
    return content.hex() if content.strip(b"\0") else ""
