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

from tocsin.client._approvals import (
    Approval,
    ApprovalLinks,
    AskOptions,
    Deadline,
    Question,
    answered,
    asked,
    linked,
    one,
    page,
    question,
)
from tocsin.client._backoff import Backoff, raise_if_transient
from tocsin.client._emitter import CLOSE_SECONDS, Emitter, OnLoss
from tocsin.client._errors import StreamError
from tocsin.client._events import Cursor, Event
from tocsin.client._listing import Listing
from tocsin.client._outbox import Outbox, OutgoingBatch, sendable
from tocsin.client._requests import (
    Filters,
    Since,
    Types,
    approval_request,
    filter_query,
    ingest_request,
    open_http,
    send_request,
    stream_request,
    verify_request,
)
from tocsin.client._result import SendResult
from tocsin.client._verifying import Verified, Verifying
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

        Raises:
            ApiError: A request was refused; those before it are stored.
            Invalid, TypeError: An event can't be written as JSON, for example because of NaN.
            ValueError: ``idempotency_key`` can't be one.
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
        outbox = Outbox(map(sendable, events), idempotency_key, partial=partial)
        for batch in outbox:
            result = outbox.settle(batch, self.post(batch, partial=partial))
            if result is not None:
                yield result + outbox.left_out()
        left_out = outbox.left_out()
        if left_out.rejected:
            yield left_out

    def post(self, batch: OutgoingBatch, *, partial: bool = False) -> httpx.Response:
        """Send one request and return Tocsin's answer, good or bad.

        Raises:
            ApiError: Tocsin was busy or broken each time.
            httpx.TransportError: Tocsin can't be reached.
        """
        return Retrying(**self._backoff.retrying())(self._post_once, batch, partial)

    def _post_once(self, batch: OutgoingBatch, partial: bool) -> httpx.Response:
        request = ingest_request(self._http, batch, partial=partial, compress=self._compress)
        return raise_if_transient(send_request(self._http, request))

    def emit(self, event: Mapping[str, Any]) -> None:
        """Send an event some time soon: with 99 others, or after 100 ms. Never waits or raises.

        Emitted events are sent in their order by a thread of this client, and each request is
        repeated until it is stored or refused. Up to 10,000 events (64 MB) wait meanwhile; more are
        dropped, the newest first. Valid events are stored even if others in their request are not;
        an event with which Tocsin breaks each time, while it takes others, is given up.
        What is still waiting when the program ends is sent within 5 seconds, or lost. A signal that
        ends the process at once, as SIGTERM does unless it is handled, is no end in this sense.
        """
        self._emitter.emit(event)

    @property
    def dropped(self) -> int:
        """How many emitted events were not sent: no room, not JSON, or no time at the end."""
        return self._emitter.dropped

    @property
    def ignored_fields(self) -> frozenset[str]:
        """Fields of emitted events that no event has, 100 names at most: they are not stored."""
        return self._emitter.ignored_fields

    @property
    def refused(self) -> int:
        """How many emitted events Tocsin refused, or could not be brought to take."""
        return self._emitter.refused

    def flush(self, timeout_seconds: float | None = None) -> bool:
        """Send at once what was emitted, and wait; return whether all is settled in time."""
        return self._emitter.flush(timeout_seconds)

    def replay(
        self,
        since: Since | None = None,
        types: Types | None = None,
        limit: int = MAX_LIST_EVENTS,
        from_time: Since | None = None,
        to_time: Since | None = None,
        **filters: Unpack[Filters],
    ) -> list[Event]:
        """Return what happened, newest first: ``limit`` events at most, 1,000 in a request.

        Only sealed events are in it: one stored milliseconds ago may be missing.

        Args:
            since: Only what was received since this time, or what comes after this event.
            types: Only events of these types.
            limit: How many.
            from_time: Only events with this timestamp or a later one.
            to_time: Only events with an earlier timestamp.
            filters: Only events that have all of these (:class:`Filters`), as in
                ``agent_id="claude", action="deny"``.

        Raises:
            ApiError: Tocsin refused, for example an unknown type.
            httpx.TransportError: Tocsin can't be reached.
        """

        times = {"since": since, "from": from_time, "to": to_time}
        listing = Listing(limit, times, filter_query(types, filters))
        while not listing.done:
            listing.take(self._repeated(listing.request))
        return listing.found

    def verify(
        self,
        first_seq: int = 1,
        last_seq: int | None = None,
        *,
        on_step: Callable[[Verified], object] | None = None,
    ) -> Verified:
        """Have Tocsin check that what is stored is what was sealed.

        Args:
            first_seq: Begin with this event.
            last_seq: End with this event; None: with the newest.
            on_step: Called with what is found so far, after each request: some 20,000 events.

        Raises:
            ValueError: ``last_seq`` is before ``first_seq``.
            ApiError: Tocsin refused, for example a key without the scope ``read``.
            httpx.TransportError: Tocsin can't be reached.
        """
        verifying = Verifying(first_seq, last_seq)

        def make(http: httpx.Client) -> httpx.Request:
            return verify_request(http, verifying.params())

        while not verifying.done:
            found = verifying.take(self._repeated(make))
            if on_step:
                on_step(found)
        return verifying.found

    def ask(self, tool: str, agent: str, message: str, **options: Unpack[AskOptions]) -> Approval:
        """Ask a person whether a call may be made; :meth:`decision` waits for the answer.

        Args:
            tool: What would be called.
            agent: Who would call it.
            message: What the person is asked.
            options: What else there is to know (:class:`AskOptions`), as in
                ``command="rm -rf build", ttl=600``. With the ``tool_call_id`` of a call that waits
                already, it is that call's approval that is returned.

        Returns:
            The approval. It may be approved already: by a rule, or by a grant for the run.

        Raises:
            ApiError: Tocsin refused, for example because too many calls wait.
            httpx.TransportError: Tocsin can't be reached.
        """
        return one(self._asked(asked(tool, agent, message, options)))

    def approvals(self) -> list[Approval]:
        """Return the calls that wait for a person, oldest first.

        Raises what :meth:`ask` raises.
        """
        found = list[Approval]()
        next: Question | None = question("GET")
        while next is not None:
            some, next = page(self._asked(next))
            found += some
        return found

    def approval(self, id: str) -> Approval:
        """Return one approval; raises what :meth:`ask` raises."""
        return one(self._asked(question("GET", id)))

    def resolve(self, id: str, *, approved: bool, persist: bool = False) -> Approval:
        """Answer an approval; with ``persist`` a yes is remembered for this agent and call.

        Raises:
            ApiError: Tocsin refused. Its ``status`` is 410 if it was resolved before, also by a
                try of this very call whose answer was lost, or if it has expired.
            httpx.TransportError: Tocsin can't be reached.
        """
        body = {"approved": approved, "persist": persist}
        return one(self._asked(question("POST", id, "resolve", body)))

    def approval_links(self, id: str) -> ApprovalLinks:
        """Return links to both answers of an approval, for people without a key.

        The key is one that may answer itself. The same links are returned each time.

        Raises:
            ApiError: Tocsin refused. Its ``status`` is 409 where no public URL is set, 410 if it
                was resolved before or has expired.
            httpx.TransportError: Tocsin can't be reached.
        """
        return linked(self._asked(question("POST", id, "links")))

    def decision(self, id: str, timeout_seconds: float | None = None) -> Approval:
        """Wait until an approval is decided, and return it.

        After ``timeout_seconds`` it is returned as it is, with ``approved`` None.

        Raises what :meth:`ask` raises.
        """
        deadline = Deadline(id, timeout_seconds)
        while True:
            approval = one(self._asked(deadline.question()))
            if deadline.is_over(approval):
                return approval

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
        return self._repeated(lambda http: approval_request(http, question))

    def _repeated(self, make: Callable[[httpx.Client], httpx.Request]) -> httpx.Response:
        """Make a request and send it, again while a repetition may help; return the answer."""

        def attempt() -> httpx.Response:
            return raise_if_transient(send_request(self._http, make(self._http)))

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
