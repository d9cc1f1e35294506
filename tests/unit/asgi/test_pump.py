"""The pump, between a log in memory and a server that a test plays."""

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fakes.tenant import Tenant
from support.waiting import HANG_SECONDS
from tocsin.asgi.pump import pump
from tocsin.services.stream.backlog import Backlog
from tocsin.services.stream.log import LiveLog
from tocsin.services.stream.ring import Ring
from tocsin.services.stream.subscriber import Pace, Subscriber
from tocsin.wire import govrix

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Server:
    """One response; ``ready`` says whether its client takes what is sent."""

    def __init__(self) -> None:
        self.body = b""
        self.complete = False
        self.ready = asyncio.Event()
        self.ready.set()
        self.left = asyncio.Event()
        self.breaks: Exception | None = None

    async def send(self, message: MutableMapping[str, Any]) -> None:
        await self.ready.wait()
        if self.breaks:
            raise self.breaks
        self.body += message.get("body", b"")
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.complete = True
            self.left.set()

    async def receive(self) -> MutableMapping[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}


class Stage:
    def __init__(self) -> None:
        self._tenant = Tenant()
        head = self._tenant.ledger.head(self._tenant.org)
        self.log = LiveLog(self._tenant.org, Ring(head.seq, head.hash, 100, 100_000))
        self._history = Backlog(lambda *_: [])

    def stream(self, server: Server) -> tuple[Subscriber, asyncio.Task[None]]:
        subscriber = Subscriber(self.log, self._history, govrix.encode, 0, Pace())
        serving = asyncio.create_task(pump(subscriber, b"hello", server.receive, server.send))
        return subscriber, serving

    @property
    def waiting(self) -> int:
        """How many wait for the log: alone, or as an audience's members."""
        return len(self.log.waiting) + len(self.log.audience(govrix.encode))

    def seal(self, count: int) -> None:
        assert self.log.append(self._tenant.add(count))
        self.log.wake()


async def _turns(done: Callable[[], bool]) -> None:
    """Let the loop turn until something is so."""
    for _ in range(1_000):
        if done():
            return
        await asyncio.sleep(0)
    raise AssertionError("it does not come to that")


@asynccontextmanager
async def streaming(server: Server) -> AsyncIterator[tuple[Stage, Subscriber, asyncio.Task[None]]]:
    stage = Stage()
    subscriber, serving = stage.stream(server)
    try:
        await _turns(lambda: stage.waiting > 0)
        async with asyncio.timeout(HANG_SECONDS):
            yield stage, subscriber, serving
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def test_what_is_appended_has_been_sent_when_the_next_line_runs() -> None:
    server = Server()
    async with streaming(server) as (stage, _, _):
        stage.seal(2)
        assert b"\nid: 1\n" in server.body
        assert b"\nid: 2\n" in server.body


async def test_an_idle_stream_is_one_task() -> None:
    before = len(asyncio.all_tasks())
    async with streaming(Server()) as (stage, _, _):
        stage.seal(1)
        assert len(asyncio.all_tasks()) == before + 1


async def test_a_client_that_is_slow_delays_nobody_and_misses_nothing() -> None:
    slow, quick = Server(), Server()
    async with streaming(slow) as (stage, _, _):
        _, other = stage.stream(quick)
        await _turns(lambda: stage.waiting == 2)
        slow.ready.clear()
        for _ in range(3):
            stage.seal(1)
        assert quick.body.count(b"\ndata: ") == 3
        assert slow.body.count(b"\ndata: ") == 0
        slow.ready.set()
        await _turns(lambda: slow.body == quick.body)
        quick.left.set()
        await other


async def test_the_end_of_the_stream_ends_the_response() -> None:
    server = Server()
    async with streaming(server) as (_, subscriber, serving):
        subscriber.end(b"bye")
        await serving
        assert server.body.endswith(b"bye")
        assert server.complete


async def test_nothing_is_sent_to_who_has_left() -> None:
    server = Server()
    async with streaming(server) as (stage, _, serving):
        server.left.set()
        await serving
        stage.seal(1)
        assert server.body == b"hello"


async def test_a_client_that_leaves_while_it_is_sent_something_is_no_error() -> None:
    server = Server()
    async with streaming(server) as (stage, _, serving):
        server.breaks = ConnectionResetError()
        stage.seal(1)
        server.left.set()
        await serving


async def test_nothing_is_left_of_a_client_that_leaves_while_it_takes_nothing() -> None:
    before = len(asyncio.all_tasks())
    server = Server()
    async with streaming(server) as (stage, _, serving):
        server.ready.clear()
        stage.seal(1)
        assert len(asyncio.all_tasks()) == before + 2
        server.left.set()
        await serving
        await _turns(lambda: len(asyncio.all_tasks()) == before)


async def test_the_server_hears_of_a_failure() -> None:
    server = Server()
    async with streaming(server) as (stage, _, serving):
        server.breaks = ValueError("what the server did not expect")
        stage.seal(1)
        with pytest.raises(ValueError, match="did not expect"):
            await serving


async def test_a_stalled_client_is_given_up_where_its_connection_can_not_be_broken() -> None:
    server = Server()
    async with streaming(server) as (stage, subscriber, serving):
        server.ready.clear()
        stage.seal(1)
        subscriber.tick(asyncio.get_running_loop().time() + 3_600)
        await serving
        assert not server.complete


async def test_who_cancels_a_stream_sees_it_cancelled() -> None:
    async with streaming(Server()) as (_, _, serving):
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving


