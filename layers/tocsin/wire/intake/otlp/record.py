"""A span or a log record, whichever encoding it came in, and what it must keep to."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tocsin.domain.errors import TooLarge
from tocsin.domain.limits import MAX_DEPTH, MAX_EVENTS_PER_BATCH, MAX_UNPACKED_BYTES
from tocsin.wire.intake.strict import Flaw, too_deep

__all__ = [
    "ERROR",
    "KINDS",
    "MAX_ATTRIBUTES",
    "Record",
    "Source",
    "Sources",
    "deep",
    "few",
    "named",
]

MAX_ATTRIBUTES: Final = 4_096
"""Of a record, a resource or a scope; SDKs keep 128 unless set otherwise."""


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


class Sources:
    """Counts what a request would become, before it is built.

    What is said of a source once is stored with each of its records.
    """

    def __init__(self) -> None:
        self._records = 0
        self._bytes = 0

    def admit(self, source: Source, records: int) -> None:
        """Let records of a source in.

        Raises:
            TooLarge: the request is of too many, or would become too large.
        """
        self._records += records
        if self._records > MAX_EVENTS_PER_BATCH:
            raise TooLarge(
                f"more than {MAX_EVENTS_PER_BATCH:,} spans or log records in one request: lower "
                "the batch size of the exporter (OTEL_BSP_MAX_EXPORT_BATCH_SIZE, "
                "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE, or send_batch_max_size of a collector)"
            )
        if records and (source.resource or source.scope):
            self._bytes += records * len(_text(source))
        if self._bytes > MAX_UNPACKED_BYTES:
            raise TooLarge(
                "resource and scope, which are stored with each record, are too large for so many "
                "records: lower the batch size of the exporter, or say less of the resource"
            )


def deep(levels: int) -> None:
    """Make sure that a value that is ``levels`` deep is not too deep.

    Raises:
        TooLarge: it is.
    """
    if levels > MAX_DEPTH:
        raise TooLarge(too_deep())


def few(attributes: int) -> None:
    """Make sure that there are not too many attributes.

    Raises:
        TooLarge: there are.
    """
    if attributes > MAX_ATTRIBUTES:
        raise TooLarge(f"{attributes:,} attributes and the limit is {MAX_ATTRIBUTES:,}")


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


def _text(source: Source) -> bytes:
    return orjson.dumps((source.resource, source.scope), default=_as_text)


def _as_text(value: Any) -> str:
    return value.reason if isinstance(value, Flaw) else str(value)
