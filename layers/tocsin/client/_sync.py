"""The client for threads and scripts."""

import socket
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from functools import partial as bind
from threading import Event as Flag
from types import TracebackType
from typing import Any, Self, Unpack

import httpx
from tenacity import Retrying, sleep_using_event, stop_when_event_set

from tocsin.client._agents import Agents
from tocsin.client._anomalies import Anomalies
from tocsin.client._approving import Approving
from tocsin.client._asking import Question, answered
from tocsin.client._backoff import Backoff, raise_if_transient
from tocsin.client._budgets import Budgets
from tocsin.client._emitter import CLOSE_SECONDS, Emitter, OnLoss
from tocsin.client._emitting import Emitting
from tocsin.client._errors import StreamError
from tocsin.client._events import Cursor, Event
from tocsin.client._keys import Keys
from tocsin.client._outbox import Outbox, OutgoingBatch, sendable
from tocsin.client._policies import PoliciesApi
from tocsin.client._reading import Reading
from tocsin.client._requests import (
    Filters,
    Types,
    Wait,
    api_request,
    filter_query,
    ingest_request,
    open_http,
    send_request,
    stream_request,
)
from tocsin.client._result import SendResult
from tocsin.client._sessions import Sessions
from tocsin.client._webhooks import Webhooks

__all__ = ["Client"]


