"""A server of hooks that goes wrong in one way: on loopback, over raw connections."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread

_LENGTH = b"content-length:"
_FINE = b'{"decision":"allow","message":"","answer":{"hookSpecificOutput":{"hookEventName":"'
_FINE += b'PreToolUse","permissionDecision":"allow"}}}'


def _response(status: str, body: bytes = b"{}", *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body) if length is None else length}", "Connection: close"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


ANSWERS = {
    "500": _response("500 Internal Server Error", b'{"error":"no"}'),
    "502 in HTML": _response("502 Bad Gateway", b"<html>"),
    "503": _response("503 Service Unavailable", b'{"error":"no"}', "Retry-After: 1"),
    "401": _response("401 Unauthorized", b'{"error":"no","code":"UNAUTHORIZED"}'),
    "403": _response("403 Forbidden", b'{"error":"no","code":"FORBIDDEN"}'),
    "429": _response("429 Too Many Requests", b'{"error":"no"}', "Retry-After: 60"),
    "redirect": _response("307 Temporary Redirect", b"", "Location: /elsewhere"),
    "redirect away": _response("302 Found", b"", "Location: http://127.0.0.1:9/"),
    "invalid JSON": _response("200 OK", b'{"decision":"allow"'),
    "a page": _response("200 OK", b"<html>sign in</html>"),
    "a list": _response("200 OK", b"[]"),
    "a word": _response("200 OK", b'"allow"'),
    "cut off": _response("200 OK", _FINE[:60], length=len(_FINE)),
    "too long": _response("200 OK", b"[" + b" " * 5_000_000),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing said": b"",
}
"""What is sent before the connection ends."""

UNDERSTOOD = {
    "empty": _response("200 OK", b""),
    "no content": b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    "an empty object": _response("200 OK", b"{}"),
    "another product's": _response("200 OK", b'{"permission":"allow"}'),
}
"""What says nothing, and is a success all the same."""


@dataclass
class Faulty:
    """``requests`` are those that were read."""

    url: str
    requests: list[bytes] = field(default_factory=list)
    read: Event = field(default_factory=Event)


@contextmanager
def faulty(answer: bytes | None = b"", *, reset: bool = False) -> Iterator[Faulty]:
    """Serve: read each request, and then answer, reset the connection, or (None) say nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Faulty(f"http://127.0.0.1:{listener.getsockname()[1]}")
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError):
                connection.settimeout(10)
                server.requests.append(_request(connection))
                server.read.set()
                if answer is None:
                    held.append(connection)
                    continue
                if reset:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                else:
                    connection.sendall(answer)
            connection.close()

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in held:
            connection.close()
        thread.join(10)


def _request(connection: socket.socket) -> bytes:
    came = b""
    while b"\r\n\r\n" not in came:
        came += connection.recv(65_536) or b"\r\n\r\n"
    head, _, body = came.partition(b"\r\n\r\n")
    sizes = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if _LENGTH in line]
    while len(body) < int(sizes[0]) if sizes else False:
        more = connection.recv(65_536)
        if not more:
            break
        body += more
    return head + b"\r\n\r\n" + body
