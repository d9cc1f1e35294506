"""The connection behind ``send`` and ``receive``, for which ASGI has no word."""

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from contextlib import suppress

from tocsin.asgi.types import Receive, Send

__all__ = [
    "SERVERS_SEND",
    "abort",
    "is_chunked",
    "left",
    "transport_of",
    "unsent_bytes",
]

SERVERS_SEND = "tocsin.servers_send"
"""The scope's key for the server's own ``send``, if another one is handed down."""

_DROP_WHAT_IS_UNSENT = struct.pack("ii", 1, 0)  # or the kernel keeps megabytes for the client


async def left(receive: Receive) -> None:
    """Wait until the client has left, or the response has ended."""
    while (await receive())["type"] != "http.disconnect":
        pass


def transport_of(send: Send) -> asyncio.Transport | None:
    """Return the connection, if the server gives access to it.

    What uvicorn hands out as ``send`` is bound to the object that has it.
    """
    transport: asyncio.Transport | None = getattr(
        getattr(send, "__self__", None), "transport", None
    )
    return transport


def is_chunked(send: Send) -> bool:
    """Whether the response that has begun is sent in chunks of HTTP/1.1, if the server tells."""
    return bool(getattr(getattr(send, "__self__", None), "chunked_encoding", False))


def unsent_bytes(transport: asyncio.Transport) -> int:
    """Return how much the client has yet to take: here, and in the kernel where that tells."""
    size_bytes: int = transport.get_write_buffer_size()
    if sys.platform == "linux" and (connection := transport.get_extra_info("socket")) is not None:
        with suppress(OSError, ValueError):  # it was closed meanwhile
            size_bytes += int.from_bytes(
                fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder
            )
    return size_bytes


def abort(transport: asyncio.Transport) -> None:
    """Break the connection at once, for a client that takes nothing."""
    if (connection := transport.get_extra_info("socket")) is not None:
        with suppress(OSError, ValueError):  # it was closed meanwhile
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP_WHAT_IS_UNSENT)
    transport.abort()
