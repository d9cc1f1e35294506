"""The thread that has an application's endpoints delivered to, while its stream is in use.

It looks once a second whether there are endpoints. Only then is what delivers loaded, and asked
for the turnstile: of several processes one delivers, and another when that one ends.
"""

import logging
import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final

from tocsin.embedded._log import LOOK_SECONDS
from tocsin.embedded._parts import Parts
from tocsin.embedded._turnstile import Turnstile

if TYPE_CHECKING:
    from tocsin.embedded._engine import Engine

__all__ = ["Deliverer"]

logger: Final = logging.getLogger(__name__)


class Deliverer:
    """Delivers from :meth:`start` to :meth:`stop`; threads may call both, again and again."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._log, self._wakes = parts.log, parts.wakes
        self._turnstile = Turnstile(parts.log.path, parts.log.org)
        self._engine: Engine | None = None
        self._asked = float("-inf")
        self._complaint = ""
        self._stopping = Event()
        self._starting = Lock()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Begin to deliver in the background, unless it was begun, or stopped, before."""
        if self._thread or self._stopping.is_set():
            return
        with self._starting:
            if self._thread or self._stopping.is_set():
                return
            self._log.follow(self._wakes.nudge)
            # A daemon: a program that ends without closing its stream does not wait for it.
            self._thread = Thread(target=self._run, name="tocsin-deliverer", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Begin nothing more, and wait for what is being sent: 15 seconds or so at most."""
        with self._starting:
            self._stopping.set()
        self._wakes.nudge()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._try(self._step)
                self._wakes.wait(LOOK_SECONDS)
        finally:
            if self._engine:
                self._try(self._engine.stop)
            self._turnstile.release()

    def _step(self) -> None:
        if self._engine is None and not self._begin():
            return
        if self._engine:
            self._engine.step()

    def _begin(self) -> bool:
        """Begin to deliver, if there is anything to, and nobody else does."""
        now = time.monotonic()
        woken = self._wakes.forget()  # there, all endpoints are looked at
        if not woken and now < self._asked + LOOK_SECONDS:
            return False
        self._asked = now
        if not self._log.has_endpoints() or not self._turnstile.hold():
            return False
        from tocsin.embedded._engine import Engine  # which needs more than streams do

        engine = Engine(self.parts, self._stopping.is_set)
        try:
            engine.begin()
        except BaseException:
            engine.stop()
            raise
        self._engine = engine
        return True

    def _try(self, step: Callable[[], None]) -> None:
        """Do something with the file, which may be held by others, or full, or damaged."""
        try:
            step()
        except Exception as error:
            if repr(error) != self._complaint:
                logger.exception("the endpoints must wait")
            self._complaint = repr(error)
        else:
            self._complaint = ""
