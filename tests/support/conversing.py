"""A peer that does with each connection what a function says, whether that is HTTP or not."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tocsin.local.addresses import LOOPBACK

__all__ = ["Peer", "conversing", "read_request", "reset"]


class Peer:
    """``connections`` counts those that were made; ``ended`` is set at the end of the test."""

    def __init__(self) -> None:
        self.listener = socket.create_server((LOOPBACK, 0), backlog=128)
        self.port: int = self.listener.getsockname()[1]
        self.connections = 0
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def serve(
        self, converse: Callable[[socket.socket, int], object], tls: ssl.SSLContext | None
    ) -> None:
        """Accept connections until the listener is closed."""
        with suppress(OSError):
            while True:
                connected, _ = self.listener.accept()
                with self._lock:
                    self.connections += 1
                    self._open.append(connected)
                    each = threading.Thread(
                        target=self._converse, args=(converse, connected, self.connections, tls)
                    )
                    self._threads.append(each)
                    each.start()

    def _converse(
        self,
        converse: Callable[[socket.socket, int], object],
        connected: socket.socket,
        number: int,
        tls: ssl.SSLContext | None,
    ) -> None:
        with connected, suppress(OSError):
            if tls is None:
                converse(connected, number)
                return
            # The handshake is the first read, when it is known what is to be ended.
            with tls.wrap_socket(
                connected, server_side=True, do_handshake_on_connect=False
            ) as within:
                with self._lock:
                    self._open.append(within)
                converse(within, number)

    def end(self) -> None:
        """End everything."""
        self.ended.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    socket.socket.shutdown(each, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


@contextmanager
def conversing(
    converse: Callable[[socket.socket, int], object], *, tls: ssl.SSLContext | None = None
) -> Iterator[Peer]:
    """Run a peer; ``converse`` gets each connection, and its number from 1 on."""
    peer = Peer()
    serving = threading.Thread(target=peer.serve, args=(converse, tls))
    serving.start()
    try:
        yield peer
    finally:
        peer.end()
        serving.join()


def read_request(connected: socket.socket) -> bytes:
    """Read one request with a Content-Length; empty: the connection has ended."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connected.recv(65_536)):
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < size:
        if not (more := connected.recv(65_536)):
            return b""
        body += more
    return head + b"\r\n\r\n" + body


def reset(connected: socket.socket) -> None:
    """Break the connection (RST)."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connected.close()
