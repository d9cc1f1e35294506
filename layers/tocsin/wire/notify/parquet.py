"""Parquet: OCSF records as a table, whose schema is the same in every file.

A column that a record has no value for is null: so each class of OCSF leaves out what only the
other one has. Objects are structs, arrays are lists. OCSF's ``timestamp_t`` is a ``long_t``,
milliseconds since 1970 (https://schema.ocsf.io/1.8.0/data_types), so times are ``bigint``, as
everywhere in OCSF. Its ``json_t`` may be any JSON, for which Parquet has no type: it is JSON text.
"""

from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from tocsin.wire.notify.sending import json_body, json_lines

if TYPE_CHECKING:
    from arro3.core import DataType

__all__ = ["COLUMNS", "Column", "written"]

type Column = str | list[Column] | dict[str, Column]
"""A column's type: by its name in Hive (and so in Athena), a list of such, or a struct of such."""

_UID: Final[Column] = {"uid": "string"}
_NAME: Final[Column] = {"name": "string"}
_ACTOR: Final[Column] = {
    "app_name": "string",
    "app_uid": "string",
    "user": _UID,
    "session": _UID,
}

COLUMNS: Final[Mapping[str, Column]] = {
    "time": "bigint",
    "category_uid": "int",
    "class_uid": "int",
    "activity_id": "int",
    "activity_name": "string",
    "type_uid": "bigint",
    "severity_id": "int",
    "severity": "string",
    "status_id": "int",
    "status": "string",
    "status_detail": "string",
    "message": "string",
    "metadata": {
        "version": "string",
        "product": {"name": "string", "vendor_name": "string", "version": "string"},
        "uid": "string",
        "event_code": "string",
        "sequence": "bigint",
        "tenant_uid": "string",
        "log_name": "string",
        "original_time": "string",
        "logged_time": "bigint",
        "correlation_uid": "string",
        "original_event_uid": "string",
        "profiles": ["string"],
    },
    "actor": _ACTOR,
    "api": {
        "operation": "string",
        "request": {"uid": "string", "data": "string"},
        "service": _NAME,
    },
    "src_endpoint": {"name": "string", "type": "string"},
    "dst_endpoint": {"svc_name": "string"},
    "trace": _UID,
    "is_alert": "boolean",
    "finding_info": {
        "uid": "string",
        "title": "string",
        "desc": "string",
        "types": ["string"],
        "analytic": {"name": "string", "type_id": "int", "type": "string"},
        "first_seen_time": "bigint",
    },
    "evidences": [{"data": "string", "actor": _ACTOR}],
    "resources": [{"name": "string", "uid": "string", "type": "string"}],
    "raw_data": "string",
    "unmapped": {"prev_hash": "string", "hash": "string"},
}
"""Of every file, in this order: all that a record of :mod:`tocsin.wire.notify.ocsf` can have.

New ones come last: readers that go by place read on.
"""

_COMPRESSION: Final = "zstd(3)"


def written(records: Iterable[dict[str, Any]]) -> bytes:
    """Return OCSF records, which it takes apart, as a file: the same records as the same bytes.

    Raises:
        RuntimeError: arro3 has panicked, which by itself is no :class:`Exception`.
    """
    try:
        return _written(records)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of PyO3, which does not export it
            raise
        raise RuntimeError(f"arro3 has panicked: {error}") from error


def _written(records: Iterable[dict[str, Any]]) -> bytes:
    from arro3.core import Field, Schema
    from arro3.io import read_json, write_parquet

    schema = Schema([Field(name, _type(column)) for name, column in COLUMNS.items()])
    file = BytesIO()
    write_parquet(
        read_json(json_lines(map(_row, records)), schema),
        file,
        compression=_COMPRESSION,
        skip_arrow_metadata=True,
    )
    return file.getvalue()


def _row(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with JSON text where it has any JSON."""
    for part in (record.get("api", {}).get("request", {}), *record.get("evidences", ())):
        if "data" in part:
            part["data"] = json_body(part["data"]).decode()
    return record


def _type(column: Column) -> "DataType":
    from arro3.core import DataType, Field

    match column:
        case dict():
            return DataType.struct([Field(name, _type(inner)) for name, inner in column.items()])
        case [element]:
            return DataType.list(Field("element", _type(element)))
        case "bigint":
            return DataType.int64()
        case "int":
            return DataType.int32()
        case "boolean":
            return DataType.bool()
        case _:
            return DataType.string()
