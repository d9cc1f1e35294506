"""A subscriber: a cursor over an org's log; nothing else."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum

from tocsin.domain.errors import IntegrityError
from tocsin.services.stream.audience import Audience, Connection
from tocsin.services.stream.backlog import Backlog
from tocsin.services.stream.log import LiveLog
from tocsin.services.stream.ring import Chunk
from tocsin.wire import frames
from tocsin.wire.filters import Render

__all__ = ["Pace", "Subscriber"]

logger = logging.getLogger(__name__)

TELL_SECONDS = 1.0  # between two messages that tell only the cursor


@dataclass(frozen=True, slots=True)
class Pace:
    """After how much silence a heartbeat is due, and when a client is given up."""

    heartbeat: bytes = frames.HEARTBEAT
    heartbeat_seconds: float = 15.0
    stall_seconds: float = 60.0  # given up after this, if it takes nothing of what it was given


class State(Enum):
    """What a subscriber waits for."""

    READY = "to be asked for what is next"
    WAITING = "for the log: the last take found nothing"
    QUIET = "to be asked for a heartbeat"
    GIVING = "for the client, to take what it was given"
    STALLED = "for nothing: the client took nothing for too long, and is given up"


class Subscriber:
    """Gives one connection its bytes, one chunk at a time; there is no queue behind it.

    Replay, live, a slow client and a hole left by pub/sub are the same case: the cursor is behind
    the head, so take the ring's bytes, or the ledger's when the ring begins later.

    ``on_wake`` is called when there is more after :meth:`take` found nothing; ``on_stall`` once,
    when the client has long taken nothing of what it was given. ``unsent`` tells how many bytes
    it has yet to take, if known; otherwise only a whole chunk counts as taken.

    With a ``connection`` it joins the audience of those who wait for the same, and needs no waking.
    """

    __slots__ = (
        "_audience",
        "_backlog",
        "_began_at",
        "_begun",
        "_cursor",
        "_hash",
        "_last",
        "_log",
        "_loop",
        "_max_bytes",
        "_pace",
        "_reading",
        "_render",
        "_sent_at",
        "_sent_bytes",
        "_state",
        "_told",
        "_unsent_bytes",
        "connection",
        "on_stall",
        "on_wake",
        "unsent",
    )

    def __init__(
        self,
        log: LiveLog,
        backlog: Backlog,
        render: Render,
        cursor: int,
        pace: Pace,
        max_bytes: int | None = None,
        begun: str = "",
    ) -> None:
        """Start after ``cursor``, and end before ``max_bytes``.

        ``begun`` is the id of the first message about the next event, where the client has it.
        """
        self.connection: Connection | None = None
        self.on_wake: Callable[[], object] | None = None
        self.on_stall: Callable[[], object] | None = None
        self.unsent: Callable[[], int | None] | None = None
        self._audience: Audience | None = None
        self._cursor = cursor
        self._hash = log.ring.hash if cursor == log.ring.seq else None
        self._log = log
        self._backlog = backlog
        self._render = log.ring.join(render)
        self._pace = pace
        self._state = State.READY
        self._told = cursor  # the last seq that the client was told
        self._loop = asyncio.get_running_loop()
        self._began_at = self._sent_at = self._loop.time()
        self._sent_bytes = 0
        self._unsent_bytes = 0  # at the last look
        self._max_bytes = max_bytes
        self._reading: asyncio.Timeout | None = None  # given up at the end of the stream
        self._last: bytes | None = None  # what to end with, once the end is decided
        self._begun = begun
        log.join(self)

    @property
    def org(self) -> str:
        """The org whose log it reads."""
        return self._log.org

    @property
    def cursor(self) -> int:
        """The seq that it goes on after."""
        return self._cursor if self._audience is None else self._audience.cursor

    @property
    def stalled(self) -> bool:
        """Whether its client was given up."""
        return self._state is State.STALLED

    @property
    def sent_bytes(self) -> int:
        """What it has given so far, without the opening."""
        return self._sent_bytes + (0 if self._audience is None else self._audience.sent_bytes)

    async def take(self) -> bytes | None:
        """Return what to send next; None while there is nothing; empty at the end of the stream.

        What the ring holds is returned without waiting. After None ``on_wake`` is called, once,
        as soon as taking again is worth it.
        """
        while not (data := self.take_now()):
            if data is None or self._last is not None:
                break
            if data := await self._catch_up():
                break
        return data

    def take_now(self) -> bytes | None:
        """Return like :meth:`take`, but empty also where :meth:`take` would have to wait."""
        log = self._log
        if self._state is State.GIVING:
            self._state = State.READY
        while self._last is None:
            if self._cursor < log.ring.seq:
                if log.unsent.full(log.org):
                    return b""
                chunk = log.ring.take(self._render, self._cursor)
                if chunk is None:
                    return b""
                if data := self._advance(chunk):
                    return self._give(data)
                if self._cursor < log.ring.seq and self._last is None:
                    return b""  # much is hidden: others have their turn in between
            elif self._state is State.QUIET:
                self._state = State.READY
                data = self._tell() if self._told < self._cursor else self._pace.heartbeat
                if self._fits(data):
                    return self._give(data)
            else:
                self._wait()
                return None
        last, self._last = self._last, b""
        if self._told < self._cursor and self._state is not State.STALLED:
            told = frames.cursor(self._cursor)
            if self._max_bytes is None or self._sent_bytes + len(told) <= self._max_bytes:
                self._told = self._cursor
                return told + last
        return last

    def wake(self) -> None:
        """Look at the log again, if waiting."""
        if self._state is State.WAITING:
            self._wake(State.READY)

    def tick(self, now: float) -> None:
        """Send a heartbeat if it is due, and give up a client that takes nothing."""
        sent_at, told = self._sent_at, self._told
        if self._audience is not None:
            sent_at, told = max(sent_at, self._audience.sent_at), max(told, self._audience.told)
        idle_seconds = now - sent_at
        if self._state is State.WAITING:
            due_seconds = self._pace.heartbeat_seconds
            if told < self.cursor:
                due_seconds = min(TELL_SECONDS, due_seconds)
            if idle_seconds >= due_seconds:
                self._wake(State.QUIET)
        elif self._state is State.GIVING:
            if self._takes():
                self._sent_at = now
            elif idle_seconds >= self._pace.stall_seconds:
                self.give_up()

    def give_up(self) -> None:
        """End the stream of a client that takes nothing, once."""
        if self._state is State.STALLED:
            return
        self._state = State.STALLED
        self.end()
        if self.on_stall:
            self.on_stall()

    def held(self, size_bytes: int) -> AbstractContextManager[None]:
        """Count what was given last, while the connection can't send it."""
        return self._log.unsent.held(self, self._log.org, size_bytes)

    def end_older(self, began_before: float) -> None:
        """End the stream where it is if it began before this (the loop's time)."""
        if self._began_at <= began_before:
            self.end()

    def end(self, last: bytes = b"") -> None:
        """End the stream where it is, after these bytes."""
        if self._last is None:
            self._last = last
            self.wake()
            if self._reading:
                self._reading.reschedule(0)

    def fail(self, error: IntegrityError) -> None:
        """End the stream, saying which seq can't be served."""
        self.end(frames.failure(error.code, str(error), seq=error.seq))

    def paused(self) -> None:
        """Hear that its connection has yet to send what was written."""
        if self._audience is not None:
            self._audience.paused(self)

    def stopped(self, unsent_bytes: int, error: Exception | None = None) -> None:
        """Go on alone: the connection has yet to send what was written last, or has failed."""
        if self._audience is not None and self.connection:
            self._leave_audience()
            self._state = State.GIVING
            self.connection.stopped(unsent_bytes, error)

    def disconnect(self) -> None:
        """Have nothing written or called any more."""
        self._leave_audience()
        self.connection = self.on_wake = self.on_stall = self.unsent = None

    def close(self) -> None:
        """Leave the log; nothing is sent any more."""
        self._last = b""
        self._leave_audience()
        if self._log.leave(self):
            self._log.ring.leave(self._render)

    async def _catch_up(self) -> bytes:
        """Wait for what :meth:`take_now` can't; return what was read, if it is to be sent."""
        log = self._log
        if log.unsent.full(log.org):
            await log.unsent.room(log.org)
        elif log.ring.holds(self._cursor):
            await asyncio.sleep(0)
        elif (chunk := await self._read()) and not log.unsent.full(log.org):
            if data := self._advance(chunk):
                return self._give(data)
            await asyncio.sleep(0)
        return b""

    async def _read(self) -> Chunk | None:
        """Return what follows in the ledger, however long that takes; None: the stream ends."""
        try:
            async with asyncio.timeout(None) as self._reading:
                try:
                    return await self._backlog.chunk(self._log.org, self._render, self._cursor)
                finally:
                    self._reading = None
        except TimeoutError:
            return None
        except IntegrityError as error:
            self._refuse(error)
            return None

    def _advance(self, chunk: Chunk) -> bytes:
        """Move the cursor over a chunk, which must follow what was sent before it."""
        if self._hash and chunk.prev_hash and self._hash != chunk.prev_hash:
            reason = "it does not follow what was sent"
            self._refuse(IntegrityError(self._log.org, self._cursor + 1, reason))
            return b""
        data, tells = chunk.data, not chunk.hidden
        if self._begun:
            data, self._begun = frames.without_first(data, self._begun), ""
        if not data and self._loop.time() - self._sent_at >= TELL_SECONDS:
            data, tells = frames.cursor(chunk.last_seq), True
        if not self._fits(data):
            return b""
        self._cursor, self._hash = chunk.last_seq, chunk.hash
        if tells:
            self._told = self._cursor
        return data

    def _wait(self) -> None:
        """Wait for the log: with others, if they are where this one is."""
        self._state = State.WAITING
        if self.connection and self._max_bytes is None and not self._begun:
            audience = self._log.audience(self._render)
            if audience.cursor == self._cursor and self._hash in (None, audience.hash):
                self._sent_bytes -= audience.sent_bytes
                self._audience = audience
                audience.add(self, self.connection)
                return
        self._log.waiting.add(self)

    def _leave_audience(self) -> None:
        """Take over what was kept for all."""
        audience, self._audience = self._audience, None
        if audience is not None:
            audience.discard(self)
            self._cursor, self._hash = audience.cursor, audience.hash
            self._told = max(self._told, audience.told)
            self._sent_at = max(self._sent_at, audience.sent_at)
            self._sent_bytes += audience.sent_bytes
            self._log.close(self._render)

    def _wake(self, state: State) -> None:
        self._leave_audience()
        self._log.waiting.discard(self)
        self._state = state
        if self.on_wake:
            self.on_wake()

    def _give(self, data: bytes) -> bytes:
        self._sent_at = self._loop.time()
        self._state = State.GIVING
        return data

    def _takes(self) -> bool:
        """Whether the client has taken anything since the last look."""
        if self.unsent is None or (unsent_bytes := self.unsent()) is None:
            return False
        before, self._unsent_bytes = self._unsent_bytes, unsent_bytes
        return unsent_bytes < before

    def _tell(self) -> bytes:
        self._told = self._cursor
        return frames.cursor(self._cursor)

    def _fits(self, data: bytes) -> bool:
        """Count what is to be sent; if that would be too much, end the stream instead.

        The first chunk is never too much, so that a client that keeps coming back gets on.
        """
        sent_bytes = self._sent_bytes + len(data)
        if self._max_bytes is not None and self._sent_bytes and sent_bytes > self._max_bytes:
            self.end()
            return False
        self._sent_bytes = sent_bytes
        return True

    def _refuse(self, error: IntegrityError) -> None:
        logger.error("a stream ends: %s", error)
        self.fail(error)
