"""The floor: servers that only write the same bytes to every client, in C and in Python.

Nothing is parsed, verified or filtered, nobody is slow, and each piece comes ready on the standard
input, with its framing. What another server takes more than these is its own.
"""

import asyncio
import contextlib
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop

from bench.stream.process import more_files

__all__ = ["FLOORS", "floor", "serve"]

SOURCE = Path(__file__).with_suffix(".c")
HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"transfer-encoding: chunked\r\n\r\n9\r\n: hello\n\n\r\n"
)
_LENGTH_BYTES = 4


@contextlib.contextmanager
def floor(name: str) -> Iterator[tuple[int, int, Callable[[bytes], None]]]:
    """Run one of :data:`FLOORS`; yield its port, its process id, and what has it write something.

    Raises:
        RuntimeError: there is no C compiler, or the server does not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", f"from bench.stream.floor import serve; serve({name!r})"]
        if name == "C":
            command = [_compiled(folder)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("pipes were asked for")
            to = process.stdin

            def write(data: bytes) -> None:
                to.write(len(data).to_bytes(_LENGTH_BYTES, "little") + data)
                to.flush()

            try:
                yield int(process.stdout.readline()), process.pid, write
            finally:
                process.kill()


def _compiled(folder: str) -> str:
    compiler = shutil.which("cc")
    if compiler is None:
        raise RuntimeError("the floor is measured in C, too: run apt-get install gcc libc6-dev")
    program = str(Path(folder, "floor"))
    subprocess.run([compiler, "-O2", "-o", program, str(SOURCE)], check=True)  # noqa: S603
    return program


def _send() -> None:
    """Write to the sockets, in a loop over epoll."""
    clients: dict[int, socket.socket] = {}
    listener = socket.create_server(("127.0.0.1", 0), backlog=4_096)
    _listening(listener)
    poller = select.epoll()
    for each in (0, listener.fileno()):
        poller.register(each, select.EPOLLIN)
    ready: list[int] = []
    while True:
        for number, _ in poller.poll():
            if number == 0:
                data = _piece()
                for client in ready:
                    if os.write(client, data) != len(data):
                        raise RuntimeError("a client is slow")
            elif number == listener.fileno():
                accepted, _ = listener.accept()
                clients[accepted.fileno()] = accepted
                poller.register(accepted, select.EPOLLIN)
            elif clients[number].recv(65_536):
                clients[number].sendall(HEAD)
                clients[number].setblocking(False)
                ready.append(number)
            else:
                return


def _transports() -> None:
    """Write to asyncio's transports, which write at once if nothing is unsent."""
    transports: list[asyncio.Transport] = []

    class Client(asyncio.Protocol):
        transport: asyncio.Transport

        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            transport.set_write_buffer_limits(high=0)

        def data_received(self, data: bytes) -> None:
            self.transport.write(HEAD)
            transports.append(self.transport)

    def publish() -> None:
        data = _piece()
        for transport in transports:
            transport.write(data)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0), backlog=4_096)
        await loop.create_server(Client, sock=listener)
        loop.add_reader(0, publish)
        _listening(listener)
        await asyncio.Event().wait()

    asyncio.run(serve())


def _uvloop() -> None:
    uvloop.install()
    _transports()


def _piece() -> bytes:
    return _exactly(int.from_bytes(_exactly(_LENGTH_BYTES), "little"))


def _exactly(size_bytes: int) -> bytes:
    data = b""
    while len(data) < size_bytes:
        piece = os.read(0, size_bytes - len(data))
        if not piece:
            raise SystemExit
        data += piece
    return data


def _listening(listener: socket.socket) -> None:
    print(listener.getsockname()[1], flush=True)


def serve(name: str) -> None:
    """Serve in this process, as one of :data:`FLOORS` that is in Python."""
    more_files()
    _IN_PYTHON[name]()


_IN_PYTHON = {"send": _send, "uvloop": _uvloop, "asyncio": _transports}
FLOORS = ("C", *_IN_PYTHON)
