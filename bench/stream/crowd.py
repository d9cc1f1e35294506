"""Many clients in a process of their own, which read with epoll and count, and do nothing else.

An event holds :data:`~bench.stream.events.MARK` once, so counting that byte counts events wherever
the pieces of a response are cut, and every connection's count is known exactly.

To read a burst takes longer than a server takes to send it. So of bursts only every tenth client
reads and counts; the others have the kernel drop what came (``MSG_TRUNC``), and their events follow
from the bytes: they may differ by HTTP's framing, and by less than half an event.
"""

import multiprocessing
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from bench.stream.events import MARK
from bench.stream.process import more_files

__all__ = ["Crowd", "Heard"]

SECONDS = 120  # after this a measurement is given up
PIECE_BYTES = 256 * 1024
READ_BURSTS = 10  # one of so many clients
CONNECTING_AT_ONCE = 200
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Heard:
    """When the last event came (by the clock that processes share), and how late each was.

    ``cpu_seconds`` is the CPU time that the clients used.
    """

    at: float
    cpu_seconds: float
    latencies: list[float]


class Crowd:
    """The clients, as the parent process sees them: it asks, and gets answers."""

    def __init__(self, port: int, published_at: Any = None) -> None:
        """Start the process; ``published_at`` is a shared array of the events' moments."""
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_run, args=(theirs, port, published_at), daemon=True)
        self._process.start()
        theirs.close()

    def join(self, requests: Sequence[bytes]) -> None:
        """Connect a client for each request, and wait until each has its first bytes."""
        self._ask("join", requests)
        self._answer()

    def expect(self, events: int, *, timed: bool = False) -> None:
        """Have each client count so many more events; if ``timed``, note when they come."""
        self._ask("hear", (events, timed))

    def expect_burst(self, events: int) -> None:
        """Have clients count so many more events; most drop what they get, and count its bytes."""
        self._ask("drop", (events,))

    def heard(self) -> Heard:
        """Wait until all clients have what :meth:`expect` asked for.

        Raises:
            RuntimeError: a client got more or less, or it took too long.
        """
        heard: Heard = self._answer()
        return heard

    def close(self) -> None:
        """Disconnect all."""
        self._pipe.close()
        self._process.join(20)

    def _ask(self, *request: Any) -> None:
        self._pipe.send(request)

    def _answer(self) -> Any:
        if not self._pipe.poll(SECONDS):
            self._process.kill()
            raise RuntimeError(f"the clients did not get what they expect within {SECONDS} s")
        answer = self._pipe.recv()
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer


def _run(pipe: Connection, port: int, published_at: Any) -> None:
    more_files()
    clients = _Clients(port, published_at)
    try:
        while True:
            what, value = pipe.recv()
            if what == "join":
                for first in range(0, len(value), CONNECTING_AT_ONCE):
                    clients.join(value[first : first + CONNECTING_AT_ONCE])
                pipe.send(True)
            else:
                pipe.send((clients.hear if what == "hear" else clients.drop)(*value))
    except EOFError:
        pass


class _Clients:
    def __init__(self, port: int, published_at: Any) -> None:
        self._address = ("127.0.0.1", port)
        self._published_at = published_at
        self._poller = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._counts: dict[int, int] = {}
        self._expected = 0
        self._piece = bytearray(PIECE_BYTES)

    def join(self, requests: Sequence[bytes]) -> None:
        opening = {}
        for request in requests:
            client = socket.create_connection(self._address)
            client.sendall(request)
            client.setblocking(False)
            self._sockets[client.fileno()] = client
            opening[client.fileno()] = b""
            self._poller.register(client, select.EPOLLIN)
        while opening:
            for number, _ in self._wait():
                data = self._sockets[number].recv(PIECE_BYTES)
                if number not in opening:
                    self._counts[number] += data.count(MARK)
                    continue
                opening[number] = head = opening[number] + data
                if b"\r\n\r\n" in head and not head.endswith(b"\r\n\r\n"):
                    if not head.startswith(b"HTTP/1.1 200 "):
                        raise RuntimeError(f"a client was refused: {head!r}")
                    del opening[number]
                    self._counts[number] = self._expected + head.count(MARK)

    def hear(self, events: int, timed: bool) -> Heard | str:
        began, cpu = self._expected, time.process_time()
        self._expected += events
        missing = self._expected * len(self._counts) - sum(self._counts.values())
        counts, piece = self._counts, self._piece
        latencies: list[float] = []
        readers = {number: each.recv_into for number, each in self._sockets.items()}
        while missing > 0:
            for number, _ in self._wait():
                size_bytes = readers[number](piece)
                if not size_bytes:
                    return "a server closed a connection"
                found = piece.count(MARK, 0, size_bytes)
                count = counts[number]
                counts[number] = count + found
                missing -= found
                if timed:
                    now = time.perf_counter()
                    for place in range(count - began, count - began + found):
                        latencies.append(now - self._published_at[place])
        at = time.perf_counter()
        if wrong := {count for count in counts.values() if count != self._expected}:
            return f"clients got {sorted(wrong)} events instead of {self._expected}"
        return Heard(at, time.process_time() - cpu, latencies)

    def drop(self, events: int) -> Heard | str:
        cpu = time.process_time()
        self._expected += events
        counts, piece = self._counts, self._piece
        readers = dict(list(self._sockets.items())[::READ_BURSTS])
        missing = self._expected * len(readers) - sum(counts[number] for number in readers)
        got = dict.fromkeys(counts, 0)  # bytes
        behind = set(counts)
        least = 0.0  # bytes, once the readers have everything
        while behind:
            for number, _ in self._wait():
                if number in readers:
                    size_bytes = readers[number].recv_into(piece)
                    found = piece.count(MARK, 0, size_bytes)
                    counts[number] += found
                    missing -= found
                else:
                    flags = socket.MSG_TRUNC
                    size_bytes = self._sockets[number].recv_into(piece, PIECE_BYTES, flags)
                if not size_bytes:
                    return "a server closed a connection"
                got[number] += size_bytes
                if least and got[number] >= least:
                    behind.discard(number)
            if not missing and not least:
                least = min(got[number] for number in readers) * (1 - 0.5 / events)
                behind = {number for number, each in got.items() if each < least}
        at = time.perf_counter()
        if max(got.values()) > min(got.values()) * (1 + 0.5 / events):
            return f"clients got from {min(got.values())} to {max(got.values())} bytes"
        counts.update(dict.fromkeys(counts.keys() - readers.keys(), self._expected))
        return Heard(at, time.process_time() - cpu, [])

    def _wait(self) -> list[tuple[int, int]]:
        ready = self._poller.poll(SECONDS)
        if not ready:
            raise RuntimeError("nothing comes any more")
        return ready
