"""A real HTTP server for an ASGI application, on a thread."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from support.waiting import until
from tocsin.local.addresses import LOOPBACK


@contextmanager
def served(app: ASGIApp, http: type[asyncio.Protocol] | Literal["auto"] = "auto") -> Iterator[int]:
    """Serve it with uvicorn's HTTP protocol or another one; yield the port."""
    listener = socket.create_server((LOOPBACK, 0))
    config = uvicorn.Config(
        app,
        http=http,
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive(), "the server has started")
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
