"""A vendor of models on loopback that answers what a test tells it to, byte by byte."""

import asyncio
import json
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition, Event, Thread
from typing import Any

from support.waiting import HANG_SECONDS

__all__ = [
    "ENDLESS",
    "RESET",
    "WAIT",
    "Asked",
    "Step",
    "Vendor",
    "answer",
    "chunked",
    "event_stream",
    "json_answer",
    "vendor",
]

_DATE = "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nServer: vendor\r\n"


class _Reset:
    """The connection is reset here."""


class _Wait:
    """Nothing more comes until the test says so."""


class _Endless:
    """The step before is repeated for as long as the client reads."""


RESET, WAIT, ENDLESS = _Reset(), _Wait(), _Endless()

type Step = bytes | _Reset | _Wait | _Endless


@dataclass(frozen=True)
class Asked:
    """A request as the vendor got it."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def named(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers}


@dataclass
class Vendor:
    """Answers a request by its path, without a query, or by its body's ``model``."""

    answers: dict[str, list[Step]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    changed: Condition = field(default_factory=Condition)
    gone: int = 0  # clients that went before the end
    sent_bytes: int = 0
    connections: int = 0
    goes_on: Event = field(default_factory=Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def until(self, true: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(true, HANG_SECONDS), f"never came: {self.asked[-3:]!r}"

    def _note(self, change: Callable[[], None]) -> None:
        with self.changed:
            change()
            self.changed.notify_all()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        try:
            while head := await _head(reader):
                asked = await _request(head, reader)
                self._note(lambda asked=asked: self.asked.append(asked))  # type: ignore[misc]
                if not await self._answer(asked, reader, writer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            self._note(lambda: setattr(self, "gone", self.gone + 1))
        finally:
            writer.close()

    async def _answer(
        self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        last = b""
        for step in self._steps(asked):
            if isinstance(step, bytes):
                last = step
                await self._send(writer, step)
            elif step is WAIT:
                await self._wait(reader)
            elif step is ENDLESS:
                while True:
                    await self._send(writer, last)
            else:
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return False
        return True

    async def _wait(self, reader: asyncio.StreamReader) -> None:
        while not self.goes_on.is_set():
            if reader.at_eof():
                raise ConnectionResetError
            await asyncio.sleep(0.01)

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()
        self.sent_bytes += len(data)

    def _steps(self, asked: Asked) -> list[Step]:
        path = asked.path.partition("?")[0]
        if path in self.answers:
            return self.answers[path]
        try:
            return self.answers[json.loads(asked.body)["model"]]
        except (ValueError, KeyError):
            return json_answer({"error": {"message": "no such thing", "type": "t"}}, 404)


async def _head(reader: asyncio.StreamReader) -> list[bytes]:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
    except asyncio.IncompleteReadError:
        return []


async def _request(head: list[bytes], reader: asyncio.StreamReader) -> Asked:
    method, path, _ = head[0].decode().split(" ")
    pairs = [line.decode("latin-1").split(": ", 1) for line in head[1:]]
    headers = [(name, value) for name, value in pairs]
    named = {name.lower(): value for name, value in headers}
    body = b""
    if "chunked" in named.get("transfer-encoding", ""):
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    elif length := int(named.get("content-length", "0")):
        body = await reader.readexactly(length)
    return Asked(method, path, headers, body)


def answer(
    body: bytes, media_type: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> list[Step]:
    """Return an answer with a length."""
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = f"HTTP/1.1 {status} Whatever\r\n{_DATE}Content-Type: {media_type}\r\n{more}"
    return [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body]


def json_answer(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> list[Step]:
    """Return an answer of JSON."""
    return answer(json.dumps(value).encode(), "application/json", status, headers)


def chunked(
    *parts: Step, media_type: str = "text/event-stream", headers: Mapping[str, str] | None = None
) -> list[Step]:
    """Return an answer in chunks, up to its end unless it stops before."""
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = f"HTTP/1.1 200 OK\r\n{_DATE}Content-Type: {media_type}\r\n{more}"
    steps: list[Step] = [f"{head}Transfer-Encoding: chunked\r\n\r\n".encode()]
    for part in parts:
        steps.append(b"%x\r\n%b\r\n" % (len(part), part) if isinstance(part, bytes) else part)
    return steps if parts and parts[-1] in (RESET, ENDLESS) else [*steps, b"0\r\n\r\n"]


def event_stream(*values: Any, named: bool = False) -> list[bytes]:
    """Return the events of a stream, each as its bytes; text stands as it is."""
    return [
        (f"event: {value['type']}\n" if named else "").encode()
        + b"data: "
        + (value if isinstance(value, str) else json.dumps(value)).encode()
        + b"\n\n"
        for value in values
    ]


def _listener() -> socket.socket:
    """Return a socket whose connections send at once: asyncio looks for the protocol."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


async def _run(vendor: Vendor, listener: socket.socket, stopped: asyncio.Event) -> None:
    server = await asyncio.start_server(vendor.serve, sock=listener, limit=1024 * 1024)
    await stopped.wait()
    server.close()
    vendor.goes_on.set()
    server.abort_clients()
    await server.wait_closed()


@contextmanager
def vendor() -> Iterator[Vendor]:
    """Yield one that listens, in a thread of its own."""
    made = Vendor()
    listener = _listener()
    made.port = listener.getsockname()[1]
    loop, stopped = asyncio.new_event_loop(), asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(_run(made, listener, stopped))

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(HANG_SECONDS)


if __name__ == "__main__":  # for the benchmark: the answers as JSON on standard input
    made = Vendor(
        {name: [each.encode() for each in steps] for name, steps in json.load(sys.stdin).items()}
    )
    made.goes_on.set()
    listener = _listener()
    print(listener.getsockname()[1], flush=True)
    asyncio.run(_run(made, listener, asyncio.Event()))
