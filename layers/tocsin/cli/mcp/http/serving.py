"""The server in front of an MCP server: one process, one event loop, on this machine alone."""

import asyncio
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from tocsin.cli._connection import Connection
from tocsin.cli._extras import lacks
from tocsin.cli._failure import Failure
from tocsin.cli._output import say as tell
from tocsin.cli._passing import client_session, server
from tocsin.cli.mcp.calls import Calls, Recording
from tocsin.cli.mcp.desk import Desk, Rules
from tocsin.cli.mcp.held import Elicit
from tocsin.cli.mcp.pinning import Pinning
from tocsin.cli.mcp.policies import Policies
from tocsin.cli.mcp.recorder import Recorder
from tocsin.cli.mcp.sender import Sender
from tocsin.cli.mcp.spool import Spool
from tocsin.cli.mcp.standing import Standing

if TYPE_CHECKING:
    pass

__all__ = ["Serving", "needs_aiohttp", "proxy_to", "served"]

_DRAIN_SECONDS: Final = 2.0  # for what is open; streams end only with their peers
_BACKLOG: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What a running relay needs; ``refuses`` says that calls of tools not pinned are refused."""

    server: str
    port: int
    origins: frozenset[str]
    place: Connection
    spool: Spool
    recording: Recording
    pinning: Pinning | None
    refuses: bool
    policies: Policies | None
    fail_open: bool
    elicit: Elicit
    flush_seconds: float
    say: Callable[[str], None]

    async def run(
        self,
        listener: socket.socket,
        stop: asyncio.Event,
        hurry: asyncio.Event,
        ready: Callable[[str], None],
    ) -> None:
        """Serve until ``stop``, and end what is open unless ``hurry``; ``ready`` gets the URL."""
        from aiohttp import web

        from tocsin.cli.mcp.http.forwarding import PATH, Forwarding, Target

        calls = Calls(self.recording, lambda: datetime.now(UTC), time.monotonic, self.pinning)
        recorder = Recorder(calls, self.spool, self.say)
        sender = Sender(self.spool, self.place.url, self.place.api_key, self.say)
        recording = self.recording
        standing = Standing(self.place.url, self.place.api_key, recording.session, recording.agent)
        pinning = self.pinning if self.refuses else None
        rules = Rules(standing.suspended, self.policies, self.fail_open, self.elicit, pinning)
        desk = Desk(calls, recorder, rules)
        sender.start()
        standing.start()
        async with client_session() as session:
            target = Target(self.server, proxy_to(self.server))
            handler = Forwarding(target, self.origins, calls, recorder, desk, session)
            runner = web.ServerRunner(
                server(handler, "tocsin.mcp"), shutdown_timeout=_DRAIN_SECONDS
            )
            await runner.setup()
            await web.SockSite(runner, listener, backlog=_BACKLOG).start()
            ready(f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}")
            await stop.wait()
            ending = asyncio.create_task(runner.cleanup())
            hurried = asyncio.create_task(hurry.wait())
            await asyncio.wait([ending, hurried], return_when=asyncio.FIRST_COMPLETED)
            hurried.cancel()
        await asyncio.to_thread(desk.close)
        recorder.finish()
        await asyncio.to_thread(sender.stop, self.flush_seconds, hurry.is_set)


def served(serving: Serving) -> None:
    """Run a relay until it is told to end.

    Raises:
        Failure: The port is taken, or a package is missing.
    """
    needs_aiohttp()

    async def run() -> None:
        stop, hurry = asyncio.Event(), asyncio.Event()

        def signalled() -> None:
            (hurry if stop.is_set() else stop).set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, signalled)  # a second one ends it at once
        await serving.run(listener, stop, hurry, tell)

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", serving.port))
    except OSError as error:
        raise Failure(
            f"can't listen on 127.0.0.1:{serving.port} ({error.strerror}): give another --port"
        ) from error
    try:
        asyncio.run(run())
    finally:
        with suppress(OSError):
            serving.spool.close()
    if serving.spool.dropped:
        serving.say(f"{serving.spool.dropped} tool calls were dropped: there was no room for them")
    if serving.spool.pending:
        serving.say(f"{serving.spool.pending} tool calls are kept in {serving.spool.path}")


def needs_aiohttp() -> None:
    """Make sure that what speaks HTTP is installed; raises :class:`Failure`."""
    try:
        import aiohttp  # noqa: F401 (whether it is there)
    except ModuleNotFoundError as error:
        lacks("`tocsin mcp --http`", error, "proxy")


def proxy_to(url: str) -> str | None:
    """Return the proxy that the environment has for a URL."""
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or "") or parts.hostname in ("127.0.0.1", "localhost", "::1"):
        return None
    found = getproxies()
    return found.get(parts.scheme) or found.get("all")
