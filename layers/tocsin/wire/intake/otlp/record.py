"""A span or a log record, whichever encoding it came in, and what it must keep to."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tocsin.domain.errors import TooLarge
from tocsin.domain.limits import MAX_DEPTH, MAX_EVENTS_PER_BATCH, MAX_UNPACKED_BYTES
from tocsin.wire.intake.strict import too_deep

__all__ = [
    "ERROR",
    "KINDS",
    "MAX_ATTRIBUTES",
    "MAX_GROUPS",
    "MAX_VALUES",
    "Record",
    "Room",
    "Source",
    "named",
]

MAX_ATTRIBUTES: Final = 4_096
"""Of a record, a resource or a scope; SDKs keep 128 unless set otherwise."""


MAX_GROUPS: Final = 10_000
"""Of resources, scopes and metrics, in a request."""

MAX_VALUES: Final = 400_000
"""Of attributes and what they are made of, in a request: 10 bytes each, if it is full."""

KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
"""Of spans, as they are numbered."""

ERROR: Final = 2
"""The code of a span's status that says that what it is of has failed."""


@dataclass(frozen=True, slots=True)
class Source:
    """What records come from: a resource, and a scope of instrumentation in it."""

    resource: dict[str, Any] = field(default_factory=dict)  # its attributes
    scope: dict[str, Any] = field(default_factory=dict)  # name, version, attributes
    schemas: dict[str, str] = field(default_factory=dict)  # resource_schema_url, schema_url


@dataclass(slots=True, kw_only=True)
class Record:
    """A span, or a log record; times are Unix times in nanoseconds, and 0 is unknown.

    ``name`` is a span's name, or the event's name of a log record. ``rest`` is what else it says:
    its keys are those of an event's ``metadata``. ``failed`` is a span's status, if it has one.
    """

    source: Source
    is_span: bool
    name: str
    attributes: dict[str, Any]
    trace_id: str = ""
    span_id: str = ""
    parent_id: str = ""
    start_ns: int = 0
    end_ns: int = 0
    failed: bool | None = None
    body: Any = None
    rest: dict[str, Any] = field(default_factory=dict)


class Room:
    """What there is room for in a request: counted before it is built."""

    def __init__(self) -> None:
        self._groups = 0
        self._records = 0
        self._bytes = 0
        self._values = 0

    def groups(self, count: int) -> None:
        """Let resources, scopes or metrics in.

        Raises:
            TooLarge: there are too many.
        """
        self._groups += count
        if self._groups > MAX_GROUPS:
            raise TooLarge(
                f"more than {MAX_GROUPS:,} resources, scopes and metrics in one request: lower the "
                "batch size of the exporter"
            )

    def records(self, source: Source, count: int) -> None:
        """Let records of a source in. What is said of it once is stored with each of them.

        Raises:
            TooLarge: the request is of too many, or would become too large.
        """
        self._records += count
        if self._records > MAX_EVENTS_PER_BATCH:
            raise TooLarge(
                f"more than {MAX_EVENTS_PER_BATCH:,} spans or log records in one request: lower "
                "the batch size of the exporter (OTEL_BSP_MAX_EXPORT_BATCH_SIZE, "
                "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE, or send_batch_max_size of a collector)"
            )
        self._bytes += count * len(orjson.dumps((source.resource, source.scope), default=str))
        if self._bytes > MAX_UNPACKED_BYTES:
            raise TooLarge(
                "resource and scope, which are stored with each record, are too large for so many "
                "records: lower the batch size of the exporter, or say less of the resource"
            )

    def attributes(self, count: int) -> None:
        """Let the attributes of a record, a resource or a scope in.

        Raises:
            TooLarge: there are too many.
        """
        if count > MAX_ATTRIBUTES:
            raise TooLarge(f"{count:,} attributes and the limit is {MAX_ATTRIBUTES:,}")
        self.values(count, 0)

    def values(self, count: int, levels: int) -> None:
        """Let values in that are nested ``levels`` deep.

        Raises:
            TooLarge: that is too deep, or there are too many in this request.
        """
        if levels > MAX_DEPTH:
            raise TooLarge(too_deep())
        self._values += count
        if self._values > MAX_VALUES:
            raise TooLarge(f"it is beyond the {MAX_VALUES:,} values that one request may have")


def named(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return attributes by their names.

    A name should stand once (the specification leaves open what another means): a further value is
    kept under the name and its place.
    """
    found: dict[str, Any] = {}
    for place, (name, value) in enumerate(pairs):
        while name in found:
            name = f"{name}#{place}"
        found[name] = value
    return found
