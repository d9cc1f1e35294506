"""A folder of ``tocsin export``: what is in it, and how it is written.

Lines are appended in whole pages; everything else is written beside its place and moved there. What
a crash has left of a line is cut off by the next run.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Self

from tocsin.cli._failure import USAGE, Failure
from tocsin.cli._trust import small_file
from tocsin.cli._whole import put
from tocsin.domain.merkle import Peaks
from tocsin.wire.log import notes
from tocsin.wire.log.beginnings import read_beginning, write_beginning
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.lines import MAX_LINE_BYTES

__all__ = ["Exported", "Writing"]

_MAX_BEGINNING_BYTES: Final = 64 * 1024
_CHECKPOINT: Final = "checkpoint"
_OURS: Final = os.O_CREAT | os.O_NOFOLLOW  # not what a link in the folder leads to


class Exported:
    """The files of a folder, to read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries = folder / "entries.jsonl"
        self.checkpoint = folder / _CHECKPOINT
        self.keys = folder / "keys"
        self._before = folder / "before"

    @property
    def others(self) -> list[Path]:
        """Checkpoints that did not fit what was there when they came."""
        return sorted(self.folder.glob(f"{_CHECKPOINT}-*"))

    def beginning(self) -> Peaks:
        """Return the tree before the first event: that of no events, in most exports.

        Raises:
            Failure: Its file is none.
        """
        if not self._before.exists():
            return Peaks()
        try:
            return read_beginning(small_file(self._before, _MAX_BEGINNING_BYTES))
        except BadFormat as error:
            raise Failure(f"can't use {self._before}: {error}", USAGE) from error

    def note(self) -> bytes | None:
        """Return the checkpoint of the export, if it has one."""
        if not self.checkpoint.exists():
            return None
        return small_file(self.checkpoint, notes.MAX_BYTES)

    def lines(self) -> Iterator[bytes]:
        """Yield the lines, whole or not, each with its end if it has one.

        Raises:
            Failure: They can't be read.
        """
        try:
            file = self.entries.open("rb")
        except OSError as error:
            raise Failure(
                f"can't read {self.entries} ({error.strerror}): is it a folder of `tocsin export`?",
                USAGE,
            ) from error
        return _lines(file)


class Writing(Exported):
    """The same, to write; one program at a time."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        """Make the folder and its file of lines, or open them.

        Raises:
            Failure: Another program writes there.
            OSError: It can't be made.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.fdopen(os.open(self.entries, os.O_RDWR | _OURS, 0o600), "r+b", 0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise Failure(f"another `tocsin export` writes to {self.folder}") from error
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it to others."""
        assert self._file is not None  # noqa: S101
        self._file.close()

    def cut(self, size_bytes: int) -> None:
        """Keep so many bytes of lines: what follows is half a line."""
        assert self._file is not None  # noqa: S101
        self._file.truncate(size_bytes)

    def append(self, lines: Sequence[bytes]) -> None:
        """Write lines, given without their ends: all of them, or none.

        Raises:
            OSError: They can't be written.
        """
        assert self._file is not None  # noqa: S101
        size_bytes = self._file.seek(0, os.SEEK_END)
        rest = memoryview(b"".join(b"%b\n" % line for line in lines))
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except BaseException:
            self._file.truncate(size_bytes)
            raise

    def put_beginning(self, tree: Peaks) -> None:
        """Write the tree before the first event."""
        put(self._before, [write_beginning(tree)])

    def put_checkpoint(self, note: bytes, name: str = "") -> None:
        """Write the checkpoint, or one that does not fit, by another name."""
        put(self.folder / (f"{_CHECKPOINT}-{name}" if name else _CHECKPOINT), [note])

    def put_keys(self, lines: bytes) -> None:
        """Write what the log says of its keys."""
        put(self.keys, [lines])


def _lines(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while line := file.readline(MAX_LINE_BYTES + 2):
            yield line
