"""Events out of CSV."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final

from tocsin.cli._failure import Failure
from tocsin.cli._json import dumps, loads
from tocsin.cli._times import check_time
from tocsin.client._outbox import Unsendable
from tocsin.domain.errors import Detail
from tocsin.domain.limits import MAX_BODY_BYTES

__all__ = ["FIELDS", "read_csv"]

_TEXT: Final = frozenset(
    {
        *("id", "type", "timestamp", "tool_name", "action", "server_id", "agent_id", "session_id"),
        *("user_id", "run_id", "direction", "model", "provider", "status", "compliance_tag"),
        *("anomaly_type", "source_id", "trace_id", "span_id", "parent_id", "tool_call_id"),
        "prompt_id",
    }
)
_JSON: Final = frozenset(
    {
        *("latency_ms", "cost_usd", "prompt_tokens", "completion_tokens", "total_tokens"),
        *("current_rate", "threshold", "pii_detected", "pii_types", "metadata", "request"),
        *("decision", "data"),
    }
)
FIELDS: Final = _TEXT | _JSON


def read_csv(source: BinaryIO, name: str) -> Iterator[bytes | Unsendable]:
    """Yield an event, as JSON text, for each row of a CSV file in UTF-8 with a header.

    Columns are named like fields, in snake_case or camelCase; all others go to ``metadata``.
    Empty cells are left out. A row that can't be sent as it is comes as :class:`Unsendable`.

    Raises:
        Failure: The file can't be read as CSV; the message says where, with ``name``.
    """
    csv.field_size_limit(MAX_BODY_BYTES)  # what is too large for an event is Tocsin's to say
    text = io.TextIOWrapper(source, "utf-8-sig", errors="surrogateescape", newline="")
    rows = csv.DictReader(text, strict=True)
    try:
        _check_header(rows.fieldnames, name)
        for row in rows:
            where = f"{name}, line {rows.line_num}"
            try:
                event = dumps(_event(row))
            except ValueError as error:
                details = [Detail(field=where, message=str(error))]
                yield Unsendable(details, Failure(f"{where}{_comma(error)}{error}"))
            else:
                yield event
    except csv.Error as error:
        raise Failure(f"{name}, line {rows.line_num}: not CSV in UTF-8 ({error})") from error
    finally:
        text.detach()  # or it would close the file


def _comma(error: ValueError) -> str:
    return ", " if str(error).startswith("column") else ": "


def _check_header(names: Sequence[str] | None, name: str) -> None:
    if names is None:
        return
    if "type" not in names:
        raise Failure(f"{name}: the header has no column `type`: {', '.join(names)}")
    seen: dict[str, str] = {}
    for column in names:
        field = _snake(column)
        if field not in FIELDS:
            field = column.removeprefix("metadata.")
        if field in seen:
            raise Failure(f"{name}: the columns `{seen[field]}` and `{column}` are the same field")
        seen[field] = column


def _event(row: dict[str, str | None]) -> dict[str, Any]:
    """Return a row's event; columns that are not fields go to ``metadata``.

    Raises:
        ValueError: A value is not what its column holds.
    """
    if None in row:
        raise ValueError("more values than the header has columns")
    event: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for column, text in row.items():
        if not text:
            continue
        if not text.isascii() and any("\udc80" <= c <= "\udcff" for c in text):
            raise ValueError(f"column {column}: not CSV in UTF-8")
        field = _snake(column)
        try:
            if field == "timestamp":
                check_time(text)
            value = loads(text) if field in _JSON else text
        except ValueError as error:
            wrong = str(error) if field == "timestamp" else f"not JSON ({error})"
            raise ValueError(f"column {column}: {wrong}") from error
        if field in FIELDS:
            event[field] = value
        else:
            extra[column.removeprefix("metadata.")] = value
    if extra:
        metadata = event.setdefault("metadata", {})
        if not isinstance(metadata, dict):
            raise ValueError("column metadata: not a JSON object")
        if twice := extra.keys() & metadata.keys():
            raise ValueError(f"column {min(twice)}: the column metadata has it, too")
        event["metadata"] = extra | metadata
    return event


def _snake(column: str) -> str:
    """Return the snake_case spelling of a column: ``toolName`` and ``tool_name`` are one."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in column.strip())
