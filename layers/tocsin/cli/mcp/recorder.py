"""Watches both directions of a relay and puts what it sees of tools into the spool.

A call is in the spool before the server has it, and its answer before the client has it. So a relay
that is killed has recorded every call: as it ended, or as unanswered; in the latter case the next
relay sends it. That costs two writes to the page cache, some microseconds each.
"""

from collections.abc import Callable, Iterable
from threading import Lock, Timer
from typing import Any

import orjson

from tocsin.cli.mcp.calls import CANCELLED_SECONDS, Begun, Calls, Ended, Step
from tocsin.cli.mcp.lines import Lines
from tocsin.cli.mcp.spool import Spool
from tocsin.cli.mcp.telling import ONE, Caller

__all__ = ["Recorder"]


class Recorder:
    """The relay's observer. Whatever goes wrong here is reported, and never stops the relay."""

    def __init__(self, calls: Calls, spool: Spool | None, say: Callable[[str], None]) -> None:
        """Record ``calls`` to ``spool``; ``say`` takes what the user should know."""
        self._calls = calls
        self._spool = spool
        self._say = say
        self._told: set[str] = set()
        self._lock = Lock()
        self._timer: Timer | None = None
        self._to_server = Lines()
        self._to_client = Lines()

    def from_client(self, chunk: bytes) -> None:
        """See a chunk on its way to the server; ``b""`` is the end."""
        self._observe(self._to_server, chunk, self._calls.from_client)
        self.watch_cancelled()

    def from_server(self, chunk: bytes) -> None:
        """See a chunk on its way to the client; ``b""`` is the end."""
        whole = self._observe(self._to_client, chunk, self._calls.from_server)
        if not whole:
            self._calls.unread()

    def request(self, body: bytes, caller: Caller) -> None:
        """See a whole message on its way to the server."""
        self._guarded(lambda: self.record(self._calls.from_client(body, caller)))
        self.watch_cancelled()

    def response(self, body: bytes, caller: Caller) -> None:
        """See a whole message on its way to the client."""
        if not self._guarded(lambda: self.record(self._calls.from_server(body, caller))):
            self.unread()

    def unread(self) -> None:
        """Note that the server said what could not be read."""
        self._once("a message was too long to be read, its call counts as unanswered")
        self._calls.unread()

    def refused(
        self,
        message: dict[str, Any],
        outcome: str = "session_suspended",
        caller: Caller = ONE,
        **metadata: Any,
    ) -> None:
        """See a call that the server does not get."""
        self.record(self._calls.refused(message, outcome, caller, **metadata))

    def watch_cancelled(self) -> None:
        """See to it that what was cancelled, or broke off, is recorded when its time is over."""
        with self._lock:
            if self._calls.cancelling and self._timer is None:
                self._start_timer()

    def finish(self) -> None:
        """Record the calls that were never answered."""
        self.record(self._calls.finish())

    def _start_timer(self) -> None:
        self._timer = Timer(CANCELLED_SECONDS, self._overdue)
        self._timer.daemon = True
        self._timer.start()

    def _overdue(self) -> None:
        self.record(self._calls.overdue())
        with self._lock:
            self._timer = None
            if self._calls.cancelling:
                self._start_timer()

    def _observe(self, lines: Lines, chunk: bytes, read: Callable[[bytes], list[Step]]) -> bool:
        """Read a chunk; return whether all that came so far could be read."""

        def see() -> None:
            for line in lines.feed(chunk) if chunk else lines.finish():
                self.record(read(line))

        if not self._guarded(see):
            return False
        if lines.skipped:
            self._once("a message was too long to be read, its call counts as unanswered")
        return not lines.skipped

    def _guarded(self, see: Callable[[], None]) -> bool:
        try:
            see()
        except Exception as error:  # a bug here must not cost the user's agent its server
            self._once(f"a message could not be read ({error!r}), its call is not recorded")
            return False
        return True

    def record(self, steps: Iterable[Step]) -> None:
        """Put steps into the spool."""
        if self._spool is None:
            return
        for step in steps:
            try:
                content = orjson.dumps(step.event)
                if isinstance(step, Begun):
                    self._spool.begin(step.number, content)
                    continue
                kept = self._spool.append(content, step.number if isinstance(step, Ended) else None)
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
