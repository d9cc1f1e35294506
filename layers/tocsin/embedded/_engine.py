"""What delivers: the service's use cases on the file, a thread for each endpoint that is sent to.

An endpoint is looked at when something was sealed, when it is woken, and, as in the service, by a
sweep every minute. There are few enough (:data:`.limits.MAX_ENDPOINTS`) for each to have a thread.
"""

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Lock, Thread
from typing import Final

from tocsin.adapters.http.sender import HttpSender
from tocsin.embedded._deliveries import SqliteDeliveries
from tocsin.embedded._endpoints import SqliteEndpoints
from tocsin.embedded._journal import SqliteJournal
from tocsin.embedded._ledger import SqliteLedger
from tocsin.embedded._parts import Parts
from tocsin.services.notify.delivering import Delivering
from tocsin.services.notify.reading import Log
from tocsin.services.notify.report import Report
from tocsin.services.notify.sweeping import Sweeping

__all__ = ["Engine"]

logger: Final = logging.getLogger(__name__)

_REQUESTS: Final = 8  # at once, of an endpoint that has no order
_SWEEP_SECONDS: Final = 60
_LONGEST_DELAY_SECONDS: Final = 900  # the sweep finds what is due later


class Engine:
    """Used by one thread, and in a process that holds the turnstile."""

    def __init__(self, of: Parts, stopping: Callable[[], bool]) -> None:
        """Deliver what is in a log until ``stopping``."""
        log, wakes = of.log, of.wakes
        self._org = log.org
        self._clock = log.clock
        self._changing = log.changing
        self._wakes = wakes
        self._db = db = log.connection()
        self._ledger = SqliteLedger(db)
        self._endpoints = SqliteEndpoints(log.changing, log.journal, db)
        self._sender = HttpSender(denied_networks=of.denied, loopback=of.loopback)
        self._deliver = Delivering(
            log=Log(self._ledger, SqliteJournal(db), of.retention),
            endpoints=self._endpoints,
            deliveries=SqliteDeliveries(db),
            sender=self._sender,
            wakes=wakes,
            clock=log.clock,
            pool=partial(ThreadPoolExecutor, _REQUESTS, "tocsin-sending"),
            goes_on=lambda: not stopping(),
        )
        self._sweep = Sweeping(self._endpoints, self._ledger, wakes, log.clock)
        self._sweep_at = time.monotonic() + _SWEEP_SECONDS
        self._head = -1
        self._lock = Lock()
        self._running: dict[str, Thread] = {}
        self._again: set[str] = set()
        self._told: dict[str, str] = {}

    def begin(self) -> None:
        """Take over: whoever had a lease is gone, and so are its wakes."""
        now_ms = self._clock.now_ms()
        for kept in self._endpoints.all(self._org):
            id, progress = kept.endpoint.id, kept.progress
            if progress.lease:
                free = replace(progress, lease="", lease_until_ms=0, change=secrets.token_hex(8))
                self._endpoints.save(self._org, id, progress.change, free)
            seconds = -((now_ms - progress.due_ms()) // 1_000)
            if kept.endpoint.active and 0 < seconds <= _LONGEST_DELAY_SECONDS:
                self._wakes.wake(self._org, [id], delay_seconds=seconds)

    def step(self) -> None:
        """Look what there is to be sent, and have it sent."""
        head = self._ledger.head(self._org).seq
        if head != self._head:  # also when an endpoint was changed, by whomever
            self._wakes.wake(self._org, self._endpoints.active(self._org))
            self._head = head
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + _SWEEP_SECONDS
            self._sweep()
        for org, id in (*self._wakes.due(slow=False), *self._wakes.due(slow=True)):
            if org == self._org:  # the sweep goes through all that share the file
                self._begin(id)

    def stop(self) -> None:
        """Wait for what is being sent, and close everything."""
        with self._lock:
            running = list(self._running.values())
        for thread in running:
            thread.join()
        self._sender.close()
        if self._db is not self._changing:
            self._db.close()

    def _begin(self, id: str) -> None:
        with self._lock:
            if id in self._running:
                self._again.add(id)
                return
            thread = Thread(target=self._run, args=(id,), name="tocsin-sends", daemon=True)
            self._running[id] = thread
        try:
            thread.start()
        except RuntimeError:  # the system has no more of them
            with self._lock:
                del self._running[id]
            self._wakes.wake(self._org, [id], delay_seconds=1)
            raise

    def _run(self, id: str) -> None:
        report = Report()
        try:
            self._deliver(self._org, id, report, slow=True)  # it holds up nobody else
            self._tell(id, report)
        finally:
            with self._lock:
                del self._running[id]
                again = id in self._again
                self._again.discard(id)
            if again:
                self._wakes.wake(self._org, [id])

    def _tell(self, id: str, report: Report) -> None:
        """Log what a person should know, and once what happens again and again."""
        wrong: Sequence[Exception] = [*report.failed.values(), *report.broken.values()]
        for error in wrong:
            if self._told.get(id) != repr(error):
                logger.error("the endpoint %s must wait", id, exc_info=error)
            self._told[id] = repr(error)
        if not wrong:
            self._told.pop(id, None)
        if report.failed:
            self._wakes.wake(self._org, [id], delay_seconds=1)
        for endpoint, last in report.paused:
            said = last.error or last.status
            logger.error("the endpoint %s was paused: %s, seq %d", endpoint.id, said, last.seq)
        if report.given_up:
            logger.error("%d deliveries were given up", report.given_up)
