"""Lines out of chunks, for watching a byte stream as it passes."""

from typing import Final

__all__ = ["MAX_LINE_BYTES", "Lines"]

MAX_LINE_BYTES: Final = 32 * 1024 * 1024
"""The most that is kept of one line. A longer message is relayed like any other, but not read."""


class Lines:
    """Collects the lines (ended by LF) of a stream whose chunks end anywhere.

    Attributes:
        skipped: How many lines were longer than the limit, and so not returned.
    """

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self.skipped = 0
        self._max_line_bytes = max_line_bytes
        self._partial = bytearray()
        self._skipping = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that ``chunk`` completes, without their ends."""
        *ended, rest = chunk.split(b"\n")
        lines = []
        for piece in ended:
            self._add(piece)
            if not self._skipping:
                lines.append(bytes(self._partial))
            self._partial.clear()
            self._skipping = False
        self._add(rest)
        return lines

    def finish(self) -> list[bytes]:
        """Return the last line, if the stream ended without ending it."""
        last = bytes(self._partial)
        self._partial.clear()
        return [last] if last and not self._skipping else []

    def _add(self, piece: bytes) -> None:
        if self._skipping:
            return
        self._partial += piece
        if len(self._partial) > self._max_line_bytes:
            self._partial.clear()
            self._skipping = True
            self.skipped += 1
