"""One relay's folder in the spool: a lock, the file that grows, and the batches."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

__all__ = ["Folder", "abandoned"]


class Folder:
    """A folder that this process has locked. The lock ends with the process, however it ends."""

    def __init__(self, path: Path, lock: int) -> None:
        """Take over a locked folder; what its last relay was writing becomes its last batch."""
        self.path = path
        self._lock = lock
        self._file: int | None = None
        self._number = 1 + max((int(file.stem) for file in path.glob("*.*")), default=0)
        for growing in path.glob("*.open"):
            growing.rename(growing.with_suffix(".batch"))
        for batch in self.batches():
            if batch.stat().st_size == 0:
                batch.unlink()

    @classmethod
    def create(cls, target: Path, name: str) -> Self:
        """Make ``target/name``; nobody else sees it before it is locked."""
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        hidden = target / f".{name}"
        hidden.mkdir(mode=0o700)
        lock = _try_lock(hidden)
        if lock is None:
            raise BlockingIOError(f"{hidden} is locked by somebody else")
        return cls(hidden.rename(target / name), lock)

    def batches(self) -> list[Path]:
        """Return the batches in their order."""
        return sorted(self.path.glob("*.batch"))

    def append(self, line: bytes) -> None:
        """Add a line to the growing file, or leave it as it was.

        Raises:
            OSError: The disk is full, or gone.
        """
        if self._file is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            self._file = os.open(self._growing(), flags, 0o600)
        written = os.write(self._file, line)
        if written < len(line):
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise OSError(f"no room for an event in {self.path}")

    def seal(self) -> Path:
        """Turn the growing file into a batch, which never changes again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        growing = self._growing()
        self._number += 1
        return growing.rename(growing.with_suffix(".batch"))

    def close(self) -> None:
        """Unlock the folder, and remove it if nothing is left in it."""
        if not any(self.path.glob("*.*")):
            with suppress(OSError):
                (self.path / "lock").unlink()
                self.path.rmdir()
        os.close(self._lock)

    def _growing(self) -> Path:
        return self.path / f"{self._number:08d}.open"


def abandoned(target: Path, *, but: Folder) -> Iterator[Folder]:
    """Lock and yield the folders whose relay is dead, oldest first."""
    for path in sorted(target.glob("[0-9]*")):
        if path != but.path and (lock := _try_lock(path)) is not None:
            yield Folder(path, lock)


def _try_lock(folder: Path) -> int | None:
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except (FileNotFoundError, NotADirectoryError):
        return None  # its relay has just removed it
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
