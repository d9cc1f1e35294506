"""Moves the bytes of one direction, as they are and as soon as they come."""

import os
import select
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Final

__all__ = ["Pump"]

_CHUNK_BYTES: Final = 64 * 1024


class Pump(Thread):
    """Copies from a file descriptor to another until either end closes, then closes both.

    So an end of file travels on in one direction, and a broken pipe in the other.
    """

    def __init__(
        self,
        source: int,
        sink: int,
        observe: Callable[[bytes], None],
        *,
        ended: int | None = None,
    ) -> None:
        """Own ``source`` and ``sink``.

        Args:
            source: Where to read.
            sink: Where to write.
            observe: Sees each chunk before it is passed on, and ``b""`` before the end is. It must
                not raise.
            ended: A descriptor that reads as ended once nothing more will be written to
                ``source``, though a descendant of the writer may hold it open.
        """
        super().__init__(daemon=True)
        self._source = source
        self._sink = sink
        self._observe = observe
        self._ended = ended

    def run(self) -> None:
        """Copy until either end closes."""
        try:
            with suppress(OSError):  # a pipe or terminal that is gone: the end, like any other
                while chunk := self._read():
                    self._observe(chunk)
                    self._write(chunk)
        finally:
            self._observe(b"")
            os.close(self._source)
            os.close(self._sink)

    def _read(self) -> bytes:
        if self._ended is not None:
            readable, _, _ = select.select([self._source, self._ended], [], [])
            if self._source not in readable:
                return b""
        while True:
            try:
                return os.read(self._source, _CHUNK_BYTES)
            except BlockingIOError:  # some process that shares the descriptor made it so
                select.select([self._source], [], [])

    def _write(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        while rest:
            try:
                rest = rest[os.write(self._sink, rest) :]
            except BlockingIOError:
                select.select([], [self._sink], [])
