"""The client for asyncio."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from functools import partial as bind
from types import TracebackType
from typing import Any, Self, Unpack, cast

import httpx
from tenacity import AsyncRetrying

from tocsin.client._agents import AsyncAgents
from tocsin.client._anomalies import AsyncAnomalies
from tocsin.client._approving import AsyncApproving
from tocsin.client._asking import Question, answered
from tocsin.client._backoff import Backoff, raise_if_transient
from tocsin.client._budgets import AsyncBudgets
from tocsin.client._emitter import CLOSE_SECONDS, Emitter, OnLoss
from tocsin.client._emitting import Emitting
from tocsin.client._errors import StreamError
from tocsin.client._events import Cursor, Event
from tocsin.client._keys import AsyncKeys
from tocsin.client._outbox import Outbox, OutgoingBatch, sendable
from tocsin.client._policies import AsyncPolicies
from tocsin.client._reading import AsyncReading
from tocsin.client._requests import (
    Filters,
    Types,
    Wait,
    api_request,
    filter_query,
    ingest_request,
    open_async_http,
    open_http,
    send_request,
    send_request_async,
    stream_request,
)
from tocsin.client._result import SendResult
from tocsin.client._sessions import AsyncSessions
from tocsin.client._webhooks import AsyncWebhooks

__all__ = ["AsyncClient"]


class AsyncClient(
    Emitting,
    AsyncReading,
    AsyncApproving,
    AsyncSessions,
    AsyncAgents,
    AsyncBudgets,
    AsyncPolicies,
    AsyncKeys,
    AsyncAnomalies,
    AsyncWebhooks,
):
    """:class:`tocsin.client.Client` for asyncio: the same arguments, results and errors."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        backoff: Backoff | None = None,
        compress: bool = False,
        on_loss: OnLoss | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Connect to ``url`` when it is first needed."""
        self._backoff = backoff or Backoff()
        self._compress = compress
        self._open = bind(open_async_http, url, api_key, transport)
        self._unused: httpx.AsyncClient | None = self._open()
        self._by_loop: dict[asyncio.AbstractEventLoop, httpx.AsyncClient] = {}
        self._closed = False
        self._open_emitting = bind(open_http, url, api_key, _in_a_loop_of_its_own(transport))
        self._emitting: httpx.Client | None = None
        self._emitter = Emitter(self._attempt, self._backoff, on_loss, self._after_fork)

    @property
    def _http(self) -> httpx.AsyncClient:
        """The connections of the running loop: those of another are of no use in it."""
        if self._closed:
            raise RuntimeError("this client is closed")
        loop = asyncio.get_running_loop()
        http = self._by_loop.get(loop)
        if http is None:
            http, self._unused = self._unused or self._open(), None
            living = {each: mine for each, mine in self._by_loop.items() if not each.is_closed()}
            self._by_loop = living | {loop: http}
        return http

    async def send(
        self,
        events: Iterable[Mapping[str, Any]],
        *,
        idempotency_key: str | None = None,
        partial: bool = False,
        wait: Wait | None = None,
        backfill: bool = False,
    ) -> SendResult:
        """Send events, in as many requests as the limits ask for; see :meth:`Client.send`."""
        outbox = Outbox(map(sendable, events), idempotency_key, partial=partial, backfill=backfill)
        total = SendResult()
        for batch in outbox:
            total += (
                outbox.settle(batch, await self.post(batch, partial=partial, wait=wait))
                or SendResult()
            )
            total += outbox.left_out()
        return total + outbox.left_out()

    async def post(
        self, batch: OutgoingBatch, *, partial: bool = False, wait: Wait | None = None
    ) -> httpx.Response:
        """Send one request and return Tocsin's answer, good or bad; see :meth:`Client.post`."""
        retrying = AsyncRetrying(**self._backoff.retrying())
        return await retrying(self._post_once, batch, partial, wait)

    async def _post_once(
        self, batch: OutgoingBatch, partial: bool, wait: Wait | None
    ) -> httpx.Response:
        request = ingest_request(
            self._http, batch, partial=partial, compress=self._compress, wait=wait
        )
        return raise_if_transient(await send_request_async(self._http, request))

    async def flush(self, timeout_seconds: float | None = None) -> bool:
        """Send at once what was emitted, and wait; see :meth:`Client.flush`."""
        return await asyncio.to_thread(self._emitter.flush, timeout_seconds)

    def _attempt(self, batch: OutgoingBatch) -> httpx.Response:
        """Send from the emitter's thread, by connections of its own: it outlives every loop."""
        http = self._emitting = self._emitting or self._open_emitting()
        request = ingest_request(http, batch, partial=True, compress=self._compress)
        return raise_if_transient(send_request(http, request))

    def _after_fork(self) -> None:
        """Leave the connections to the parent, whose they are too."""
        self._emitting = None
        self._by_loop = {}

    async def call(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a route of the API that has no method here; see :meth:`Client.call`."""
        return answered(await self._asked(Question(method, path, params, body)))

    async def _asked(self, question: Question) -> httpx.Response:
        """Ask, again while a repetition may help; return the answer, good or bad."""
        if question.once:
            return await send_request_async(self._http, api_request(self._http, question))

        async def attempt() -> httpx.Response:
            request = api_request(self._http, question)
            return raise_if_transient(await send_request_async(self._http, request))

        response: httpx.Response = await AsyncRetrying(**self._backoff.retrying())(attempt)
        return response

    async def stream(
        self,
        after: int | None = None,
        types: Types | None = None,
        *,
        on_drop: Callable[[BaseException], None] | None = None,
        **filters: Unpack[Filters],
    ) -> AsyncGenerator[Event]:
        """Yield events as they are sealed, until closed; see :meth:`Client.stream`."""
        cursor = Cursor(after)
        wanted = filter_query(types, filters)
        begun = False
        while response := await self._connect(cursor, wanted, on_drop, begun):
            begun = True
            try:
                async with aclosing(response):
                    async for chunk in response.aiter_bytes():
                        for event in cursor.read(chunk):
                            yield event
                cursor.drop = httpx.RemoteProtocolError("the server ended the stream")
            except StreamError:
                raise
            except httpx.TransportError as error:
                cursor.drop = error

    async def _connect(
        self,
        cursor: Cursor,
        wanted: Mapping[str, str],
        on_drop: Callable[[BaseException], None] | None,
        forever: bool,
    ) -> httpx.Response | None:
        """Return an open stream; None if there is none any more: by the server, or by aclose."""

        async def attempt() -> httpx.Response:
            cursor.raise_drop()
            http = self._http
            response = await send_request_async(
                http, stream_request(http, cursor, wanted), stream=True
            )
            if not cursor.accepts(response):
                async with aclosing(response):
                    await response.aread()
                cursor.refuse(response)
            return response

        retrying = self._backoff.widened(cursor.retry_seconds).retrying(on_drop, forever=forever)
        stop = retrying["stop"] | (lambda state: self._closed)
        try:
            response: httpx.Response = await AsyncRetrying(**retrying | {"stop": stop})(attempt)
        except (httpx.HTTPError, RuntimeError):
            if self._closed and forever:
                return None
            raise
        if cursor.is_over(response):
            await response.aclose()
            return None
        return response

    async def aclose(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Send what was emitted, within ``timeout_seconds``, and close the connections.

        Streams that other tasks read end then, as if there were no more events.
        """
        await asyncio.to_thread(self._emitter.close, timeout_seconds)
        self._closed = True
        http = self._by_loop.get(asyncio.get_running_loop(), self._unused)
        self._by_loop = {}  # those of other loops end with them
        if http is not None:
            await http.aclose()
        if self._emitting is not None:
            await asyncio.to_thread(self._emitting.close)

    async def __aenter__(self) -> Self:
        """Return the client itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.aclose()


def _in_a_loop_of_its_own(transport: httpx.AsyncBaseTransport | None) -> "_Blocking | None":
    return None if transport is None else _Blocking(transport)


class _Blocking(httpx.BaseTransport):
    """An asyncio transport for the emitter's thread."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self._runner: asyncio.Runner | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._runner = self._runner or asyncio.Runner()
        return self._runner.run(self._handle(request))

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        stream = cast("httpx.AsyncByteStream", response.stream)
        content = b"".join([chunk async for chunk in stream])
        await stream.aclose()
        return httpx.Response(
            response.status_code, headers=response.headers, stream=httpx.ByteStream(content)
        )

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()
