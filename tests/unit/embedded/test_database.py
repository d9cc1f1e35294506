"""Transactions and locks of the SQLite file."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tocsin.domain.errors import Busy
from tocsin.embedded._database import Database

ROW = ("acme", 1, 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with closing(Database(path)) as opened:
        yield opened


def minutes(database: Database) -> int:
    return len(database.query("SELECT * FROM tocsin_minute"))


def test_a_transaction_within_another_is_a_part_of_it(database: Database, path: Path) -> None:
    with closing(Database(path)) as reader:
        with pytest.raises(RuntimeError), database.transaction():
            with database.transaction():
                database.insert("tocsin_minute", [ROW])
            assert (minutes(database), minutes(reader)) == (1, 0)
            raise RuntimeError
        assert minutes(database) == 0
        with database.transaction():
            database.insert("tocsin_minute", [ROW])
        assert minutes(reader) == 1


def test_who_writes_waits_for_another_process(database: Database, path: Path) -> None:
    with closing(sqlite3.connect(path, autocommit=True)) as other, ThreadPoolExecutor(1) as pool:
        other.execute("BEGIN IMMEDIATE")
        writing = pool.submit(database.insert, "tocsin_minute", [ROW])
        other.execute("COMMIT")
        writing.result(20)
    assert minutes(database) == 1


def test_a_file_that_stays_locked_is_busy(database: Database, path: Path) -> None:
    database.query("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(path, autocommit=True)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy), database.transaction():
            pass
        assert minutes(database) == 0  # who reads need not wait


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_text("notes " * 1_000)
    with pytest.raises(sqlite3.DatabaseError):
        Database(path)
