"""Servers that speak MCP over HTTP: a real one, and one that says what it is told to."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context

from support.waiting import until


def demo() -> MCPServer:
    """Return a server with a few tools."""
    server = MCPServer("demo")

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    async def count(ctx: Context[Any, Any]) -> str:
        """Count to three."""
        for number in range(3):
            await ctx.report_progress(number + 1, 3, "counting")
        return "counted"

    @server.tool()
    def fail() -> str:
        """Fail."""
        raise ValueError("on purpose")

    @server.tool()
    def authorization(ctx: Context[Any, Any]) -> str:
        """Say who asks."""
        return (ctx.headers or {}).get("authorization", "nobody")

    return server


@contextmanager
def real_server(**options: Any) -> Iterator[str]:
    """Yield the URL of a server from the protocol's own SDK."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    app = demo().streamable_http_app(**options)
    config = uvicorn.Config(app, log_level="critical", lifespan="on", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    until(lambda: server.started, "a server")
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/mcp"
    finally:
        server.should_exit = True
        thread.join()
        bound.close()


@dataclass
class Asked:
    """A request as the server got it."""

    method: str
    headers: dict[str, str]
    body: bytes
    path: str


@dataclass
class ToldServer:
    """Answers each request with what ``answer`` writes, and remembers what it was asked."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answer: "Callable[[Any, Asked], None]" = lambda handler, asked: None


@contextmanager
def told_server() -> Iterator[ToldServer]:
    """Yield a server that says what it is told to."""
    told = ToldServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Stay silent."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, headers, body, self.path)
            told.asked.append(asked)
            with suppress(ConnectionError):
                told.answer(self, asked)

        do_GET = do_DELETE = do_POST

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Say nothing: clients of these tests break off on purpose."""

    server = Server(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_address[1]}/mcp"
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()


def says(handler: Any, body: bytes, media_type: str = "application/json", **more: Any) -> None:
    """Answer with a whole body."""
    handler.send_response(more.pop("status", 200))
    handler.send_header("Content-Type", media_type)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in more.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def streams(handler: Any, *parts: bytes, end: bool = True) -> None:
    """Answer with a stream of events, each part as it is; without ``end`` it stays open."""
    if not getattr(handler, "_streaming", False):
        handler._streaming = True
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
    for part in parts:
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
    if end:
        handler.wfile.write(b"0\r\n\r\n")
        handler._streaming = False
