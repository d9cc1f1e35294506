"""The client for asyncio."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

import httpx
from tenacity import AsyncRetrying

from tocsin.client._backoff import Backoff, raise_if_transient
from tocsin.client._errors import StreamError
from tocsin.client._events import Cursor, Event
from tocsin.client._outbox import Batch, Outbox, Receipt
from tocsin.client._requests import http_options, ingest_request, stream_request

__all__ = ["AsyncClient"]


class AsyncClient:
    """:class:`tocsin.client.Client` for asyncio: the same arguments, results and errors."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        backoff: Backoff | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Connect to ``url`` when it is first needed."""
        self._backoff = backoff or Backoff()
        self._http = httpx.AsyncClient(**http_options(url, api_key), transport=transport)

    async def send(
        self,
        events: Iterable[Mapping[str, Any]],
        *,
        idempotency_key: str | None = None,
        partial: bool = False,
    ) -> Receipt:
        """Send events, in as many requests as the limits ask for; see :meth:`Client.send`."""
        outbox = Outbox(events, idempotency_key)
        total = Receipt()
        for batch in outbox:
            total += outbox.settle(batch, await self._post(batch, partial)) or Receipt()
        return total

    async def _post(self, batch: Batch, partial: bool) -> httpx.Response:
        request = ingest_request(self._http, batch, partial=partial)

        async def attempt() -> httpx.Response:
            return raise_if_transient(await self._http.send(request))

        return await AsyncRetrying(**self._backoff.retrying())(attempt)

    async def stream(
        self,
        after: int | None = None,
        *,
        on_drop: Callable[[BaseException], None] | None = None,
    ) -> AsyncGenerator[Event]:
        """Yield events as they are sealed, until closed; see :meth:`Client.stream`."""
        cursor = Cursor(after)
        begun = False
        while True:
            async with aclosing(await self._connect(cursor, on_drop, begun)) as response:
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
        self, cursor: Cursor, on_drop: Callable[[BaseException], None] | None, forever: bool
    ) -> httpx.Response:
        async def attempt() -> httpx.Response:
            cursor.raise_drop()
            response = await self._http.send(stream_request(self._http, cursor), stream=True)
            if not cursor.accepts(response):
                async with aclosing(response):
                    await response.aread()
                cursor.refuse(response)
            return response

        backoff = self._backoff.widened(cursor.retry_seconds)
        return await AsyncRetrying(**backoff.retrying(on_drop, forever=forever))(attempt)

    async def aclose(self) -> None:
        """Close the connections."""
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
        """Close the connections."""
        await self.aclose()