class Client(
    Emitting, Reading, Approving, Sessions, Agents, Budgets, PoliciesApi, Keys, Anomalies, Webhooks
):
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

        Raises:
            BadEnvironment: A variable, such as ``NO_PROXY``, can't be used.
        """
        self._backoff = backoff or Backoff()
        self._compress = compress
        self._open = bind(open_http, url, api_key, transport)
        self._http = self._open()
        self._closed = Flag()
        self._streams: set[httpx.Response] = set()
        self._emitter = Emitter(self._attempt, self._backoff, on_loss, self._after_fork)

    def send(
        self,
        events: Iterable[Mapping[str, Any]],
        *,
        idempotency_key: str | None = None,
        partial: bool = False,
        wait: Wait | None = None,
        backfill: bool = False,
    ) -> SendResult:
        """Send events, in as many requests as the limits ask for (1,000 events or 4 MB each).

        Each request is all or nothing, and is repeated under one idempotency key when the answer
        is lost or Tocsin is busy, so nothing is stored twice.

        Args:
            events: In Igris' spelling (``toolName``) or snake_case, in the order to be stored. A
                ``datetime`` without a time zone is UTC.
            idempotency_key: If the same events are sent again with the same key, within
                24 hours, only what is missing is stored. Without it, every call stores. What was
                refused may be mended meanwhile; what was stored may not change.
            partial: Leave invalid events out, instead of refusing the request they are in.
            wait: With ``"sealed"`` each request is answered when its events have their ``places``
                in the ledger, after 5 seconds at most: what is not known then is None there.
            backfill: They are imported: detection learns from them by their timestamps, and alerts
                nobody. Give the oldest first.

        Raises:
            ApiError: A request was refused; those before it are stored.
            Invalid, TypeError: An event can't be written as JSON, for example because of NaN.
            ValueError: ``idempotency_key`` can't be one.
            httpx.TransportError: Tocsin can't be reached.
        """
        results = self.send_batches(
            events,
            idempotency_key=idempotency_key,
            partial=partial,
            wait=wait,
            backfill=backfill,
        )
        return sum(results, SendResult())

    def send_batches(
        self,
        events: Iterable[Mapping[str, Any]],
        *,
        idempotency_key: str | None = None,
        partial: bool = False,
        wait: Wait | None = None,
        backfill: bool = False,
    ) -> Iterator[SendResult]:
        """Do what :meth:`send` does, and yield what was taken after each request."""
        outbox = Outbox(map(sendable, events), idempotency_key, partial=partial, backfill=backfill)
        for batch in outbox:
            result = outbox.settle(batch, self.post(batch, partial=partial, wait=wait))
            if result is not None:
                yield result + outbox.left_out()
        left_out = outbox.left_out()
        if left_out.rejected:
            yield left_out

    def post(
        self, batch: OutgoingBatch, *, partial: bool = False, wait: Wait | None = None
    ) -> httpx.Response:
        """Send one request and return Tocsin's answer, good or bad.

        Raises:
            ApiError: Tocsin was busy or broken each time.
            httpx.TransportError: Tocsin can't be reached.
        """
        return Retrying(**self._backoff.retrying())(self._post_once, batch, partial, wait)

    def _post_once(
        self, batch: OutgoingBatch, partial: bool, wait: Wait | None = None
    ) -> httpx.Response:
        request = ingest_request(
            self._http, batch, partial=partial, compress=self._compress, wait=wait
        )
        return raise_if_transient(send_request(self._http, request))

    def flush(self, timeout_seconds: float | None = None) -> bool:
        """Send at once what was emitted, and wait; return whether all is settled in time."""
        return self._emitter.flush(timeout_seconds)

    def call(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a route of the API that has no method here, and return the JSON that it answers.

        Args:
            method: ``GET``, ``POST``, ``PUT`` or ``DELETE``. Repeated while Tocsin is busy or out
                of reach, so a change may be made twice.
            path: As the reference of routes has it, its ids percent-encoded.
            params: The query.
            body: JSON.

        Raises:
            ApiError: Tocsin refused.
            httpx.TransportError: Tocsin can't be reached, or what answers is not Tocsin.
        """
        return answered(self._asked(Question(method, path, params, body)))

    def _asked(self, question: Question) -> httpx.Response:
        """Ask, again while a repetition may help; return the answer, good or bad."""
        if question.once:
            return send_request(self._http, api_request(self._http, question))

        def attempt() -> httpx.Response:
            return raise_if_transient(send_request(self._http, api_request(self._http, question)))

        return Retrying(**self._backoff.retrying())(attempt)

    def stream(
        self,
        after: int | None = None,
        types: Types | None = None,
        *,
        on_drop: Callable[[BaseException], None] | None = None,
        **filters: Unpack[Filters],
    ) -> Generator[Event]:
        """Yield events as they are sealed, in order, without gaps or duplicates, until closed.

        A dropped connection is resumed after the last event that was yielded, or that Tocsin has
        passed over since because the filters hide it.

        Args:
            after: Begin after this seq (0: with the first event); None begins with the next one.
            types: Only events of these types.
            on_drop: Called with the reason whenever the connection is lost or can't be made, and
                another attempt follows.
            filters: Only events that have all of these (:class:`Filters`), as in
                ``agent_id="claude", action="deny"``.

        Raises:
            ApiError: Tocsin refused, for example a key without the scope ``read``, or an unknown
                type.
            Gap: What comes after ``after`` is not kept any more.
            httpx.TransportError: The first connection can't be made.
        """
        if self._closed.is_set():
            raise RuntimeError("this client is closed")
        cursor = Cursor(after)
        wanted = filter_query(types, filters)
        begun = False
        while response := self._connect(cursor, wanted, on_drop, forever=begun):
            begun = True
            self._streams.add(response)
            try:
                with closing(response):
                    for chunk in response.iter_bytes():
                        yield from cursor.read(chunk)
                cursor.drop = httpx.RemoteProtocolError("the server ended the stream")
            except StreamError:
                raise
            except httpx.TransportError as error:
                cursor.drop = error
            except (httpx.StreamError, OSError, ValueError):  # a connection that is closed already
                if not self._closed.is_set():
                    raise
            finally:
                self._streams.discard(response)

    def _connect(
        self,
        cursor: Cursor,
        wanted: Mapping[str, str],
        on_drop: Callable[[BaseException], None] | None,
        *,
        forever: bool,
    ) -> httpx.Response | None:
        """Return an open stream; None if there is none any more: by the server, or by close."""

        def attempt() -> httpx.Response:
            cursor.raise_drop()
            response = send_request(
                self._http, stream_request(self._http, cursor, wanted), stream=True
            )
            if not cursor.accepts(response):
                with closing(response):
                    response.read()
                cursor.refuse(response)
            return response

        retrying = self._backoff.widened(cursor.retry_seconds).retrying(on_drop, forever=forever)
        stop = retrying["stop"] | stop_when_event_set(self._closed)
        sleep = sleep_using_event(self._closed)
        try:
            response = Retrying(**retrying | {"stop": stop, "sleep": sleep})(attempt)
        except (httpx.HTTPError, RuntimeError):
            if self._closed.is_set():
                return None
            raise
        if cursor.is_over(response):
            response.close()
            return None
        return response

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Send what was emitted, within ``timeout_seconds``, and close the connections.

        Streams that other threads read end then, as if there were no more events.
        """
        self._emitter.close(timeout_seconds)
        self._closed.set()
        for response in list(self._streams):
            _wake(response)
        self._http.close()

    def _attempt(self, batch: OutgoingBatch) -> httpx.Response:
        return self._post_once(batch, partial=True)

    def _after_fork(self) -> None:
        """Leave the connections to the parent, whose they are too."""
        self._http = self._open()
        self._streams = set()

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


def _wake(response: httpx.Response) -> None:
    """End the wait of a thread that reads ``response``: closing its socket would not."""
    network = response.extensions.get("network_stream")
    connection = network.get_extra_info("socket") if network is not None else None
    if isinstance(connection, socket.socket):
        with suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)  # TLS or not
