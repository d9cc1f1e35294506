"""A server over stdio that is a client of one over streamable HTTP: a process of its own.

``tocsin mcp --stdio --http URL`` runs it as its server, so that all that the relay does over stdio
holds here, too. Each message of a line is a POST; what comes back is lines.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, Final

import aiohttp
from yarl import URL

from tocsin.cli._passing import client_session
from tocsin.cli.mcp.http.serving import proxy_to
from tocsin.cli.mcp.http.upstream import Upstream, modern
from tocsin.cli.mcp.lines import MAX_LINE_BYTES
from tocsin.cli.mcp.rulings import PARSE, REFUSED, error
from tocsin.cli.mcp.values import messages
from tocsin.wire.sse import Decoder, MessageTooLarge

__all__ = ["Bridge", "main"]

_MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
_AT_ONCE: Final = 100
_LAST_SECONDS: Final = 10.0  # for what is open when the client has ended
_RETRY_SECONDS: Final = 1.0  # before a stream is resumed, unless the server says otherwise
_MOST_RETRY_SECONDS: Final = 30.0
_RESUMPTIONS: Final = 5  # in turn without anything new
_VARIABLE: Final = re.compile(r"\$\{(\w+)\}", re.ASCII)


class _Failed(Exception):
    """The server did not answer as it should; the text says what to do."""


class Bridge:
    """One client's connection to one server."""

    def __init__(
        self, url: str, upstream: Upstream, session: aiohttp.ClientSession, sink: int
    ) -> None:
        """Write lines to the descriptor ``sink``."""
        self._url = url
        self._upstream = upstream
        self._session = session
        self._sink = sink
        self._proxy = proxy_to(url)
        self._writing = asyncio.Lock()
        self._open: dict[str, asyncio.Task[None]] = {}  # by request id
        self._tasks = set[asyncio.Task[None]]()
        self._listening: asyncio.Task[None] | None = None
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def run(self, lines: AsyncIterator[bytes]) -> None:
        """Pass lines on until they end, then wait for what is open, and end the session."""
        async for line in lines:
            if line.strip():
                await self._take(line)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_SECONDS)
        if self._listening is not None:
            self._listening.cancel()
        if self._upstream.session is not None:
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                response = await self._request("DELETE", None)
                response.close()

    async def _take(self, line: bytes) -> None:
        found = messages(line)
        if not found:
            await self._say(error(None, PARSE, "the line is no message of JSON-RPC"))
            return
        message = found[0] if len(found) == 1 else {}
        method = message.get("method")
        if method == "notifications/cancelled" and self._cancel(message):
            return
        await self._places.acquire()
        task = asyncio.create_task(self._exchange(line, message))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        key = repr(message.get("id"))
        if "id" in message and method is not None:
            self._open[key] = task
            task.add_done_callback(lambda _: self._open.pop(key, None))
        if method in ("initialize", "notifications/initialized"):
            # What comes after these counts in the session that they begin.
            await asyncio.wait([task])
        if method == "notifications/initialized" and self._listening is None:
            self._listening = asyncio.create_task(self._listen())

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._places.release()

    def _cancel(self, message: dict[str, Any]) -> bool:
        """End the stream of a request: in the newer protocol this is what cancels it."""
        params = message.get("params")
        id = params.get("requestId") if isinstance(params, dict) else None
        task = self._open.get(repr(id))
        if self._upstream.version is not None or task is None:
            return False
        task.cancel()
        return True

    async def _exchange(self, body: bytes, message: dict[str, Any]) -> None:
        """Send a message and write what comes back; a request is always answered."""
        wants = "id" in message and "method" in message
        try:
            answered = await self._post(body, message)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as failure:
            why = f"{self._url} can't be reached ({type(failure).__name__}): is the URL right?"
            if wants:
                await self._say(error(message["id"], REFUSED, why, reason="unreachable"))
            return
        except _Failed as failed:
            if wants:
                await self._say(error(message["id"], REFUSED, str(failed), reason="http_error"))
            return
        if wants and not answered:
            why = "the connection was lost before the answer came: call again"
            await self._say(error(message["id"], REFUSED, why, reason="connection_lost"))

    async def _post(self, body: bytes, message: dict[str, Any], again: bool = False) -> bool:
        """Send a message; return whether the request in it was answered."""
        opens = message.get("method") == "initialize"
        legacy = modern(message) is None
        async with await self._request("POST", body, message) as response:
            if response.status == 404 and legacy and self._upstream.session and not opens:
                if again or not await self._reopen():
                    raise _Failed("the server has ended the session: start the client anew")
                return await self._post(body, message, again=True)
            if opens and response.status == 200:
                self._upstream.session = response.headers.get("Mcp-Session-Id")
                self._upstream.opening = message
            return await self._read(response, message)

    async def _read(self, response: aiohttp.ClientResponse, message: dict[str, Any]) -> bool:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/event-stream" and response.status == 200:
            decoder = Decoder(max_message_bytes=_MAX_MESSAGE_BYTES)
            if await self._events(response, decoder, message):
                return True
            if modern(message) is None and decoder.last_event_id and "id" in message:
                return await self._resume(decoder, message)
            return False
        content = await _whole(response)
        found = messages(content)
        if any("id" in each or "method" in each for each in found):
            return await self._pass(content, found, message)
        if response.status < 300:
            return False
        raise _Failed(f"{self._url} answered with HTTP status {response.status}{_advice(response)}")

    async def _events(
        self, response: aiohttp.ClientResponse, decoder: Decoder, message: dict[str, Any]
    ) -> bool:
        """Write the messages of a stream; return whether the answer was among them."""
        answered = False
        with suppress(aiohttp.ClientError, TimeoutError, OSError):  # it broke off
            async for chunk in response.content.iter_any():
                try:
                    found = [event.data.encode() for event in decoder.feed(chunk)]
                except MessageTooLarge as large:
                    raise _Failed(f"the server's answer is too large: {large}") from large
                for data in found:
                    if data.strip():
                        answered |= await self._pass(data, messages(data), message)
        return answered

    async def _resume(self, decoder: Decoder, message: dict[str, Any]) -> bool:
        """Go on with a stream that broke off, from its last event."""
        idle = 0
        while idle < _RESUMPTIONS:
            seconds = _RETRY_SECONDS if decoder.retry_ms is None else decoder.retry_ms / 1000
            await asyncio.sleep(min(seconds, _MOST_RETRY_SECONDS))
            before = decoder.last_event_id
            try:
                resumed = await self._request("GET", None, last_event_id=before)
            except (aiohttp.ClientError, TimeoutError, OSError):
                idle += 1
                continue
            async with resumed as response:
                if response.status != 200:
                    return False
                after = Decoder(last_event_id=before, max_message_bytes=_MAX_MESSAGE_BYTES)
                if await self._events(response, after, message):
                    return True
                after.retry_ms = after.retry_ms or decoder.retry_ms
                decoder = after
            idle = 0 if decoder.last_event_id != before else idle + 1
        return False

    async def _listen(self) -> None:
        """Write what the server says of its own accord in a session, as long as it does."""
        decoder = Decoder(max_message_bytes=_MAX_MESSAGE_BYTES)
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, OSError, _Failed):
                async with await self._request(
                    "GET", None, last_event_id=decoder.last_event_id
                ) as response:
                    if response.status in (400, 404, 405):
                        return
                    if response.status == 200:
                        await self._events(response, decoder, {})
            decoder = Decoder(
                last_event_id=decoder.last_event_id, max_message_bytes=_MAX_MESSAGE_BYTES
            )
            await asyncio.sleep(_RETRY_SECONDS)

    async def _reopen(self) -> bool:
        """Begin a session anew, as the client began the one that the server has ended."""
        opening = self._upstream.opening
        if opening is None:
            return False
        self._upstream.session = None
        async with await self._request("POST", json.dumps(opening).encode(), opening) as response:
            if response.status != 200:
                return False
            await _whole(response)
            self._upstream.session = response.headers.get("Mcp-Session-Id")
        said = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        async with await self._request("POST", json.dumps(said).encode(), said) as response:
            return response.status < 300

    async def _request(
        self,
        method: str,
        body: bytes | None,
        message: dict[str, Any] | None = None,
        last_event_id: str = "",
    ) -> aiohttp.ClientResponse:
        headers = self._upstream.headers(message)
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        return await self._session.request(
            method,
            URL(self._url, encoded=True),
            headers=headers,
            data=body,
            allow_redirects=False,  # a header with a key would go elsewhere
            proxy=self._proxy,
        )

    async def _pass(
        self, data: bytes, found: list[dict[str, Any]], message: dict[str, Any]
    ) -> bool:
        """Write a message as one line; return whether it answers ``message``."""
        for each in found:
            if "result" in each:
                self._upstream.listed(each["result"])
        mine = [
            each for each in found if "method" not in each and each.get("id") == message.get("id")
        ]
        if mine and message.get("method") == "initialize":
            result = mine[0].get("result")
            version = result.get("protocolVersion") if isinstance(result, dict) else None
            self._upstream.version = version if isinstance(version, str) else None
        # Line ends stand between the tokens of JSON only.
        await self._write(data.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n")
        return bool(mine)

    async def _say(self, message: dict[str, Any]) -> None:
        await self._write(json.dumps(message).encode() + b"\n")

    async def _write(self, line: bytes) -> None:
        async with self._writing:  # a client that reads slowly is waited for
            try:
                await asyncio.to_thread(_write_all, self._sink, line)
            except BrokenPipeError:  # nobody reads: there is nothing left to do
                os._exit(0)


def main(arguments: Sequence[str]) -> None:
    """Be a server over stdio: ``[--header 'NAME: VALUE']... -- URL``."""
    *options, url = arguments
    given = [each for each in options if each not in ("--header", "--")]
    with suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(_run(url, dict(map(_header, given))))


async def _run(url: str, given: dict[str, str]) -> None:
    async with client_session() as session:
        reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await Bridge(url, Upstream(given), session, sys.stdout.fileno()).run(_lines(reader))


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        try:
            line = await reader.readline()
        except ValueError:  # too long: what is left of it is no message
            continue
        if not line:
            return
        yield line.rstrip(b"\r\n")


def _header(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    filled = _VARIABLE.sub(lambda found: os.environ.get(found[1], ""), value.strip())
    return name.strip(), filled


def _advice(response: aiohttp.ClientResponse) -> str:
    if response.status in (401, 403):
        return ": give a token with --header 'Authorization: Bearer ${VARIABLE}'"
    if 300 <= response.status < 400:
        return ": give the URL where it leads"
    return ""


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > _MAX_MESSAGE_BYTES:
            raise _Failed("the server's answer is too large")
    return bytes(content)


def _write_all(sink: int, line: bytes) -> None:
    rest = memoryview(line)
    while rest:
        rest = rest[os.write(sink, rest) :]


if __name__ == "__main__":
    main(sys.argv[1:])
