"""Of the processes that share a file, one delivers an org's events."""

import sqlite3
from contextlib import suppress
from pathlib import Path

from tocsin.embedded._database import MEMORY

__all__ = ["Turnstile"]


class Turnstile:
    """Whoever holds it delivers: a lock that the system takes back from a process that ends.

    It is SQLite's own, of an empty database beside the file. So no clock decides who delivers, a
    process that is forked does not hold it, and two streams of one process do not share it.
    """

    def __init__(self, path: str | Path, org: str) -> None:
        """Name the lock of an org's deliveries from a file."""
        self._path = None if str(path) == MEMORY else f"{path}-delivers-{org}"
        self._held: sqlite3.Connection | None = None

    def hold(self) -> bool:
        """Take it, if nobody has it; whether it is held now."""
        if self._path is None or self._held:
            return True
        lock = sqlite3.connect(self._path, timeout=0, autocommit=True, check_same_thread=False)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except BaseException as error:
            lock.close()
            if isinstance(error, sqlite3.OperationalError) and _is_taken(error):
                return False
            raise
        self._held = lock
        return True

    def release(self) -> None:
        """Let another process have it."""
        if self._held:
            with suppress(sqlite3.Error):
                self._held.execute("ROLLBACK")
            self._held.close()
            self._held = None


def _is_taken(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
