"""uvicorn, for real, on a free port, as the stream service is deployed."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from functions.stream.protocol import StreamProtocol


@asynccontextmanager
async def serving(app: ASGIApp, *, access_log: bool = False) -> AsyncIterator[str]:
    """Serve an application in this event loop, and yield its URL."""
    config = uvicorn.Config(
        app,
        http=StreamProtocol,
        ws="none",
        log_level="info" if access_log else "warning",
        log_config=None if access_log else uvicorn.config.LOGGING_CONFIG,
        access_log=access_log,
        lifespan="on",
        timeout_graceful_shutdown=5,
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(config)
        running = asyncio.create_task(server._serve([listener]))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        while not server.started and not running.done():
            await asyncio.wait([running], timeout=0.01)
        try:
            yield url
        finally:
            server.should_exit = True
            await running
