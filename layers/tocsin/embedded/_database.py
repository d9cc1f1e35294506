"""One SQLite file, or none: the connection, its tables, its transactions."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from tocsin.domain.errors import Busy

__all__ = ["MEMORY", "Database"]

MEMORY = ":memory:"
BUSY_SECONDS = 5.0  # how long another process may write before this one gives up

_TABLES = """
CREATE TABLE IF NOT EXISTS tocsin_batch (
    org TEXT, id TEXT, entries BLOB, count INTEGER, key_id TEXT, received_at_ms INTEGER,
    PRIMARY KEY (org, id)
) STRICT;
CREATE TABLE IF NOT EXISTS tocsin_segment (
    org TEXT, first_seq INTEGER, last_seq INTEGER, leaves BLOB, hash_before BLOB, hash_after BLOB,
    sealed_at_ms INTEGER,
    PRIMARY KEY (org, first_seq)
) STRICT;
CREATE TABLE IF NOT EXISTS tocsin_marker (
    org TEXT, batch_id TEXT, first_seq INTEGER, count INTEGER,
    PRIMARY KEY (org, batch_id), UNIQUE (org, first_seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tocsin_minute (
    org TEXT, minute INTEGER, first_seq INTEGER,
    PRIMARY KEY (org, minute)
) STRICT, WITHOUT ROWID;
"""


class Database:
    """A connection that threads may share; each call has it to itself.

    Every method raises Busy when another process holds the file for longer than five seconds.
    """

    def __init__(self, path: str | Path) -> None:
        """Open the file, or :data:`MEMORY`, and make the tables that are missing.

        A commit is on the disk before it returns, and readers do not wait for writers.
        """
        self._lock = RLock()
        self._connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, autocommit=True, check_same_thread=False
        )
        try:
            with _answering():
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
                self._connection.executescript(_TABLES)
        except BaseException:
            self._connection.close()
            raise

    def query(self, sql: str, *values: object) -> Sequence[tuple[Any, ...]]:
        """Return the rows of one statement."""
        with self._lock, _answering():
            return self._connection.execute(sql, values).fetchall()

    def insert(self, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Add rows; sqlite3.IntegrityError says that one of them is there already."""
        places = ", ".join("?" * len(rows[0]))
        with self._lock, _answering():
            self._connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608 (ours)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all or nothing; a nested one is part of the outer one."""
        with self._lock, _answering():
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the connection, as soon as no call uses it."""
        with self._lock:
            self._connection.close()


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise Busy("another process holds the SQLite file") from error
        raise