class SlowServer(Server):
    """A server as uvicorn is: it takes everything, and says when the connection can't send it."""

    def __init__(self) -> None:
        super().__init__()
        self.chunked_encoding: bool | None = None
        self.protocol: Any = ServersProtocol()
        self.stuffed = False  # whether the next write fills it
        self.unsent_bytes = 0
        self.high: int | None = None
        self.aborted = False

    @property
    def transport(self) -> Any:
        return self

    def drain(self) -> None:
        """Let the client take everything."""
        self.stuffed, self.unsent_bytes = False, 0
        self.protocol.resume_writing()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.chunked_encoding = True  # as it says when it starts
        await super().send(message)

    def write(self, data: bytes) -> None:
        if self.breaks:
            raise self.breaks
        size, _, rest = data.partition(b"\r\n")
        assert len(rest) == int(size, 16) + 2
        assert rest.endswith(b"\r\n")
        self.body += rest[:-2]
        if self.stuffed:
            paused, self.unsent_bytes = self.unsent_bytes > 0, self.unsent_bytes + len(data)
            if not paused:
                self.protocol.pause_writing()

    def get_protocol(self) -> Any:
        return self.protocol

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def set_write_buffer_limits(self, high: int | None = None) -> None:
        self.high = high

    def get_extra_info(self, name: str) -> None:
        return None

    def abort(self) -> None:
        self.aborted = True


class ServersProtocol(asyncio.Protocol):
    """What a server hears of its connection."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def pause_writing(self) -> None:
        self.heard.append("pause")

    def resume_writing(self) -> None:
        self.heard.append("resume")

    def data_received(self, data: bytes) -> None:
        self.heard.append(f"data {data!r}")

    def eof_received(self) -> bool | None:
        self.heard.append("end")
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.heard.append(f"lost {error}")


async def test_a_stream_takes_nothing_more_while_its_connection_can_not_send() -> None:
    server = SlowServer()
    async with streaming(server) as (stage, subscriber, _):
        assert server.high == 0  # any byte counts
        server.stuffed = True
        stage.seal(1)
        stage.seal(1)
        assert subscriber.cursor == 1
        unsent = stage.log.unsent
        assert 0 < unsent._size_bytes == unsent._orgs["acme"] < 1_000
        server.drain()
        await _turns(lambda: subscriber.cursor == 2)
        assert unsent._size_bytes == 0


async def test_who_is_given_up_for_others_is_cut_once_and_counts_for_nothing() -> None:
    server = SlowServer()
    async with streaming(server) as (stage, subscriber, serving):
        server.stuffed = True
        stage.seal(1)
        subscriber.give_up()
        subscriber.give_up()
        assert server.aborted
        server.left.set()
        await asyncio.gather(serving, return_exceptions=True)
        await _turns(lambda: stage.log.unsent._size_bytes == 0)


@pytest.mark.parametrize("count", [1, 40])
async def test_all_who_are_sent_the_same_are_written_the_same_object(count: int) -> None:
    servers = [Recording(), Recording()]
    async with streaming(servers[0]) as (stage, _, _):
        _, other = stage.stream(servers[1])
        await _turns(lambda: stage.waiting == 2)
        stage.seal(count)
        (one,), (another,) = (each.written for each in servers)
        assert one is another
        servers[1].left.set()
        await other


async def test_a_connection_that_breaks_ends_its_stream_and_no_other() -> None:
    broken, fine = SlowServer(), SlowServer()
    async with streaming(fine) as (stage, _, _):
        _, serving = stage.stream(broken)
        await _turns(lambda: stage.waiting == 2)
        broken.breaks = RuntimeError("closed")
        stage.seal(1)
        assert b"\nid: 1\n" in fine.body
        with pytest.raises(RuntimeError, match="closed"):
            await serving


async def test_nothing_is_written_past_what_a_connection_has_yet_to_send() -> None:
    server = Recording()
    async with streaming(server) as (stage, subscriber, _):
        server.stuffed = True
        for _ in range(3):
            stage.seal(1)
        assert len(server.written) == 1
        server.drain()
        await _turns(lambda: subscriber.cursor == 3)
        assert server.body.count(b"\ndata: ") == 3


async def test_the_server_hears_what_its_connection_does_and_has_it_back_in_the_end() -> None:
    server = SlowServer()
    servers = server.protocol
    async with streaming(server) as (stage, subscriber, serving):
        standing = server.protocol
        standing.data_received(b"x")
        assert standing.eof_received()
        server.stuffed = True
        stage.seal(1)
        server.drain()
        await _turns(lambda: stage.waiting == 1)
        assert servers.heard == ["data b'x'", "end", "pause", "resume"]
        subscriber.end()
        await serving
        assert server.protocol is servers
        assert server.high is None


@pytest.mark.parametrize("stuffed", [True, False])
async def test_a_client_that_is_lost_holds_nothing_up_and_is_no_error(stuffed: bool) -> None:
    server = SlowServer()
    async with streaming(server) as (stage, _, serving):
        server.stuffed = stuffed
        stage.seal(1)
        server.breaks = ConnectionResetError()  # by the loop, which has told it before
        server.protocol.connection_lost(None)
        stage.seal(1)
        server.left.set()
        await serving
        await _turns(lambda: stage.log.unsent._size_bytes == 0)


async def test_the_end_comes_after_what_was_written() -> None:
    server = SlowServer()
    async with streaming(server) as (stage, subscriber, serving):
        stage.seal(1)
        subscriber.end(b"bye")
        await serving
        assert server.body.endswith(b"bye")
        assert server.complete


class Recording(SlowServer):
    """Keeps the objects that are written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)
        super().write(data)
