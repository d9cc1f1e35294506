"""Keeps tool calls from the server while the session is suspended, and answers them itself.

As long as it is not, every byte passes as it comes, also parts of lines. While it is, a line passes
when it is whole and calls no tool.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from tocsin.cli.mcp.lines import MAX_LINE_BYTES
from tocsin.cli.mcp.rulings import REFUSED, error
from tocsin.cli.mcp.values import messages

__all__ = ["Gate"]

_METHOD: Final = "tools/call"
_SEEN: Final = (b"tools/call", rb"tools\/call")  # some encoders escape slashes
_MESSAGE: Final = "the session is suspended: a person has to resume it in Tocsin"


class Gate:
    """For the thread that passes on what the client says."""

    def __init__(
        self,
        session: str,
        suspended: Callable[[], bool],
        refused: Callable[[dict[str, Any]], None],
        answer: Callable[[bytes], None],
    ) -> None:
        """Ask ``suspended`` before a call passes; tell ``refused`` each that does not.

        ``answer`` sends a line to the client.
        """
        self._session = session
        self._suspended = suspended
        self._refused = refused
        self._answer = answer
        self._shut = False
        self._within_line = False  # the server has a part of it
        self._held = bytearray()

    def __call__(self, chunk: bytes) -> bytes:
        """Take what the client said, ``b""`` at the end, and return what the server hears."""
        if not chunk:
            held, self._held = bytes(self._held), bytearray()
            return self._passed(held) if held else b""
        if not self._shut and any(each in chunk for each in _SEEN):
            self._shut = self._suspended()
        if not self._shut and not self._held:
            self._within_line = not chunk.endswith(b"\n")
            return chunk
        passing = bytearray()
        if self._within_line:
            end = chunk.find(b"\n") + 1 or len(chunk)
            passing, chunk = bytearray(chunk[:end]), chunk[end:]
            self._within_line = not passing.endswith(b"\n")
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            whole = bytes(self._held) + line
            self._held.clear()
            passing += self._passed(whole, b"\n")
        self._held += rest
        if not self._shut or len(self._held) > MAX_LINE_BYTES:  # too long to be read
            passing += self._held
            self._within_line = bool(self._held)
            self._held.clear()
        return bytes(passing)

    def _passed(self, line: bytes, end: bytes = b"") -> bytes:
        """Return a line without the calls in it, and answer those."""
        said = _messages(line)
        calls = [each for each in said if each.get("method") == _METHOD]
        if calls:
            self._shut = self._suspended()
        if not calls or not self._shut:
            return line + end
        for each in calls:
            self._refused(each)
        refusals = [self._error(each["id"]) for each in calls if "id" in each]
        if line.lstrip().startswith(b"["):
            rest = [each for each in said if each.get("method") != _METHOD]
            if refusals:
                self._answer(json.dumps(refusals).encode() + b"\n")
            return json.dumps(rest).encode() + end if rest else b""
        for refusal in refusals:
            self._answer(json.dumps(refusal).encode() + b"\n")
        return b""

    def _error(self, id: Any) -> dict[str, Any]:
        data = {"reason": "session_suspended", "session": self._session}
        return error(id, REFUSED, _MESSAGE, **data)


def _messages(line: bytes) -> list[dict[str, Any]]:
    """Return a line's messages, with numbers of any size: an id is answered as it was sent."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return messages(line)
    return [each for each in (value if isinstance(value, list) else [value]) if type(each) is dict]
