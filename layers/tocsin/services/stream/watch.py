"""Watching an org's events as they are sealed: who may, from where, and one log per org for all."""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tocsin.domain.errors import TocsinError
from tocsin.domain.keys import ApiKey
from tocsin.services.access.presented import (
    Kept,
    Presented,
)
from tocsin.services.access.seats import Seats
from tocsin.services.reading.cursor import Resumed, Start, resume
from tocsin.services.stream.draining import Draining
from tocsin.services.stream.health import Health, HealthCheck
from tocsin.services.stream.logs import LiveLogs
from tocsin.services.stream.meter import Meter
from tocsin.services.stream.parts import StreamParts
from tocsin.services.stream.pools import Pools
from tocsin.services.stream.recheck import Recheck
from tocsin.services.stream.reporter import Reporter
from tocsin.services.stream.shared import Shared
from tocsin.services.stream.subscriber import TELL_SECONDS, Pace, Subscriber
from tocsin.wire import filters, frames
from tocsin.wire.dialects import GOVRIX, SHORTEST_HEARTBEAT_SECONDS, Dialect
from tocsin.wire.filters import Render

__all__ = ["Admission", "Watch"]

logger = logging.getLogger(__name__)

APART_MS = 10  # mean time between clients that come back after a cut: what a small task can take


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that may watch: the credential to check again, its key, and where it starts.

    ``allowed`` are the event types it may see; None: all.
    """

    credential: Kept
    key: ApiKey
    start: Resumed
    allowed: frozenset[str] | None = None

    @property
    def cursor(self) -> int | None:
        """The seq to go on after; None: from now on."""
        return self.start.seq

    @property
    def org(self) -> str:
        """The key's org."""
        return self.key.org


