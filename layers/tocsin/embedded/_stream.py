"""KavachOS' event stream module in Python."""

import asyncio
import math
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tocsin.asgi.drain import on_sigterm
from tocsin.asgi.types import ASGIApp, Receive, Scope, Send
from tocsin.asgi.unserved import send_problem
from tocsin.domain.errors import NotFound
from tocsin.domain.privacy import Pii
from tocsin.embedded._connection import Desk, is_stream_request
from tocsin.embedded._events import Emission, StreamEvent, read, shown
from tocsin.embedded._log import Log, SqliteLog
from tocsin.embedded._replay import newest, since_ms, types_named
from tocsin.embedded._tokens import Tokens, ValidateToken
from tocsin.embedded._writer import Emitted, Writer
from tocsin.services.reading import verification
from tocsin.services.stream.watch import Watch
from tocsin.wire import kavach
from tocsin.wire.dialects import KAVACH
from tocsin.wire.filters import within
from tocsin.wire.problems import problem

if TYPE_CHECKING:
    from tocsin.domain.addresses import Network
    from tocsin.embedded._deliverer import Deliverer
    from tocsin.embedded._webhooks import Webhooks

__all__ = ["EventStream"]

LEAVE_SECONDS = 5.0  # for the connections' last bytes when the stream is closed


class HasScope(Protocol):
    """A framework's request, such as Starlette's."""

    @property
    def scope(self) -> Scope:
        """The ASGI scope it was made from."""


