"""A receiver of webhooks that does nothing but answer: ``python -m bench.deliveries.receiver``.

It is a process of its own, so that its CPU time is not a sender's, and keeps connections open. Its
arguments are a port and how many milliseconds it takes; ``GET`` tells how many requests have come,
and their bytes.
"""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import httpx
import orjson
import uvloop

from tocsin.local.addresses import LOOPBACK, keep, reserve

__all__ = ["Target", "receiving"]

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Target:
    """A receiver that runs."""

    url: str

    def came(self) -> tuple[int, int]:
        """Return how many requests have come, and their bytes."""
        told = orjson.loads(httpx.get(self.url, trust_env=False, timeout=30).content)
        return told["requests"], told["bytes"]


@contextmanager
def receiving(delay_ms: int = 0) -> Iterator[Target]:
    """Run a receiver on a free port of loopback."""
    port = keep(reserve(0))
    command = (sys.executable, "-m", "bench.deliveries.receiver", str(port), str(delay_ms))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:  # noqa: S603
        target, deadline = (
            Target(f"http://{LOOPBACK}:{port}/hook"),
            time.monotonic() + _START_SECONDS,
        )
        try:
            while True:
                try:
                    target.came()
                    break
                except httpx.TransportError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError("the receiver did not get ready") from None
                    time.sleep(0.1)
            yield target
        finally:
            process.terminate()


class _Counted:
    def __init__(self) -> None:
        self.requests = 0
        self.bytes = 0


class _Connection(asyncio.Protocol):
    """One connection, of which requests come one after the other."""

    def __init__(self, counted: _Counted, delay_seconds: float) -> None:
        self._counted = counted
        self._delay_seconds = delay_seconds
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what is written to."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer what is whole."""
        self._rest += data
        head, found, body = self._rest.partition(b"\r\n\r\n")
        if not found:
            return
        length = _LENGTH.search(head)
        if len(body) < (int(length[1]) if length else 0):
            return
        size, self._rest = len(self._rest), b""
        if head.startswith(b"GET"):
            told = orjson.dumps({"requests": self._counted.requests, "bytes": self._counted.bytes})
            self._answer(told)
            return
        self._counted.requests += 1
        self._counted.bytes += size
        if self._delay_seconds:
            asyncio.get_running_loop().call_later(self._delay_seconds, self._answer, b"")
        else:
            self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )


async def _serve(port: int, delay_ms: int) -> None:
    counted = _Counted()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(counted, delay_ms / 1_000), LOOPBACK, port, backlog=2_048
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(*map(int, sys.argv[1:])))
