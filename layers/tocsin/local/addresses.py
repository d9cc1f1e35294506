"""Ports on the loopback interface."""

import socket
import sys
from collections.abc import Iterable

__all__ = ["LOOPBACK", "keep", "reserve", "reserve_free"]

LOOPBACK = "127.0.0.1"

_HELD: list[socket.socket] = []  # otherwise the garbage collector would close them


def reserve(port: int) -> socket.socket:
    """Take a port (0: any free one) so that a child can listen on it and nobody else gets it.

    On Linux a bound socket that does not listen keeps others from being given the port, lets a
    child that sets ``SO_REUSEADDR`` (as all servers do) listen on it, and refuses connections while
    no child does. Elsewhere it would be in the child's way, so there it is closed again.

    Raises:
        OSError: somebody listens on the port.
    """
    held = socket.socket()
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((LOOPBACK, port))
    except BaseException:
        held.close()
        raise
    return held


def keep(held: socket.socket) -> int:
    """Hold a reserved port until this process ends; return its number."""
    port: int = held.getsockname()[1]
    if sys.platform == "linux":
        _HELD.append(held)
    else:
        held.close()
    return port


def reserve_free(names: Iterable[str]) -> dict[str, int]:
    """Choose a free port for each name, and hold them all."""
    return {name: keep(held) for name, held in [(name, reserve(0)) for name in names]}