class Watch:
    """The stream's engine: a log for each org that somebody watches, and one tick for them all.

    The tick does what would otherwise need timers per connection: heartbeats, looks at the ledgers'
    heads, closing logs that nobody watches, ending streams that last too long or whose clients take
    nothing, and checking that keys are still valid.
    """

    def __init__(self, parts: StreamParts) -> None:
        """Do nothing before the first subscriber comes."""
        self._parts = parts
        self._limits = limits = parts.limits
        self._pools = Pools()
        self._recheck = Recheck(parts.credentials, self._pools.checks)
        self._seats = Seats(
            limits.max_streams, limits.max_streams_per_org, limits.max_streams_per_key
        )
        self._paces: dict[Dialect, Pace] = {}
        self._health = HealthCheck(parts)
        self._meter = Meter(parts.clock)
        self._logs = LiveLogs(parts, self._meter, self._pools)
        self._chores: Shared[str, None] = Shared()
        self._reporter: Reporter | None = None
        self._reporting: asyncio.Task[None] | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._draining = Draining()

    @property
    def subscribers(self) -> int:
        """How many there are now."""
        return len(self._recheck)

    @property
    def admitted(self) -> int:
        """How many requests hold a seat: those that watch, and those still being admitted."""
        return self._seats.taken

    def start(self) -> None:
        """Report from now on, if there is anybody to report to; :meth:`aclose` ends it."""
        parts = self._parts
        if parts.metrics and not self._reporter:
            self._reporter = Reporter(
                parts.metrics,
                parts.clock,
                self._limits.metrics_seconds,
                lambda: self._meter.take(self._recheck.all()),
            )
            self._reporting = asyncio.create_task(self._reporter.run())

    async def admit(
        self,
        credential: Presented,
        last_event_id: str | None = None,
        after: str | None = None,
        since: str | None = None,
        *,
        identify: Callable[[], Awaitable[ApiKey]] | None = None,
    ) -> Admission:
        """Decide whether a request may watch, and from where; call :meth:`leave` in the end.

        ``identify``, if given, finds the key now; later checks go by the credential.

        Raises:
            Unauthenticated, Forbidden: this credential does not admit anybody.
            Malformed: the cursor is not one, or ``since`` is ahead of the ledger.
            Crowded: this process serves as many as it may.
            LimitReached: the org or the key has as many streams as it may.
            Busy: a store does not answer, or this process is about to end.
        """
        self._seats.take()
        try:
            start = Start(last_event_id, after, since)
            key = await identify() if identify else None
            async with self._draining.waiting():
                admission = await self._admit(credential, start, key)
            self._seats.assign(admission.key)
        except BaseException:
            self._seats.give_back()
            raise
        return admission

    async def subscribe(
        self, admission: Admission, render: Render, dialect: Dialect = GOVRIX
    ) -> Subscriber:
        """Return a subscriber, to be given to :meth:`leave` in the end.

        ``render`` is the dialect with the request's filters.

        Raises:
            Busy: the ledger does not answer, or this process is about to end.
        """
        org = admission.org
        if self._ticking is None:
            self._ticking = asyncio.create_task(self._keep_ticking())
        while (log := self._logs.find(org)) is None:
            async with self._draining.waiting():
                await self._logs.open(org)
        cursor = log.ring.seq if admission.cursor is None else admission.cursor
        subscriber = Subscriber(
            log,
            self._logs.backlog,
            render,
            cursor,
            self._pace(dialect),
            self._max_bytes(dialect, cursor),
            admission.start.begun,
        )
        self._recheck.add(admission.credential, subscriber)
        if self._draining.begun:
            subscriber.end(frames.retry(self._retry_ms(subscriber.org)))
        return subscriber

    def opening(
        self,
        subscriber: Subscriber,
        dialect: Dialect = GOVRIX,
        admission: Admission | None = None,
    ) -> bytes:
        """Return what a subscriber's stream begins with.

        It tells the cursor, so that nothing is lost if the stream is cut before its first event.
        """
        start = admission.start if admission else Resumed(None)
        cursor = start.begun or subscriber.cursor
        opening = dialect.opening(cursor, self._retry_ms(subscriber.org))
        if start.unknown:
            opening += frames.unknown(start.sent_seq, subscriber.cursor)
        return opening

    def refused(self, error: TocsinError) -> None:
        """Count a request that is not served."""
        self._meter.refused(error)

    def leave(self, admission: Admission, subscriber: Subscriber | None = None) -> None:
        """Forget a request, once, and its subscriber if it has one."""
        self._seats.leave(admission.key)
        if subscriber is not None:
            subscriber.close()
            self._meter.left(subscriber)
            self._recheck.discard(admission.credential, subscriber)

    async def health(self) -> Health:
        """Return whether the parts answer."""
        return await self._health()

    def drain(self) -> None:
        """End all streams where they are, and admit nobody any more.

        Each is told to come back at a different time, or all would reach the next instance at once.
        """
        self._draining.begin()
        for subscriber in self._recheck.all():
            subscriber.end(frames.retry(self._retry_ms(subscriber.org)))

    async def aclose(self) -> None:
        """End everything."""
        self.drain()
        for task in filter(None, (self._ticking, self._reporting)):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._reporter:
            self._reporter.close()
        await self._health.aclose()
        await asyncio.gather(*self._chores.running())
        await self._logs.aclose()
        self._pools.close()

    async def _admit(self, presented: Presented, start: Start, key: ApiKey | None) -> Admission:
        parts, pools = self._parts, self._pools
        credential: Kept = presented if isinstance(presented, str) else None
        if key is None:
            admit = parts.credentials.admit
            found = await pools.admissions.run("", admit, presented)
            key, credential = found
        org, resumed = key.org, Resumed(None)
        if start != Start():
            known_head, now_ms = self._logs.known_head(org), parts.clock.now_ms()
            resumed = await pools.starts.run(
                org, resume, parts.ledger, org, start, known_head, now_ms
            )
        return Admission(
            credential, key, resumed, filters.within(key.types, self._limits.allowed_types)
        )

    def _pace(self, dialect: Dialect) -> Pace:
        """Return the dialect's pace, except for what the parts set."""
        pace = self._paces.get(dialect)
        if pace is None:
            seconds = self._limits.heartbeat_seconds or dialect.heartbeat.seconds
            pace = Pace(dialect.heartbeat.data, seconds, self._limits.stall_seconds)
            self._paces[dialect] = pace
        return pace

    def _max_bytes(self, dialect: Dialect, cursor: int) -> int | None:
        """Return what a stream may send after its opening."""
        limits = self._limits
        if limits.max_bytes is None:
            return None
        return limits.max_bytes - len(dialect.opening(cursor, limits.retry_ms + limits.spread_ms))

    def _retry_ms(self, org: str) -> int:
        """Return how long one client of an org is to wait, should its stream be cut.

        A stream says it when it opens, since most cuts come without notice, as when a load
        balancer loses a task. The more streams its org has, the longer some wait. How many others
        have is nobody's business.
        """
        spread_ms = min(self._limits.spread_ms, APART_MS * self._seats.of_org(org))
        return self._limits.retry_ms + random.randint(0, spread_ms)  # noqa: S311 (no secret)

    async def _keep_ticking(self) -> None:
        limits, loop = self._limits, asyncio.get_running_loop()
        shortest = min(
            limits.heartbeat_seconds or SHORTEST_HEARTBEAT_SECONDS,
            limits.look_seconds,
            limits.recheck_seconds,
            limits.stall_seconds,
            10 * TELL_SECONDS,
            limits.max_seconds or math.inf,
        )
        recheck_at = loop.time() + limits.recheck_seconds
        while True:
            await asyncio.sleep(max(0.01, min(1.0, shortest / 10)))
            now = loop.time()
            try:
                self._logs.look_after(now)
                self._end_old_streams(now)
            except Exception:  # one tick that fails must not be the last
                logger.exception("looking after logs and streams failed")
            if now >= recheck_at:
                self._chores.start("recheck", self._recheck)
                recheck_at = now + limits.recheck_seconds

    def _end_old_streams(self, now: float) -> None:
        if self._limits.max_seconds is not None:
            for subscriber in self._recheck.all():
                subscriber.end_older(now - self._limits.max_seconds)
