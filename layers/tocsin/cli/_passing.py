"""HTTP that is passed on: which headers go on, and the two sides of whoever stands between.

Imports aiohttp when a side is made: the extra ``tocsin[proxy]`` brings it.
"""

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import aiohttp
    from aiohttp import web

__all__ = ["Raw", "client_session", "end_to_end", "server"]

_HEADER_BYTES: Final = 64 * 1024
_CONNECT_SECONDS: Final = 30.0
_IDLE_SECONDS: Final = 60.0  # a connection to a server is kept for so long
_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

type Raw = Iterable[tuple[bytes, bytes]]
"""Headers as aiohttp has them: names and values, in order."""


def end_to_end(raw: Raw, but: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Return the headers that go on, without those named in ``but``, in lower case.

    Hop-by-hop headers end here (RFC 9110, section 7.6.1).
    """
    pairs = [
        (name.decode("latin-1"), value.decode("utf-8", "surrogateescape")) for name, value in raw
    ]
    left_out = {*_HOP, *but}
    for name, value in pairs:
        if name.lower() == "connection":
            left_out.update(each.strip().lower() for each in value.split(","))
    return [(name, value) for name, value in pairs if name.lower() not in left_out]


def client_session() -> "aiohttp.ClientSession":
    """Return what asks servers: it keeps no cookies and decodes nothing."""
    import aiohttp
    import httpx

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0, ssl=httpx.create_ssl_context(), keepalive_timeout=_IDLE_SECONDS
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
        max_line_size=_HEADER_BYTES,
        max_field_size=_HEADER_BYTES,
    )


def server(handler: "Callable[..., object]", name: str) -> "web.Server":
    """Return what clients ask."""
    from aiohttp import web

    quiet = logging.Logger(name)  # no handlers: its lines may quote headers with keys
    quiet.addHandler(logging.NullHandler())
    return web.Server(
        handler,  # type: ignore[arg-type]
        handler_cancellation=True,  # a client that goes ends its call at the server's, too
        auto_decompress=False,
        access_log=None,
        logger=quiet,
        max_line_size=_HEADER_BYTES,
        max_field_size=_HEADER_BYTES,
    )
