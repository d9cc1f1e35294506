"""Lets a line of the client's pass when it is whole, and when the desk says so."""

import json
from collections.abc import Callable
from typing import Any

from tocsin.cli.mcp.desk import Desk
from tocsin.cli.mcp.held import Held
from tocsin.cli.mcp.lines import MAX_LINE_BYTES
from tocsin.cli.mcp.rulings import PARSE, Pass, Reply, Ruling, error
from tocsin.cli.mcp.telling import ONE

__all__ = ["Guard"]

type Send = Callable[[bytes], object]


class Guard:
    """For the thread that passes on what the client says; calls wait beside it."""

    def __init__(self, desk: Desk, answer: Send, pass_on: Send) -> None:
        """``answer`` sends a line to the client, ``pass_on`` one to the server."""
        self._desk = desk
        self._answer = answer
        self._pass_on = pass_on
        self._partial = bytearray()
        self._skipping = False  # a line that is too long

    def __call__(self, chunk: bytes) -> bytes:
        """Take what the client said, ``b""`` at the end, and return what the server hears now."""
        if not chunk:
            last, self._partial = bytes(self._partial), bytearray()
            rest = self._line(last) if last and not self._skipping else b""
            self._desk.close()
            return rest
        passing = bytearray()
        *lines, begun = chunk.split(b"\n")
        for line in lines:
            self._add(line)
            if not self._skipping:
                passing += self._line(bytes(self._partial))
            self._partial.clear()
            self._skipping = False
        self._add(begun)
        return bytes(passing)

    def _add(self, piece: bytes) -> None:
        if self._skipping:
            return
        self._partial += piece
        if len(self._partial) > MAX_LINE_BYTES:
            self._partial.clear()
            self._skipping = True
            self._send(error(None, PARSE, "not passed on, since it is too long to be read"))

    def _line(self, line: bytes) -> bytes:
        """Return a line if it passes at once."""
        asker = _Asker(self, line)
        ruling = self._desk.judge(line, ONE, asker, lines=True)
        if isinstance(ruling, Held):
            ruling.start()
            return b""
        if isinstance(ruling, Pass):
            return line + b"\n"
        self._send(ruling.answer)
        return b""

    def _send(self, message: Any) -> None:
        if message:
            self._answer(json.dumps(message).encode() + b"\n")  # ids of any size, as they came


class _Asker:
    """The client of one call that waits."""

    def __init__(self, guard: Guard, line: bytes) -> None:
        self._guard = guard
        self._line = line

    def tell(self, message: dict[str, Any]) -> None:
        self._guard._send(message)

    def settled(self, ruling: Ruling) -> None:
        if isinstance(ruling, Reply):
            self._guard._send(ruling.answer)
        else:
            self._guard._pass_on((ruling.body or self._line) + b"\n")
