"""Watches both directions of a relay and puts the tool calls it sees into the spool.

An answer is in the spool before the client has it, so a relay that is killed after a call was
answered has recorded it. That costs one write to the page cache, some microseconds.
"""

from collections.abc import Callable, Iterable
from threading import Lock

import orjson

from tocsin.cli.mcp.calls import Calls, Event
from tocsin.cli.mcp.lines import Lines
from tocsin.cli.mcp.spool import Spool

__all__ = ["Recorder"]


class Recorder:
    """The relay's observer. Whatever goes wrong here is reported, and never stops the relay."""

    def __init__(self, calls: Calls, spool: Spool, say: Callable[[str], None]) -> None:
        """Record ``calls`` to ``spool``; ``say`` takes what the user should know."""
        self._calls = calls
        self._spool = spool
        self._say = say
        self._told: set[str] = set()
        self._lock = Lock()
        self._to_server = Lines()
        self._to_client = Lines()

    def from_client(self, chunk: bytes) -> None:
        """See a chunk on its way to the server; ``b""`` is the end."""
        self._observe(self._to_server, chunk, self._calls.from_client)

    def from_server(self, chunk: bytes) -> None:
        """See a chunk on its way to the client; ``b""`` is the end."""
        self._observe(self._to_client, chunk, self._calls.from_server)

    def finish(self) -> None:
        """Record the calls that were never answered."""
        self._record(self._calls.finish())

    def _observe(self, lines: Lines, chunk: bytes, read: Callable[[bytes], list[Event]]) -> None:
        try:
            for line in lines.feed(chunk) if chunk else lines.finish():
                self._record(read(line))
        except Exception as error:  # a bug here must not cost the user's agent its server
            self._once(f"a message could not be read ({error!r}), its call is not recorded")
        if lines.skipped:
            self._once("a message was too long to be read, its call counts as unanswered")

    def _record(self, events: Iterable[Event]) -> None:
        for event in events:
            try:
                kept = self._spool.append(orjson.dumps(event))
            except OSError as error:
                self._once(f"tool calls can't be kept in {self._spool.path}: {error.strerror}")
            else:
                if not kept:
                    self._once("the spool is full: new tool calls are dropped (--spool-max-mb)")

    def _once(self, line: str) -> None:
        with self._lock:
            if line not in self._told:
                self._told.add(line)
                self._say(line)
