"""Those who wait at a log's head for the same bytes: they are written in one pass.

All of an audience's members were sent the same last, so where they are, when that was and how much
it was is kept here once for them all, and a delivery is one write to a connection and no more. Who
can't be written without waiting, or is to be sent something else, leaves and goes on alone, with a
state of its own, until it waits at the head again.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from tocsin.services.stream.ring import Chunk, Ring
from tocsin.services.stream.unsent import Unsent
from tocsin.wire.filters import Render

__all__ = ["Audience", "Connection", "Member"]


class Connection(Protocol):
    """What a member's bytes are written to, where that needs no waiting."""

    @property
    def write(self) -> Callable[[bytes], object]:
        """Takes what :meth:`framed` returns.

        If not all of it can be sent, :meth:`Audience.paused` is called meanwhile.
        """

    @staticmethod
    def framed(data: bytes) -> bytes:
        """Return bytes as they are written: the same for all connections."""

    def stopped(self, unsent_bytes: int, error: Exception | None) -> None:
        """Go on alone: as many bytes were written and not all are sent yet, or writing failed."""


class Member(Protocol):
    """One of an audience: a subscriber."""

    def wake(self) -> None:
        """Leave, and look at the log again."""

    def stopped(self, unsent_bytes: int, error: Exception | None = None) -> None:
        """Leave: the connection has yet to send what was written last, or has failed."""


class Audience:
    """The members of one log and one render. Used in the event loop's thread only."""

    __slots__ = (
        "_framed",
        "_loop",
        "_org",
        "_paused",
        "_render",
        "_ring",
        "_unsent",
        "_writes",
        "cursor",
        "hash",
        "sent_at",
        "sent_bytes",
        "told",
    )

    def __init__(self, org: str, ring: Ring, render: Render, unsent: Unsent) -> None:
        """Begin at the ring's head, with nobody."""
        self.cursor = ring.seq
        self.hash = ring.hash
        self.told = 0  # the last seq that all were told
        self.sent_at = 0.0  # when all were written last, by the loop's time
        self.sent_bytes = 0  # in all, to each
        self._org = org
        self._ring = ring
        self._render = render
        self._unsent = unsent
        self._loop = asyncio.get_running_loop()
        self._framed: Callable[[bytes], bytes] | None = None
        self._writes: dict[Member, Callable[[bytes], object]] = {}
        self._paused: list[Member] = []

    def __len__(self) -> int:
        """How many members it has."""
        return len(self._writes)

    def add(self, member: Member, connection: Connection) -> None:
        """Add a member, whose cursor must be the audience's."""
        self._writes[member] = connection.write
        self._framed = connection.framed

    def discard(self, member: Member) -> None:
        """Forget a member."""
        self._writes.pop(member, None)

    def paused(self, member: Member) -> None:
        """Hear that a member's connection has yet to send what it was just written."""
        self._paused.append(member)

    def deliver(self) -> None:
        """Write what is new to all members."""
        while self._writes and self.cursor < self._ring.seq:
            full = self._unsent.full(self._org)
            chunk = None if full else self._ring.take(self._render, self.cursor)
            if chunk is None or chunk.hash is None:  # no room, or it has to be read
                self.scatter()
                return
            self.cursor, self.hash = chunk.last_seq, chunk.hash
            if chunk.data:
                self._write(chunk)
            elif self.cursor < self._ring.seq:  # much is hidden: others have their turn in between
                self.scatter()

    def scatter(self) -> None:
        """Let all members go on alone."""
        for member in list(self._writes):
            member.wake()

    def _write(self, chunk: Chunk) -> None:
        size_bytes = len(chunk.data)
        self.sent_at = self._loop.time()
        self.sent_bytes += size_bytes
        if not chunk.hidden:
            self.told = chunk.last_seq
        failed = self._write_all(self._framed(chunk.data) if self._framed else chunk.data)
        paused, self._paused = self._paused, []
        for member in paused:
            member.stopped(size_bytes)
        for member, error in failed:
            member.stopped(size_bytes, error)

    def _write_all(self, data: bytes) -> list[tuple[Member, Exception]]:
        """Write to all connections; return whose failed, and with what.

        This is where a delivery's time goes: nothing of a member is looked at but its ``write``.
        """
        failed: list[tuple[Member, Exception]] = []
        writes = iter(self._writes.values())
        while True:
            try:
                for write in writes:
                    write(data)
                return failed
            except Exception as error:  # others are written after this one
                failed += [(each, error) for each, its in self._writes.items() if its is write]