class EventStream:
    """A log of events, and Server-Sent Events of it for those who may watch.

    It is an ASGI application itself, to be mounted or routed to; :meth:`handle_request` is for
    applications that do their own routing. It may be made anywhere, serves in one event loop, and
    is closed by :meth:`lifespan` or :meth:`aclose`.
    """

    def __init__(
        self,
        db: str | Path | Log = ":memory:",
        *,
        validate_token: ValidateToken | None = None,
        require_auth: bool = True,
        event_types: Collection[str] | None = None,
        max_connections: int = 100,
        heartbeat_seconds: float = 30.0,
        recheck_seconds: float | None = 20.0,
        path: str = KAVACH.path,
        deliver: bool = True,
        loopback_receivers: bool = False,
        denied_networks: Collection[str] = (),
        pii: str = "flag",
    ) -> None:
        """Open the log.

        Args:
            db: A SQLite file, which is created if missing, or another log.
            validate_token: Returns the id of a token's subscriber, or None if it is not valid.
            require_auth: Whether a connection must present a valid token; if not, none is read.
            event_types: Those of KavachOS' twelve types that are delivered at all; None: all.
            max_connections: Beyond these a request is answered 503.
            heartbeat_seconds: After this much silence a stream sends a heartbeat.
            recheck_seconds: How often the tokens of open streams are validated again; None: never,
                for tokens that can be used once.
            path: The stream's path, below the application's mount.
            deliver: Whether this process may send to :attr:`webhooks`; of those that may, one does.
            loopback_receivers: Whether they may be on this machine, over plain HTTP too.
            denied_networks: Where none may be, beside what is private or reserved anyway.
            pii: What becomes of personal data in events: ``flag``, ``mask`` or ``refuse``. On a
                deployed Tocsin's ledger its org's setting holds. Credentials are always masked.

        Raises:
            ValueError: an option makes no sense, or ``validate_token`` is missing.
            sqlite3.Error: the file can't be opened.
        """
        if require_auth and validate_token is None:
            raise ValueError("give validate_token, or say require_auth=False to let everybody in")
        if max_connections < 1 or heartbeat_seconds <= 0:
            raise ValueError("max_connections and heartbeat_seconds are above zero")
        denied = tuple(map(ip_network, denied_networks))
        self.path = path
        self.event_types = None if event_types is None else types_named(event_types)
        self._log = SqliteLog(db) if isinstance(db, str | Path) else db
        self._pii = None if self._log.screens else Pii(pii)
        tokens = Tokens(self._log.org, validate_token if require_auth else None)
        parts = self._log.parts(tokens)
        limits = replace(
            parts.limits,
            max_streams=max_connections,
            heartbeat_seconds=heartbeat_seconds,
            recheck_seconds=math.inf if recheck_seconds is None else recheck_seconds,
        )
        self._parts = replace(parts, limits=limits)
        dialect = replace(
            KAVACH, encode=kavach.Asked(self.event_types, own_ids=True), asked=self._asked
        )
        self._watch = Watch(self._parts)
        self._desk = Desk(self._watch, dialect, tokens)
        self._writer = Writer(self._store)
        self._deliverer = self._deliverer_of(loopback_receivers, denied)
        self._delivers = deliver
        self._webhooks: Webhooks | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Task[None] | None = None

    def emit(self, event: Mapping[str, Any]) -> Emitted:
        """Store an event and send it to all who watch; from any thread or task, never waiting.

        While another process holds the file, events wait in memory, half a minute at most. What is
        not on the disk yet is lost if the process is killed, also by SIGTERM outside of
        :meth:`lifespan`: await what must not be.

        ``type`` is needed; ``id``, ``timestamp``, ``data``, ``agentId``, ``userId`` and the other
        fields of Tocsin's events are optional. Events have the order of the calls. ``await`` the
        result to know that the event is on the disk, and at which seq.

        Raises:
            Invalid, Forbidden, TooLarge, TypeError: it is not an event; nothing is stored.
            Busy: 10,000 events wait to be stored.
            RuntimeError: the stream is closed, or the process was forked since it was made.
        """
        emitted = self._writer.put(read(event, self._pii, self._parts.clock.now_ms()))
        self._deliver()
        return emitted

    def handle_request(self, request: Scope | HasScope) -> ASGIApp | None:
        """Return the response to a request for the stream, to be called as ASGI applications are.

        Takes an ASGI scope, or an object that has one. None: the request is not for the stream,
        since it has another path, is not a GET, or does not accept ``text/event-stream``.
        """
        scope = request if isinstance(request, Mapping) else request.scope
        if not is_stream_request(scope, self.path):
            return None
        return self._serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request to its end, or the lifespan; answer 404 to what is not for the stream."""
        response = self.handle_request(scope)
        if response is not None:
            await response(scope, receive, send)
        elif scope["type"] == "http":
            what = NotFound(f"here is only GET {self.path} with Accept: text/event-stream")
            await send_problem(problem(what), send)
        elif scope["type"] == "lifespan":
            await receive()
            async with self.lifespan():
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            raise RuntimeError(f"EventStream does not serve {scope['type']}")

    @property
    def webhooks(self) -> "Webhooks":
        """Where events are sent, too: endpoints of this log, kept in its file.

        Raises:
            RuntimeError: the stream is closed, the process was forked since it was made, or it
                stands on a deployed Tocsin's ledger, whose endpoints are made there.
        """
        self._writer.check_process()
        if self._deliverer is None:
            raise RuntimeError("here are no webhooks: a deployed Tocsin has its own")
        if self._ending:
            raise RuntimeError("this EventStream is closed")
        if self._webhooks is None:
            from tocsin.embedded._webhooks import Webhooks  # needs more than streams do

            self._webhooks = Webhooks(self._deliverer.parts)
        self._deliver()
        return self._webhooks

    @property
    def connection_count(self) -> int:
        """How many connections are open, or being opened."""
        return self._watch.admitted

    async def replay(
        self, since: datetime, types: Collection[str] | None = None
    ) -> list[StreamEvent]:
        """Return the events received since a moment, newest first, 1,000 at most.

        Only those of ``types`` if given, and always within :attr:`event_types`.

        Raises:
            ValueError: ``since`` has no time zone, or a type is none of KavachOS' twelve.
            IntegrityError: the log is not what was sealed.
        """
        asked = self.event_types
        if types is not None:
            asked = types_named(types) & (kavach.TYPES if asked is None else asked)
        return await asyncio.to_thread(newest, self._parts, self._log.org, since_ms(since), asked)

    async def verify(self) -> verification.Verified:
        """Check the whole log from its beginning, and return its last seq and hash.

        Raises:
            IntegrityError: names the first seq that is not what was sealed.
        """
        parts, org = self._parts, self._log.org
        check = partial(verification.verify, retention=parts.retention())
        return await asyncio.to_thread(check, parts.ledger, parts.journal, org)

    def close(self) -> None:
        """End all streams where they are, and take no more; from any thread."""
        if self._loop is None or self._loop.is_closed():
            self._watch.drain()
        else:
            self._loop.call_soon_threadsafe(self._end)

    async def aclose(self) -> None:
        """Do what :meth:`close` does, store what was emitted, and close the log.

        What is being delivered is, within 15 seconds or so; the rest is when the file is used next.
        """
        self._loop = self._loop or asyncio.get_running_loop()
        self._end()
        if self._ending:
            await self._ending
        await asyncio.to_thread(self._writer.close)
        if self._deliverer:
            await asyncio.to_thread(self._deliverer.stop)
        await asyncio.to_thread(self._log.close)

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Close everything in the end, as an application's ``lifespan``.

        On SIGTERM and SIGINT the streams end at once: the server would wait for them.
        """
        self._loop = asyncio.get_running_loop()
        self._deliver()
        try:
            with on_sigterm(self.close):
                yield
        finally:
            await self.aclose()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._writer.check_process()
        self._loop = asyncio.get_running_loop()
        self._deliver()
        await self._desk.serve(scope, receive, send)

    def _end(self) -> None:
        self._watch.drain()
        if self._ending is None:
            self._ending = asyncio.create_task(self._stop())

    async def _stop(self) -> None:
        if serving := self._desk.serving:
            await asyncio.wait(serving, timeout=LEAVE_SECONDS)
        await self._watch.aclose()

    def _deliverer_of(self, loopback: bool, denied: "tuple[Network, ...]") -> "Deliverer | None":
        """Return what delivers, which has not begun; None: others deliver what is in the log."""
        if not isinstance(self._log, SqliteLog):
            return None
        from tocsin.embedded._deliverer import Deliverer  # who imports this may need no stream yet
        from tocsin.embedded._parts import Parts

        return Deliverer(Parts(self._log, self._parts.retention, loopback, denied))

    def _deliver(self) -> None:
        """Have endpoints delivered to, from the first use of the stream on."""
        if self._delivers and self._deliverer:
            self._deliverer.start()

    def _asked(self, names: frozenset[str]) -> kavach.Asked:
        return kavach.Asked(within(names, self.event_types), own_ids=True)

    def _store(self, emissions: Sequence[Emission]) -> Sequence[StreamEvent]:
        plain = all(emission.plain for emission in emissions)
        sealed = self._log.append([emission.fields for emission in emissions], plain=plain)
        return [shown(event, None)[0] for event in sealed]
