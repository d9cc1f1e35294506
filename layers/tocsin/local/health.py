"""Whether the parts are ready, as they say themselves."""

import asyncio
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from threading import Thread

import httpx

from tocsin.local.layout import DYNAMODB, GATEWAY, NAMES, STREAM, VALKEY, Layout

__all__ = ["LOOK_SECONDS", "READY", "ask_gateway", "report", "serve_health", "wait_for"]

READY = "ready"
LOOK_SECONDS = 0.1
_TIMEOUT_SECONDS = 2.0
_PATHS = {DYNAMODB: "/_ministack/health", STREAM: "/healthz"}  # all others: /health


async def report(layout: Layout, client: httpx.AsyncClient) -> Mapping[str, str]:
    """Return :data:`READY`, or what is wrong, for every part but the gateway, which asks."""
    names = [name for name in NAMES if name != GATEWAY]
    states = await asyncio.gather(*(_state(layout, name, client) for name in names))
    return {**dict(zip(names, states, strict=True)), GATEWAY: READY}


async def ask_gateway(client: httpx.AsyncClient, layout: Layout) -> str:
    """Return "" if everything is ready; otherwise what is not, as text for people."""
    try:
        response = await client.get(layout.url(GATEWAY) + "/healthz", timeout=5.0)
        parts = response.json()["parts"]
    except (httpx.TransportError, ValueError, KeyError):
        return f"{GATEWAY} is not reachable"
    return ", ".join(f"{name} is {state}" for name, state in parts.items() if state != READY)


async def wait_for(client: httpx.AsyncClient, layout: Layout, name: str) -> None:
    """Wait until one part is ready."""
    while True:
        if await _state(layout, name, client) == READY:
            return
        await asyncio.sleep(LOOK_SECONDS / 2)


async def _state(layout: Layout, name: str, client: httpx.AsyncClient) -> str:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            if name == VALKEY:
                return await _ping(layout.socket(name))
            headers = layout.credential if name == DYNAMODB else None
            url = layout.url(name) + _PATHS.get(name, "/health")
            response = await client.get(url, headers=headers)
    except TimeoutError:
        return "not answering"
    except (OSError, httpx.TransportError):
        return "not reachable"
    return READY if response.status_code == 200 else f"not ready ({response.status_code})"


async def _ping(path: Path) -> str:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(b"PING\r\n")
        return READY if await reader.readline() == b"+PONG\r\n" else "not answering"
    finally:
        writer.close()


def serve_health(path: Path, healthy: Callable[[], bool]) -> None:
    """Answer ``GET /health`` on a thread, for a part that has no other HTTP server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if healthy() else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    path.unlink(missing_ok=True)  # of a process before this one
    server = ThreadingUnixStreamServer(str(path), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
