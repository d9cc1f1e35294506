"""Parquet files as another product reads them: DuckDB, whose reader shares no code with arro3."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

__all__ = ["asked", "rows"]


def rows(file: bytes) -> list[dict[str, Any]]:
    """Return a file's rows, less what is null."""
    [*named], found = _run(file, "select * from file")
    return [_there(dict(zip(named, each, strict=True))) for each in found]


def asked(file: bytes, query: str) -> list[tuple[Any, ...]]:
    """Return what a query finds, to which ``file`` is a table."""
    return _run(file, query)[1]


def _run(file: bytes, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    with TemporaryDirectory() as folder, duckdb.connect() as database:
        path = Path(folder, "x.parquet")
        path.write_bytes(file)
        database.execute(f"create view file as from read_parquet('{path}')")
        result = database.execute(query)
        return [each[0] for each in result.description], result.fetchall()


def _there(value: Any) -> Any:
    match value:
        case dict():
            return {name: _there(each) for name, each in value.items() if each is not None}
        case list():
            return [_there(each) for each in value]
    return value
