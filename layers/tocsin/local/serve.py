"""Serve an ASGI application, on the loopback interface or on a unix socket.

``python -m tocsin.local.serve APP PORT_OR_PATH GRACEFUL_SECONDS [HTTP_PROTOCOL]``
"""

import asyncio
import sys

import uvicorn

from tocsin.local.addresses import LOOPBACK

__all__ = ["serve"]

# An idle connection, longer than the parts keep one to each other (httpx: 5 seconds): a request
# that is sent as it ends would fail.
_KEPT_SECONDS = 30


def serve(
    app: str | object,
    where: str | int,
    graceful_seconds: int,
    http_protocol: str | type[asyncio.Protocol] = "httptools",
) -> None:
    """Serve until SIGTERM; requests then have ``graceful_seconds`` to end.

    ``where`` is a port, or the path of a unix socket. ``http_protocol`` is uvicorn's name for one,
    a class, or where to import it from (``module:class``).
    """
    uvicorn.run(
        app,  # type: ignore[arg-type]
        host=LOOPBACK,
        **({"port": int(where)} if str(where).isdecimal() else {"uds": str(where)}),
        loop="uvloop",
        http=http_protocol,
        ws="none",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=2_048,
        timeout_keep_alive=_KEPT_SECONDS,
        timeout_graceful_shutdown=graceful_seconds,
    )


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
