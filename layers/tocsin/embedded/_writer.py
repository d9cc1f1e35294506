"""One thread that stores what the application emits, as much at once as is waiting."""

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import zip_longest
from threading import Event, Lock
from typing import Any

from tocsin.domain.errors import Busy, OutcomeUnknown, Refused
from tocsin.domain.limits import MAX_EVENTS_PER_BATCH
from tocsin.embedded._events import Emission, StreamEvent

__all__ = ["Emitted", "Writer"]

logger = logging.getLogger(__name__)

MAX_WAITING = 10_000
PATIENCE_SECONDS = 30.0  # with a store that is busy, such as a file that another process holds
MAX_BYTES_AT_ONCE = 300_000  # of JSON, unless one event is larger: so much always fits in a batch

type _Waiting = tuple[Emission, Future[StreamEvent | None]]
type Store = Callable[[Sequence[Emission]], Sequence[StreamEvent]]
"""Stores events; returns what became of each, or nothing where others seal them."""


class Emitted:
    """An event on its way into the log, in the order in which it was emitted.

    ``await`` it for the sealed event, or call :meth:`result` in a thread; or ignore it, as
    KavachOS' document does: then a failure is only logged.
    """

    def __init__(self, stored: Future[StreamEvent | None]) -> None:
        self._stored = stored

    def __await__(self) -> Generator[Any, None, StreamEvent | None]:
        """Wait until it is stored; None where others seal it, later."""
        return asyncio.shield(asyncio.wrap_future(self._stored)).__await__()

    def result(self, timeout_seconds: float | None = None) -> StreamEvent | None:
        """Wait in a thread, not in an event loop, until it is stored."""
        return self._stored.result(timeout_seconds)


class Writer:
    """Stores in the order of :meth:`put`; what waits while the disk works is stored together.

    While the store is busy, what was put waits, but not for ever.
    """

    def __init__(self, store: Store, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Store with ``store``, one call at a time."""
        self._store = store
        self._patience_seconds = patience_seconds
        self._closing = Event()
        self._process = os.getpid()
        self._thread = ThreadPoolExecutor(1, "tocsin-writer")
        self._lock = Lock()
        self._waiting: deque[_Waiting] = deque()
        self._writing = False

    def put(self, emission: Emission) -> Emitted:
        """Queue an event to be stored.

        Raises:
            Busy: 10,000 are waiting already.
            RuntimeError: the writer is closed, or it was made before a fork.
        """
        self.check_process()
        stored: Future[StreamEvent | None] = Future()
        with self._lock:
            if len(self._waiting) >= MAX_WAITING:
                raise Busy(f"{MAX_WAITING:,} events wait to be stored: await what you emit")
            if not self._writing:
                self._thread.submit(self._write)
                self._writing = True
            self._waiting.append((emission, stored))
        return Emitted(stored)

    def check_process(self) -> None:
        """Raise RuntimeError in a process forked from the one that has the thread and the file.

        No thread is left in such a process, and SQLite forbids to use a connection there.
        """
        if os.getpid() != self._process:
            raise RuntimeError(
                "this EventStream was made before the process was forked: make one in each process "
                "(with gunicorn, without --preload)"
            )

    def close(self) -> None:
        """Store what waits, and stop; blocks. A store that is busy is tried once more."""
        self._closing.set()
        self._thread.shutdown()

    def _write(self) -> None:
        while taken := self._take():
            self._settle(taken)

    def _settle(self, taken: Sequence[_Waiting]) -> None:
        try:
            sealed = self._stored([emission for emission, _ in taken])
        except Exception as error:
            if len(taken) > 1 and isinstance(error, Refused) and not isinstance(error, Busy):
                for each in taken:  # so that one that is too large does not fail the others
                    self._settle([each])
                return
            logger.exception("%d events are not stored", len(taken))
            for _, stored in taken:
                stored.set_exception(error)
        else:
            for (_, stored), event in zip_longest(taken, sealed):
                stored.set_result(event)

    def _stored(self, emissions: Sequence[Emission]) -> Sequence[StreamEvent]:
        """Store, again and again while the store is busy: then it has stored nothing."""
        until = time.monotonic() + self._patience_seconds
        while True:
            try:
                return self._store(emissions)
            except OutcomeUnknown:
                raise
            except Busy as busy:
                wait_seconds = busy.retry_after_seconds or 1
                if time.monotonic() + wait_seconds >= until or self._closing.is_set():
                    raise
                logger.warning("%d events wait to be stored: %s", len(emissions), busy)
                self._closing.wait(wait_seconds)

    def _take(self) -> Sequence[_Waiting]:
        taken: list[_Waiting] = []
        room = MAX_BYTES_AT_ONCE
        with self._lock:
            while self._waiting and len(taken) < MAX_EVENTS_PER_BATCH:
                room -= self._waiting[0][0].size_bytes
                if taken and room < 0:
                    break
                taken.append(self._waiting.popleft())
            self._writing = bool(taken)
        return taken
