"""Lines of text as events: what a program says that knows nothing of events."""

import signal
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import FrameType
from typing import Any, BinaryIO, Final

from tocsin.cli._json import dumps
from tocsin.domain.times import iso

__all__ = ["leave_the_first_interrupt", "read_text"]

_MAX_LINE_BYTES: Final = 64 * 1024  # a longer one is several events: an event has 256 KB at most


def read_text(
    source: BinaryIO, fields: Mapping[str, Any], *, stamped: bool = True
) -> Iterator[bytes]:
    """Yield an event for each line that says something, as soon as it is there.

    ``fields`` are in every event; the line is ``metadata.message``. What is not UTF-8 is replaced.
    Events that are not ``stamped`` with the time are the same each time that a file is read.
    """
    metadata = {"via": "send"} | dict(fields.get("metadata") or {})
    decoder = getincrementaldecoder("utf-8")("replace")
    number, goes_on = 1, False
    while line := source.readline(_MAX_LINE_BYTES):
        ended = line.endswith(b"\n")
        text = decoder.decode(line, final=ended).rstrip("\r\n")
        if text.strip():
            said = metadata | {"message": text, "line": number}
            if goes_on:
                said["continued"] = True
            stamp = {"timestamp": iso(datetime.now(UTC))} if stamped else {}
            yield dumps(stamp | dict(fields) | {"metadata": said})
        goes_on = not ended
        number += ended


def leave_the_first_interrupt() -> None:
    """Leave Ctrl-C to the command before the pipe, and send what it still says; a second one ends.

    A terminal interrupts all of a pipeline at once.
    """

    def interrupted(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupted)
