"""The client for asyncio."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

import httpx
import orjson
from tenacity import AsyncRetrying

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

__all__ = ["AsyncClient"]


class AsyncClient:
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
        self._http = httpx.AsyncClient(**http_options(url, api_key), transport=transport)
        self._emitter = Emitter(self._attempt, self._backoff, on_loss)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def send(
        self,
        events: Iterable[Mapping[str, Any]],
        *,
        idempotency_key: str | None = None,
        partial: bool = False,
    ) -> SendResult:
        """Send events, in as many requests as the limits ask for; see :meth:`Client.send`."""
        outbox = Outbox(map(orjson.dumps, events), idempotency_key)
        total = SendResult()
        for batch in outbox:
            total += outbox.settle(batch, await self._post(batch, partial)) or SendResult()
        return total

    async def _post(self, batch: OutgoingBatch, partial: bool) -> httpx.Response:
        retrying = AsyncRetrying(**self._backoff.retrying())
        return await retrying(self._post_once, batch, partial)

    async def _post_once(self, batch: OutgoingBatch, partial: bool) -> httpx.Response:
        request = ingest_request(self._http, batch, partial=partial, compress=self._compress)
        return raise_if_transient(await self._http.send(request))

    def emit(self, event: Mapping[str, Any]) -> None:
        """Send an event some time soon; see :meth:`Client.emit`. Call it from a coroutine."""
        self._loop = self._loop or asyncio.get_running_loop()
        self._emitter.emit(event)

    @property
    def dropped(self) -> int:
        """See :attr:`Client.dropped`."""
        return self._emitter.dropped

    @property
    def refused(self) -> int:
        """See :attr:`Client.refused`."""
        return self._emitter.refused

    async def flush(self, timeout_seconds: float | None = None) -> bool:
        """Send at once what was emitted, and wait; see :meth:`Client.flush`."""
        return await asyncio.to_thread(self._emitter.flush, timeout_seconds)

    def _attempt(self, batch: OutgoingBatch) -> httpx.Response:
        """Send for the emitter's thread, in the event loop, which owns the connections."""
        if self._loop is None:
            raise RuntimeError("nothing was emitted")
        sending = self._post_once(batch, partial=True)
        try:
            return asyncio.run_coroutine_threadsafe(sending, self._loop).result()
        except RuntimeError:  # the loop is closed
            sending.close()
            raise

    async def replay(
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
        """Return what happened, newest first; see :meth:`Client.replay`."""

        wanted = filter_query(types, agent_id, session_id, server_id, action)

        async def attempt() -> httpx.Response:
            request = replay_request(self._http, since, limit, wanted)
            return raise_if_transient(await self._http.send(request))

        return read_list(await AsyncRetrying(**self._backoff.retrying())(attempt))

    async def stream(
        self,
        after: int | None = None,
        types: Types | None = None,
        *,
        agent_id: str | None = None,
        session_id: str | None = None,
        server_id: str | None = None,
        action: str | None = None,
        on_drop: Callable[[BaseException], None] | None = None,
    ) -> AsyncGenerator[Event]:
        """Yield events as they are sealed, until closed; see :meth:`Client.stream`."""
        cursor = Cursor(after)
        wanted = filter_query(types, agent_id, session_id, server_id, action)
        begun = False
        while True:
            async with aclosing(await self._connect(cursor, wanted, on_drop, begun)) as response:
                begun = True
                try:
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
    ) -> httpx.Response:
        async def attempt() -> httpx.Response:
            cursor.raise_drop()
            response = await self._http.send(
                stream_request(self._http, cursor, wanted), stream=True
            )
            if not cursor.accepts(response):
                async with aclosing(response):
                    await response.aread()
                cursor.refuse(response)
            return response

        backoff = self._backoff.widened(cursor.retry_seconds)
        return await AsyncRetrying(**backoff.retrying(on_drop, forever=forever))(attempt)

    async def aclose(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Send what was emitted, within ``timeout_seconds``, and close the connections."""
        await asyncio.to_thread(self._emitter.close, timeout_seconds)
        await self._http.aclose()

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
