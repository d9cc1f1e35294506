"""Moves the bytes of one direction, as they are and as soon as they come."""

import os
import select
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread
from typing import Final

__all__ = ["Pump"]

_CHUNK_BYTES: Final = 64 * 1024
_CLOSED: Final = -1


class Pump(Thread):
    """Copies from a file descriptor to another until either end closes, then closes both.

    So an end of file travels on in one direction, and a broken pipe in the other.

    Attributes:
        gate: Takes each chunk, and ``b""`` at the end, and returns what passes; None: all does.
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
        self.gate: Callable[[bytes], bytes] | None = None
        self._lock = Lock()
        self._inserted = b""  # waits for the end of a line
        self._at_line_end = True

    def run(self) -> None:
        """Copy until either end closes."""
        try:
            with suppress(OSError):  # a pipe or terminal that is gone: the end, like any other
                while chunk := self._read():
                    self._pass(self.gate(chunk) if self.gate else chunk)
                if self.gate:
                    self._pass(self.gate(b""))
        finally:
            with self._lock:
                self._observe(b"")
                os.close(self._source)
                os.close(self._sink)
                self._sink = _CLOSED

    def insert(self, line: bytes) -> None:
        """Send a line of the relay's own where no other line is cut by it."""
        with self._lock, suppress(OSError):
            self._inserted += line
            if self._at_line_end and self._sink != _CLOSED:
                self._write(self._taken())

    def pass_on(self, line: bytes) -> None:
        """Send a line that came before, and that the gate kept back, if there is who gets it.

        All that passes is whole lines then.
        """
        with self._lock, suppress(OSError):
            if self._sink != _CLOSED:
                self._observe(line)
                self._write(line)

    def _pass(self, chunk: bytes) -> None:
        if not chunk:
            return
        with self._lock:
            self._observe(chunk)
            end = chunk.find(b"\n") + 1
            if self._inserted and end:
                self._write(chunk[:end] + self._taken())
                chunk = chunk[end:]
            self._at_line_end = not chunk or chunk.endswith(b"\n")
            self._write(chunk)

    def _taken(self) -> bytes:
        inserted, self._inserted = self._inserted, b""
        return inserted

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
