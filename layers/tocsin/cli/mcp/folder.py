"""One relay's folder in the spool: a lock, the file that grows, and the batches."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

__all__ = ["Folder", "abandoned"]


_BEGUN: Final = "begun"
_MAX_BEGUN_BYTES: Final = 1024 * 1024  # after which it is written anew, with what still counts


class Folder:
    """A folder that this process has locked. The lock ends with the process, however it ends."""

    def __init__(self, path: Path, lock: int) -> None:
        """Take over a locked folder; what its last relay was writing becomes its last batch."""
        self.path = path
        self._lock = lock
        self._file: int | None = None
        self._number = 1 + max((int(file.stem) for file in path.glob("*.*")), default=0)
        self._begun: int | None = None
        self._begun_bytes = 0
        self._unended: dict[int, bytes] = {}
        for growing in path.glob("*.open"):
            growing.rename(growing.with_suffix(".batch"))
        self._recover()
        for batch in self.batches():
            if batch.stat().st_size == 0:
                batch.unlink()

    @classmethod
    def create(cls, target: Path, name: str) -> Self:
        """Make ``target/name``; nobody else sees it before it is locked."""
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.mkdir(mode=0o700, exist_ok=True)
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

    def begin(self, number: int, event: bytes) -> None:
        """Note a call that has begun, with the event for the case that no end of it is known.

        Raises:
            OSError: The disk is full, or gone.
        """
        self._unended[number] = event
        self._note(b"%d\t%b\n" % (number, event))

    def end(self, number: int) -> None:
        """Forget a call that has begun. Its event was appended before, with its number."""
        if self._unended.pop(number, None) is None:
            return
        if not self._unended and self._begun is not None:
            os.ftruncate(self._begun, 0)
            self._begun_bytes = 0
        else:
            self._note(b"%d\n" % number)

    def _note(self, line: bytes) -> None:
        path = self.path / _BEGUN
        if self._begun is None or self._begun_bytes > _MAX_BEGUN_BYTES:
            # Written anew without the calls that have ended, beside it and then in its place.
            lines = [b"%d\t%b\n" % item for item in self._unended.items()]
            new = path.with_name(f"{_BEGUN}-new")
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            number = os.open(new, flags, 0o600)
            try:
                content = b"".join(lines)
                if os.write(number, content) < len(content):
                    raise OSError(f"no room for calls in {self.path}")
                new.rename(path)
            except OSError:
                os.close(number)
                raise
            if self._begun is not None:
                os.close(self._begun)
            self._begun, self._begun_bytes = number, 0
            return
        written = os.write(self._begun, line)
        if written < len(line):
            os.ftruncate(self._begun, os.fstat(self._begun).st_size - written)
            raise OSError(f"no room for calls in {self.path}")
        self._begun_bytes += written

    def _recover(self) -> None:
        """Make a batch of the calls that had begun and of which no end was noted or appended."""
        path = self.path / _BEGUN
        try:
            *lines, _torn = path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        begun: dict[bytes, bytes] = {}
        for line in lines:
            number, _, event = line.partition(b"\t")
            if event:
                begun[number] = event
            else:
                begun.pop(number, None)
        for batch in self.batches():
            for line in batch.read_bytes().split(b"\n"):
                begun.pop(line.partition(b"\t")[2], None)
        if begun:
            content = b"".join(b"%b\t%b\n" % (event, number) for number, event in begun.items())
            growing = self._growing()
            growing.write_bytes(content)
            growing.chmod(0o600)
            growing.rename(growing.with_suffix(".batch"))
            self._number += 1
        path.unlink()

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
                for name in (_BEGUN, f"{_BEGUN}-new"):
                    (self.path / name).unlink(missing_ok=True)
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
