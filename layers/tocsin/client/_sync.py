"""The client for threads and scripts."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from types import TracebackType
from typing import Any, Self

import httpx
from tenacity import Retrying

from tocsin.client._backoff import Backoff, raise_if_transient
from tocsin.client._errors import StreamError
from tocsin.client._events import Cursor, Event
from tocsin.client._outbox import Batch, Outbox, Receipt
from tocsin.client._requests import http_options, ingest_request, stream_request

__all__ = ["Client"]


class Client:
    """A connection to one Tocsin with one API key; close it, or use it in a ``with`` statement."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        backoff: Backoff | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Connect to ``url`` when it is first needed.

        Args:
            url: Tocsin's URL without a path, as ``http://127.0.0.1:8484``.
            api_key: A key with the scope that is needed: ``ingest`` to send, ``read`` to stream.
            backoff: How often and when to try again.
            transport: Instead of httpx's own.
        """
        self._backoff = backoff or Backoff()
        self._http = httpx.Client(**http_options(url, api_key), transport=transport)

    def send(
        self,
        events: Iterable[Mapping[str, Any]],
        *,
        idempotency_key: str | None = None,
        partial: bool = False,
    ) -> Receipt:
        """Send events, in as many requests as the limits ask for (1,000 events or 4 MB each).

        Each request is all or nothing, and is repeated under one idempotency key when the answer
        is lost or Tocsin is busy, so nothing is stored twice.

        Args:
            events: In Igris' spelling (``toolName``) or snake_case, in the order to be stored.
            idempotency_key: Send the same events with the same key again, within 24 hours, and
                only what is missing is stored. Without it, every call stores.
            partial: Leave invalid events out, instead of refusing the request they are in.

        Raises:
            ApiError: A request was refused; those before it are stored.
            httpx.TransportError: Tocsin can't be reached.
        """
        receipts = self.send_batches(events, idempotency_key=idempotency_key, partial=partial)
        return sum(receipts, Receipt())

    def send_batches(
        self,
        events: Iterable[Mapping[str, Any]],
        *,
        idempotency_key: str | None = None,
        partial: bool = False,
    ) -> Iterator[Receipt]:
        """Do what :meth:`send` does, and yield what was taken after each request."""
        outbox = Outbox(events, idempotency_key)
        for batch in outbox:
            receipt = outbox.settle(batch, self.post(batch, partial=partial))
            if receipt is not None:
                yield receipt

    def post(self, batch: Batch, *, partial: bool = False) -> httpx.Response:
        """Send one request and return Tocsin's answer, be it good or bad.

        Raises:
            ApiError: Tocsin was busy or broken each time.
            httpx.TransportError: Tocsin can't be reached.
        """
        request = ingest_request(self._http, batch, partial=partial)
        return Retrying(**self._backoff.retrying())(
            lambda: raise_if_transient(self._http.send(request))
        )

    def stream(
        self,
        after: int | None = None,
        *,
        on_drop: Callable[[BaseException], None] | None = None,
    ) -> Generator[Event]:
        """Yield events as they are sealed, in order, without a hole or a double, until closed.

        A dropped connection is resumed after the last event that was yielded.

        Args:
            after: Begin after this seq (0: with the first event); None begins with the next one.
            on_drop: Called with the reason whenever the connection is lost or can't be made, and
                another attempt follows.

        Raises:
            ApiError: Tocsin refused, as with a key that has no ``read`` scope.
            Gap: What comes after ``after`` is not kept any more.
            httpx.TransportError: The first connection can't be made.
        """
        cursor = Cursor(after)
        begun = False
        while True:
            with closing(self._connect(cursor, on_drop, forever=begun)) as response:
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
        on_drop: Callable[[BaseException], None] | None,
        *,
        forever: bool,
    ) -> httpx.Response:
        def attempt() -> httpx.Response:
            cursor.raise_drop()
            response = self._http.send(stream_request(self._http, cursor), stream=True)
            if not cursor.accepts(response):
                with closing(response):
                    response.read()
                cursor.refuse(response)
            return response

        backoff = self._backoff.widened(cursor.retry_seconds)
        return Retrying(**backoff.retrying(on_drop, forever=forever))(attempt)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()
