"""The client for threads and scripts."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial as bind
from types import TracebackType
from typing import Any, Self

import httpx
import orjson
from tenacity import Retrying

from tocsin.client._backoff import Backoff, raise_if_transient
from tocsin.client._emitter import CLOSE_SECONDS, Emitter, OnLoss
from tocsin.client._errors import StreamError
from tocsin.client._events import Cursor, Event, read_list
from tocsin.client._outbox import Outbox, OutgoingBatch
from tocsin.client._requests import (
    Since,
    Types,
    filter_query,
    http_options,
    ingest_request,
    replay_request,
    stream_request,
)
from tocsin.client._result import SendResult
from tocsin.domain.limits import MAX_LIST_EVENTS

__all__ = ["Client"]


class Client:
    """A connection to one Tocsin with one API key; close it, or use it in a ``with`` statement."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        backoff: Backoff | None = None,
        compress: bool = False,
        on_loss: OnLoss | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Connect to ``url`` when it is first needed.

        Args:
            url: Tocsin's URL without a path, such as ``http://127.0.0.1:8484``.
            api_key: A key with the scope that is needed: ``ingest`` to send, ``read`` to stream.
            backoff: How often and when to try again.
            compress: Send requests gzipped: a quarter of the bytes, for some microseconds an event.
            on_loss: Called with how many emitted events are lost, and why; not for those
                that found the queue full.
            transport: Used instead of httpx's own.
        """
        self._backoff = backoff or Backoff()
        self._compress = compress
        options = http_options(url, api_key)
        self._open = bind(httpx.Client, **options, transport=transport)
        self._http = self._open()
        self._emitter = Emitter(self._attempt, self._backoff, on_loss, self._after_fork)

    def send(
        self,
        events: Iterable[Mapping[str, Any]],
        *,
        idempotency_key: str | None = None,
        partial: bool = False,
    ) -> SendResult:
        """Send events, in as many requests as the limits ask for (1,000 events or 4 MB each).

        Each request is all or nothing, and is repeated under one idempotency key when the answer
        is lost or Tocsin is busy, so nothing is stored twice.

        Args:
            events: In Igris' spelling (``toolName``) or snake_case, in the order to be stored.
            idempotency_key: If the same events are sent again with the same key, within
                24 hours, only what is missing is stored. Without it, every call stores.
            partial: Leave invalid events out, instead of refusing the request they are in.

        Raises:
            ApiError: A request was refused; those before it are stored.
            httpx.TransportError: Tocsin can't be reached.
        """
        results = self.send_batches(events, idempotency_key=idempotency_key, partial=partial)
        return sum(results, SendResult())

    def send_batches(
        self,
        events: Iterable[Mapping[str, Any]],
        *,
        idempotency_key: str | None = None,
        partial: bool = False,
    ) -> Iterator[SendResult]:
        """Do what :meth:`send` does, and yield what was taken after each request."""
        outbox = Outbox(map(orjson.dumps, events), idempotency_key)
        for batch in outbox:
            result = outbox.settle(batch, self.post(batch, partial=partial))
            if result is not None:
                yield result

    def post(self, batch: OutgoingBatch, *, partial: bool = False) -> httpx.Response:
        """Send one request and return Tocsin's answer, good or bad.

        Raises:
            ApiError: Tocsin was busy or broken each time.
            httpx.TransportError: Tocsin can't be reached.
        """
        return Retrying(**self._backoff.retrying())(self._post_once, batch, partial)

    def _post_once(self, batch: OutgoingBatch, partial: bool) -> httpx.Response:
        request = ingest_request(self._http, batch, partial=partial, compress=self._compress)
        return raise_if_transient(self._http.send(request))

    def emit(self, event: Mapping[str, Any]) -> None:
        """Send an event some time soon: with 99 others, or after 100 ms. Never waits or raises.

        Emitted events are sent in their order by a thread of this client, and each request is
        repeated until it is stored or refused. Up to 10,000 events (64 MB) wait meanwhile; more are
        dropped, the newest first. Valid events are stored even if others in their request are not.
        What is still waiting when the program ends is sent within 5 seconds, or lost.
        """
        self._emitter.emit(event)

    @property
    def dropped(self) -> int:
        """How many emitted events were not sent: no room, not JSON, or no time at the end."""
        return self._emitter.dropped

    @property
    def refused(self) -> int:
        """How many emitted events Tocsin refused."""
        return self._emitter.refused

    def flush(self, timeout_seconds: float | None = None) -> bool:
        """Send at once what was emitted, and wait; return whether all is settled in time."""
        return self._emitter.flush(timeout_seconds)

    def replay(
        self,
        since: Since | None = None,
        types: Types | None = None,
        limit: int = MAX_LIST_EVENTS,
        *,
        agent_id: str | None = None,
        session_id: str | None = None,
        server_id: str | None = None,
        action: str | None = None,
    ) -> list[Event]:
        """Return what happened, newest first: ``limit`` events, 1,000 at most.

        Only sealed events are in it: one stored milliseconds ago may be missing.

        Args:
            since: Only what was received since this time, or what comes after this event.
            types: Only events of these types.
            limit: How many.
            agent_id: Only events of this agent; and so for ``session_id`` and ``server_id``.
            action: Only ``allow``, ``deny``, ``alert`` or ``log``.

        Raises:
            ApiError: Tocsin refused, for example an unknown type.
            httpx.TransportError: Tocsin can't be reached.
        """

        wanted = filter_query(types, agent_id, session_id, server_id, action)

        def attempt() -> httpx.Response:
            request = replay_request(self._http, since, limit, wanted)
            return raise_if_transient(self._http.send(request))

        return read_list(Retrying(**self._backoff.retrying())(attempt))

    def stream(
        self,
        after: int | None = None,
        types: Types | None = None,
        *,
        agent_id: str | None = None,
        session_id: str | None = None,
        server_id: str | None = None,
        action: str | None = None,
        on_drop: Callable[[BaseException], None] | None = None,
    ) -> Generator[Event]:
        """Yield events as they are sealed, in order, without gaps or duplicates, until closed.

        A dropped connection is resumed after the last event that was yielded, or that Tocsin has
        passed over since because the filters hide it.

        Args:
            after: Begin after this seq (0: with the first event); None begins with the next one.
            types: Only events of these types.
            agent_id: Only events of this agent; and so for ``session_id`` and ``server_id``.
            action: Only ``allow``, ``deny``, ``alert`` or ``log``.
            on_drop: Called with the reason whenever the connection is lost or can't be made, and
                another attempt follows.

        Raises:
            ApiError: Tocsin refused, for example a key without the scope ``read``, or an unknown
                type.
            Gap: What comes after ``after`` is not kept any more.
            httpx.TransportError: The first connection can't be made.
        """
        cursor = Cursor(after)
        wanted = filter_query(types, agent_id, session_id, server_id, action)
        begun = False
        while True:
            with closing(self._connect(cursor, wanted, on_drop, forever=begun)) as response:
                begun = True
                try:
                    for chunk in response.iter_bytes():
                        yield from cursor.read(chunk)
                    cursor.drop = httpx.RemoteProtocolError("the server ended the stream")
                except StreamError:
                    raise
                except httpx.TransportError as error:
                    cursor.drop = error

    def _connect(
        self,
        cursor: Cursor,
        wanted: Mapping[str, str],
        on_drop: Callable[[BaseException], None] | None,
        *,
        forever: bool,
    ) -> httpx.Response:
        def attempt() -> httpx.Response:
            cursor.raise_drop()
            response = self._http.send(stream_request(self._http, cursor, wanted), stream=True)
            if not cursor.accepts(response):
                with closing(response):
                    response.read()
                cursor.refuse(response)
            return response

        backoff = self._backoff.widened(cursor.retry_seconds)
        return Retrying(**backoff.retrying(on_drop, forever=forever))(attempt)

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Send what was emitted, within ``timeout_seconds``, and close the connections."""
        self._emitter.close(timeout_seconds)
        self._http.close()

    def _attempt(self, batch: OutgoingBatch) -> httpx.Response:
        return self._post_once(batch, partial=True)

    def _after_fork(self) -> None:
        """Leave the connections to the parent, whose they are too."""
        self._http = self._open()

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()
