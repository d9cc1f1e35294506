"""Events out of CSV."""

import csv
import io
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import orjson

from tocsin.cli._failure import Failure

__all__ = ["FIELDS", "read_csv"]

_TEXT: Final = frozenset(
    {
        *("id", "type", "timestamp", "tool_name", "action", "server_id", "agent_id", "session_id"),
        *("user_id", "run_id", "direction", "model", "provider", "status", "compliance_tag"),
        *("anomaly_type", "source_id"),
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


def read_csv(source: BinaryIO, name: str) -> Iterator[dict[str, Any]]:
    """Yield an event for each row of a CSV file in UTF-8 with a header.

    Columns are named like fields, in snake_case or camelCase; all others go to ``metadata``.
    Empty cells are left out.

    Raises:
        Failure: The file can't be read as CSV; the message says where, with ``name``.
    """
    rows = csv.DictReader(io.TextIOWrapper(source, "utf-8-sig", newline=""))
    try:
        if rows.fieldnames is not None and "type" not in rows.fieldnames:
            raise Failure(f"{name}: the header has no column `type`: {', '.join(rows.fieldnames)}")
        for row in rows:
            where = f"{name}, line {rows.line_num}"
            if None in row:
                raise Failure(f"{where}: more values than the header has columns")
            yield _event(row, where)
    except (UnicodeDecodeError, csv.Error) as error:
        raise Failure(f"{name}, line {rows.line_num}: not CSV in UTF-8 ({error})") from error


def _event(row: dict[str, str | None], where: str) -> dict[str, Any]:
    """Return a row's event; columns that are not fields go to ``metadata``."""
    event: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for column, text in row.items():
        if not text:
            continue
        field = _snake(column)
        if field in _TEXT:
            event[field] = text
        elif field in _JSON:
            try:
                event[field] = orjson.loads(text)
            except orjson.JSONDecodeError as error:
                raise Failure(f"{where}, column {column}: not JSON ({error})") from error
        else:
            extra[column.removeprefix("metadata.")] = text
    if extra:
        metadata = event.setdefault("metadata", {})
        if not isinstance(metadata, dict):
            raise Failure(f"{where}, column metadata: not a JSON object")
        event["metadata"] = extra | metadata
    return event


def _snake(column: str) -> str:
    """Return the snake_case spelling of a column: ``toolName`` and ``tool_name`` are one."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in column.strip())
