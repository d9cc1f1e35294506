"""Connections: each made for one origin, used by one request at a time, and kept for a while.

A connection belongs to whoever took it until it is put back. (httpcore's own pool closes idle
connections from any thread, also one that another thread was just given.)
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import httpcore

from tocsin.adapters.http.budget import Budget
from tocsin.adapters.http.dialing import Dialer

__all__ = ["Connection", "KeptConnections"]

_KEPT: Final = 64


class Connection:
    """A connection to an origin, which is made by its first request."""

    def __init__(
        self,
        origin: str,
        dialer: Dialer,
        http: httpcore.HTTPConnection,
        idle_seconds: float,
    ) -> None:
        self.origin = origin
        self.used = False
        self._dialer = dialer
        self._http = http
        self._idle_seconds = idle_seconds
        self._idle_since = 0.0

    def request(self, request: httpcore.Request, budget: Budget) -> httpcore.Response:
        """Send a request, and return its answer when its head has come.

        Raises:
            httpcore.ReadError: the connection ended before that.
            httpcore.RemoteProtocolError: also where the answer was there before the request.
        """
        if self._dialer.stream:
            self.used = True
            self._dialer.stream.budget = budget
        try:
            response = self._http.handle_request(request)
        except httpcore.RemoteProtocolError as error:
            if self._dialer.stream and self._dialer.stream.ended:
                raise httpcore.ReadError from error
            raise
        if not self.heard:
            raise httpcore.RemoteProtocolError("an answer that nothing was asked for")
        return response

    @property
    def heard(self) -> bool:
        """Whether anything came since the request was sent."""
        return self._dialer.stream is not None and self._dialer.stream.heard

    def rest(self) -> bool:
        """Begin to be idle; False: it can't be used again."""
        self._idle_since = time.monotonic()
        return self._http.is_available() and self.usable

    @property
    def usable(self) -> bool:
        """Whether it is open still, nothing has come unasked, and it was not idle for long."""
        expired = time.monotonic() - self._idle_since > self._idle_seconds
        return not expired and not self._http.has_expired()

    def close(self) -> None:
        """Close it; nothing happens where it is closed."""
        self._http.close()


class KeptConnections:
    """Those that are idle, the oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Connection] = []

    def take(self, origin: str) -> Connection | None:
        """Return a connection to an origin, which is the caller's from then on; None: make one.

        What went stale in the meantime is closed.
        """
        with self._lock:
            usable = [each for each in self._idle if each.usable]
            stale = [each for each in self._idle if each not in usable]
            taken = next((each for each in reversed(usable) if each.origin == origin), None)
            self._idle = [each for each in usable if each is not taken]
        for each in stale:
            each.close()
        return taken

    def put(self, connection: Connection) -> None:
        """Keep a connection that its caller needs no more, or close it."""
        if not connection.rest():
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)
            beyond = self._idle[:-_KEPT]
            self._idle = self._idle[-_KEPT:]
        for each in beyond:
            each.close()

    @contextmanager
    def answer(
        self, request: httpcore.Request, budget: Budget, make: Callable[[], Connection]
    ) -> Iterator[httpcore.Response]:
        """Send a request over a kept connection, or one that is made, and give its answer.

        It is sent again at once, over another one, where a kept connection turns out to have ended
        before anything was answered. Raises what :meth:`Connection.request` does.
        """
        connection = self.take(str(request.url.origin)) or make()
        try:
            try:
                response = connection.request(request, budget)
            except (httpcore.NetworkError, httpcore.ProtocolError):
                if not connection.used or connection.heard:
                    raise
                connection.close()
                connection = make()
                response = connection.request(request, budget)
            yield response
        finally:
            self.put(connection)

    def close(self) -> None:
        """Close all."""
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle:
            each.close()
