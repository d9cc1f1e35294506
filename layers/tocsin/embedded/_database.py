"""One SQLite file, or none: the connection, its tables, its transactions."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
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
CREATE TABLE IF NOT EXISTS tocsin_endpoint (
    org TEXT, id TEXT, change TEXT, active INTEGER, settings BLOB, saved TEXT, progress BLOB,
    PRIMARY KEY (org, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tocsin_replay (
    org TEXT, endpoint_id TEXT, id TEXT, next_seq INTEGER, to_seq INTEGER,
    PRIMARY KEY (org, endpoint_id, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tocsin_attempt (
    place INTEGER PRIMARY KEY AUTOINCREMENT, org TEXT, endpoint_id TEXT, given_up INTEGER,
    expires_at_ms INTEGER, attempt BLOB
) STRICT;
CREATE INDEX IF NOT EXISTS tocsin_attempts_of ON tocsin_attempt (org, endpoint_id, place);
CREATE INDEX IF NOT EXISTS tocsin_attempts_given_up ON tocsin_attempt (org, endpoint_id, place)
    WHERE given_up;
CREATE INDEX IF NOT EXISTS tocsin_attempts_expire ON tocsin_attempt (expires_at_ms);
"""


class Database:
    """A connection that threads may share; each call has it to itself.

    Every method raises Busy when another process holds the file for longer than five seconds.
    """

    def __init__(self, path: str | Path, *, durable: bool = True) -> None:
        """Open the file, or :data:`MEMORY`, and make the tables that are missing.

        A commit is on the disk before it returns, and readers do not wait for writers. If it need
        not be ``durable``, a power cut may take back the last commits that no other followed.
        """
        self._lock = RLock()
        self._then: list[Callable[[], None]] = []
        self._connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, autocommit=True, check_same_thread=False
        )
        try:
            with _answering():
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
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
                self._then.clear()
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            done, self._then = self._then, []
            for call in done:
                call()

    def after_commit(self, call: Callable[[], None]) -> None:
        """Have something called when the transaction that is open is committed, and only then."""
        self._then.append(call)

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
