"""The server: one process, one event loop, as many calls at once as there are."""

import asyncio
import signal
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from tocsin.cli._connection import Connection
from tocsin.cli._passing import client_session, server
from tocsin.cli.mcp.spool import Spool
from tocsin.cli.proxy.bases import Bases
from tocsin.cli.proxy.forwarding import Forwarding, Options
from tocsin.cli.proxy.gate import Gate
from tocsin.cli.proxy.sender import Sender
from tocsin.client import AsyncClient, Backoff

__all__ = ["Serving"]


@dataclass(frozen=True, slots=True)
class Serving:
    """What a running proxy needs. ``ready`` is called when it listens."""

    place: Connection
    spool: Spool
    bases: Bases
    options: Options
    listener: socket.socket
    closed: bool
    patience_seconds: float
    drain_seconds: float
    flush_seconds: float
    say: Callable[[str], None]
    ready: Callable[[], None]

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT: then end what has begun, and send what is left.

        A second signal ends it at once; what is not sent stays in the spool.
        """
        stop, hurry = asyncio.Event(), asyncio.Event()

        def signalled() -> None:
            (hurry if stop.is_set() else stop).set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, signalled)
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(
                AsyncClient(self.place.url, self.place.api_key, backoff=Backoff(attempts=1))
            )
            session = await stack.enter_async_context(client_session())
            sender = Sender(self.spool, client, self.place.url, self.say)
            sending = asyncio.create_task(sender.run())
            gate = Gate(sender, client, self.patience_seconds) if self.closed else None
            handler = Forwarding(
                self.bases, self.options, sender, gate, session, _now, time.monotonic
            )
            runner = web.ServerRunner(
                server(handler, "tocsin.proxy"), shutdown_timeout=self.drain_seconds
            )
            await runner.setup()
            await web.SockSite(runner, self.listener, backlog=1024).start()
            self.ready()
            await stop.wait()
            await _until(asyncio.create_task(runner.cleanup()), hurry, None)
            sender.stop()
            await _until(sending, hurry, self.flush_seconds)


async def _until(task: asyncio.Task[None], hurry: asyncio.Event, seconds: float | None) -> None:
    """Wait for a task for so long, or until it is time to hurry; then end it."""
    hurried = asyncio.create_task(hurry.wait())
    try:
        await asyncio.wait([task, hurried], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        hurried.cancel()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _now() -> datetime:
    return datetime.now(UTC)
