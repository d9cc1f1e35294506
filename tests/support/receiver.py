"""A receiver of webhooks: a real HTTP server on a free port of loopback, as a test wants it to be.

What it does with a request is a function; what came is kept, in order::

    with receiving(lambda received: Reply(503)) as receiver:
        ...  # have something sent to receiver.url
        assert [each.path for each in receiver.received] == ["/hook"]
        receiver.behave = lambda received: Reply(204)  # from now on
"""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.waiting import until
from tocsin.local.addresses import LOOPBACK

__all__ = ["Behaviour", "Received", "Receiver", "Reply", "receiving"]

_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Received:
    """A request. ``headers`` have their names in lower case; ``connection`` numbers connections."""

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. Nothing of a ``status`` of 0 is sent: the connection ends instead.

    ``resets``: it ends by a reset. ``endless``: the body comes again and again, until nobody reads.
    """

    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    resets: bool = False
    endless: bool = False


type Behaviour = Callable[[Received], Reply]


class Receiver:
    """``behave`` answers, and may be set at any time; ``received`` is what came."""

    def __init__(self, behave: Behaviour) -> None:
        self.behave = behave
        self.received: list[Received] = []
        self.url = ""
        self.connections = 0
        self.open = dict[socket.socket, Any]()  # the connections, by now, and from where they are
        self._closing = threading.Event()
        self._changed = threading.Condition()

    @property
    def port(self) -> int:
        """Where it listens, on loopback."""
        return int(self.url.split("/")[2].rpartition(":")[2])

    def hang(self) -> Reply:
        """Answer nothing until the receiver is closed, or it is told."""
        self._closing.wait()
        return Reply(0)

    def until_ended(self) -> None:
        """Wait until what was sent by now by those who are gone is read, and was answered.

        Connections are accepted in their order; so a last one tells that all were.
        """
        with socket.create_connection((LOOPBACK, self.port)) as last:
            until(lambda: last.getsockname() in list(self.open.values()), "a connection is made")
            before = [each for each, at in list(self.open.items()) if at != last.getsockname()]
        until(lambda: not self.open.keys() & before, "their connections end")

    def end_hanging(self) -> None:
        """End the connections that hang, without an answer."""
        self._closing.set()

    def wait(self, count: int, seconds: float = 240) -> Sequence[Received]:
        """Wait until so many requests have come; return all that have."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.received) >= count, seconds)
            assert came, f"{len(self.received)} requests came, not {count}"
            return list(self.received)

    def _take(self, method: str, path: str, headers: Any, body: bytes, connection: int) -> Reply:
        with self._changed:
            received = Received(
                number=len(self.received),
                method=method,
                path=path,
                headers={name.lower(): value for name, value in headers.items()},
                body=body,
                connection=connection,
            )
            self.received.append(received)
            self._changed.notify_all()
        return self.behave(received)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # they are waited for
    request_queue_size = 128

    def __init__(self, receiver: Receiver, tls: ssl.SSLContext | None) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.receiver = receiver
        self.lock = threading.Lock()
        self._tls = tls

    def get_request(self) -> tuple[socket.socket, Any]:
        accepted, address = super().get_request()
        if self._tls:  # the handshake is the first read, in the connection's own thread
            accepted = self._tls.wrap_socket(
                accepted, server_side=True, do_handshake_on_connect=False
            )
        with self.lock:
            self.receiver.open[accepted] = address
        return accepted, address

    def shutdown_request(self, request: Any) -> None:
        with self.lock:
            self.receiver.open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes in the middle is none of a test's business."""

    def end(self) -> None:
        """End the connections, then the threads, then the server."""
        self.receiver.end_hanging()
        self.shutdown()
        with self.lock:
            for each in self.receiver.open:
                with suppress(OSError):  # the client ended it
                    each.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.receiver.connections += 1
            self.number = self.server.receiver.connections

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        reply = self.server.receiver._take(self.command, self.path, self.headers, body, self.number)
        if reply.resets:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.connection.close()
        if not reply.status:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        if reply.endless:
            self.close_connection = True
        elif reply.status >= 200 and reply.status not in (204, 304):
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)
        with suppress(OSError):  # nobody reads any more
            while reply.endless:
                self.wfile.write(reply.body)

    do_GET = do_PUT = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def receiving(
    behave: Behaviour = lambda received: Reply(), *, tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """Run a receiver, with TLS where a context is given; its URL then begins with ``https``."""
    receiver = Receiver(behave)
    server = _Server(receiver, tls)
    scheme = "https" if tls else "http"
    receiver.url = f"{scheme}://{LOOPBACK}:{server.server_address[1]}/hook"
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    try:
        yield receiver
    finally:
        server.end()
        serving.join()
