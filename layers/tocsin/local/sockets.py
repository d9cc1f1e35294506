"""Unix sockets, on which the parts listen that only other parts talk to.

They are in a folder that only this user may enter, so no web page and nobody else on the machine
can reach them; a port on the loopback interface is open to both.
"""

import shutil
import socket
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from tocsin.local.layout import NAMES, Layout

__all__ = ["asynchronous", "blocking", "folder"]

_PREFIX: Final = "sockets-"
_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Never used: else each transport would load the machine's certificates."""


@contextmanager
def folder(home: Path) -> Iterator[Path]:
    """Make a folder for this run's sockets, in the home or where that can't hold them in ``/tmp``.

    Their paths are limited (104 bytes on macOS, 108 on Linux), and some file systems have none. No
    two runs share a folder: parts of a killed one that still end must neither reach nor remove the
    sockets of the next.
    """
    for left in home.glob(_PREFIX + "*"):  # by runs that were killed
        shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=home))
    if not _holds_sockets(made):
        made.rmdir()
        made = Path(tempfile.mkdtemp(prefix="tocsin-", dir="/tmp"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _holds_sockets(place: Path) -> bool:
    longest = place / f"{max(NAMES, key=len)}.sock"
    longest.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.bind(str(longest))
        except OSError:
            return False
    longest.unlink()
    return True


def _paths(layout: Layout) -> Mapping[str, str]:
    """Map httpx's patterns of addresses to the sockets."""
    return {f"all://{part}": str(layout.socket(part)) for part in NAMES if part not in layout.ports}


def asynchronous(layout: Layout, limits: httpx.Limits) -> Mapping[str, httpx.AsyncHTTPTransport]:
    """Return the ``mounts`` with which an ``httpx.AsyncClient`` reaches the parts."""
    return {
        pattern: httpx.AsyncHTTPTransport(uds=path, limits=limits, verify=_NO_TLS)
        for pattern, path in _paths(layout).items()
    }


def blocking(layout: Layout) -> Mapping[str, httpx.HTTPTransport]:
    """Return the ``mounts`` with which an ``httpx.Client`` reaches the parts."""
    return {
        pattern: httpx.HTTPTransport(uds=path, verify=_NO_TLS)
        for pattern, path in _paths(layout).items()
    }
