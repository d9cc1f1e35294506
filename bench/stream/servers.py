"""The servers that are compared, each with its publisher."""

import contextlib
import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.stream.apps import Feeding, serve
from bench.stream.events import HISTORY, ORG, data, made, sealed
from bench.stream.floor import FLOORS, floor
from bench.stream.nchan import NchanPublisher, free_port, nchan
from bench.stream.process import Usage, more_files
from tocsin.adapters.valkey.broker import ValkeyBroker
from tocsin.domain.keys import Scope, mint
from tocsin.wire import channel, govrix

__all__ = ["BUFFERED", "SERVERS", "Server", "running"]

BUFFERED = 4_096  # events that nchan's channel and Tocsin's ring hold
START_SECONDS = 30
_SPAWN = multiprocessing.get_context("spawn")
_GOVRIX, _RAMPART = "/api/v1/events/stream", "/v1/events/stream"
_AGENT = "agt_01hx9z2k3mq4n5p6r7s8t9u0v"
# These filters let every event of the bench through, so that all clients get the same.
_FILTERS = (
    "types=tool_call",
    f"agent_id={_AGENT}",
    "action=allow",
    f"types=tool_call,completion&agent_id={_AGENT}",
)

# The headers of a browser's EventSource, which some servers keep in memory.
_BROWSERS_HEADERS = "".join(
    f"{line}\r\n"
    for line in (
        "Host: 127.0.0.1:8080",
        "Connection: keep-alive",
        'sec-ch-ua-platform: "Linux"',
        "Cache-Control: no-cache",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/140.0.0.0 Safari/537.36",
        "Accept: text/event-stream",
        'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"',
        "sec-ch-ua-mobile: ?0",
        "Sec-Fetch-Site: same-origin",
        "Sec-Fetch-Mode: cors",
        "Sec-Fetch-Dest: empty",
        "Referer: http://127.0.0.1:8080/",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Accept-Language: en-GB,en;q=0.9",
    )
)

SERVERS = ("tocsin", "rampart", "nchan", "plain")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: ``live`` and ``replay`` make the request of the client with that number."""

    port: int
    usage: Usage
    live: Callable[[int], bytes]
    replay: Callable[[int], bytes]  # of the last BUFFERED events
    everything: Callable[[int], bytes]  # from the ledger, if there is one
    publish: Callable[[int], None]  # publishes so many segments


@contextlib.contextmanager
def running(name: str, valkey_url: str, bursts: int, singles: int) -> Iterator[Server]:
    """Run a server; its ledger ends with ``bursts`` segments of many events, ``singles`` of one."""
    if name == "nchan":
        with _nchan(bursts, singles) as server:
            yield server
    elif name in FLOORS:
        with _floor(name, bursts, singles) as server:
            yield server
    else:
        with _uvicorn(name, valkey_url, bursts, singles) as server:
            yield server


@contextlib.contextmanager
def _nchan(bursts: int, singles: int) -> Iterator[Server]:
    pieces = iter(
        [[data(event) for event in sealed(*each)] for each in made(bursts, singles)[HISTORY:]]
    )
    with (
        nchan(more_files(), BUFFERED) as (port, pid),
        contextlib.closing(NchanPublisher(port)) as publisher,
    ):

        def publish(count: int) -> None:
            publisher.publish([each for _ in range(count) for each in next(pieces)])

        replay = _request("/replay")
        yield Server(port, Usage(pid), _request("/live"), replay, replay, publish)


@contextlib.contextmanager
def _floor(name: str, bursts: int, singles: int) -> Iterator[Server]:
    messages = [b"".join(map(govrix.encode, sealed(*each))) for each in made(bursts, singles)]
    pieces = iter([b"%x\r\n%b\r\n" % (len(each), each) for each in messages[HISTORY + bursts :]])
    with floor(name) as (port, pid, write):

        def publish(count: int) -> None:
            for _ in range(count):
                write(next(pieces))

        live = _request("/")
        yield Server(port, Usage(pid), live, live, live, publish)


@contextlib.contextmanager
def _uvicorn(name: str, valkey_url: str, bursts: int, singles: int) -> Iterator[Server]:
    ledger = made(bursts, singles)
    messages = [channel.encode(sealed(*each)) for each in ledger[HISTORY:]]
    port, published = free_port(), _SPAWN.Value("q", HISTORY)
    token, key = mint(ORG, frozenset({Scope.READ}), "bench", 0)
    app = {"rampart": "tocsin"}.get(name, name)
    feeding = Feeding(valkey_url, bursts, singles, published, key)
    process = _SPAWN.Process(target=serve, args=(app, port, feeding), daemon=True)
    process.start()
    broker = ValkeyBroker(valkey_url)

    def publish(count: int) -> None:
        for _ in range(count):
            published.value += 1  # it is in the ledger before it is published
            broker.publish(ORG, messages[published.value - HISTORY - 1])

    def everything(number: int) -> bytes:
        return live(number).replace(b" HTTP", b"&after=0 HTTP")

    def replay(number: int) -> bytes:
        after = ledger[published.value - 1][0].last_seq - BUFFERED
        return live(number).replace(b" HTTP", b"&after=%d HTTP" % after)

    paths = [f"{_RAMPART if name == 'rampart' else _GOVRIX}?{each}" for each in _FILTERS]
    live = _request(*(paths if app == "tocsin" else "/"), credential=f"Bearer {token}")
    try:
        _wait_for(port, process)
        yield Server(port, Usage(_pid(process)), live, replay, everything, publish)
    finally:
        process.terminate()
        process.join(20)
        broker.close()


def _wait_for(port: int, process: Any) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.is_alive():
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("a server did not start")


def _pid(process: Any) -> int:
    return int(process.pid)


def _request(*paths: str, credential: str = "none") -> Callable[[int], bytes]:
    """Return a function that makes the request of a client, with the paths in turn."""
    requests: Sequence[bytes] = [
        f"GET {path} HTTP/1.1\r\n{_BROWSERS_HEADERS}Authorization: {credential}\r\n\r\n".encode()
        for path in paths
    ]
    return lambda number: requests[number % len(requests)]
