"""The requests that both clients make."""

from typing import Any, Final

import httpx

from tocsin import __version__
from tocsin.client._events import STREAM_PATH, Cursor
from tocsin.client._outbox import INGEST_PATH, Batch

__all__ = ["http_options", "ingest_request", "stream_request"]

_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
_STREAM_TIMEOUT: Final = httpx.Timeout(10.0, read=45.0)
"""Three of the server's keepalives (15 s): a connection that is silent for longer is dead."""


def http_options(url: str, api_key: str) -> dict[str, Any]:
    """Return the arguments for an httpx client."""
    return {
        "base_url": url,
        "headers": {"Authorization": f"Bearer {api_key}", "User-Agent": f"tocsin/{__version__}"},
        "timeout": _TIMEOUT,
    }


def ingest_request(
    http: httpx.Client | httpx.AsyncClient, batch: Batch, *, partial: bool
) -> httpx.Request:
    """Return the request that sends ``batch``; it can be sent again as it is."""
    return http.build_request(
        "POST",
        INGEST_PATH,
        params={"partial": "true"} if partial else None,
        headers={"Content-Type": "application/json", "Idempotency-Key": batch.key},
        content=batch.body(),
    )


def stream_request(http: httpx.Client | httpx.AsyncClient, cursor: Cursor) -> httpx.Request:
    """Return the request that goes on where ``cursor`` is."""
    return http.build_request("GET", STREAM_PATH, headers=cursor.headers(), timeout=_STREAM_TIMEOUT)
