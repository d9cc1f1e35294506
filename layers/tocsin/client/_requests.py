"""The requests that both clients make."""

import gzip
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import httpx

from tocsin import __version__
from tocsin.client._events import LIST_PATH, STREAM_PATH, Cursor
from tocsin.client._outbox import INGEST_PATH, OutgoingBatch
from tocsin.domain.limits import HEARTBEAT_SECONDS

__all__ = [
    "Since",
    "Types",
    "filter_query",
    "http_options",
    "ingest_request",
    "replay_request",
    "stream_request",
]

type Since = datetime | str | int
"""A time (UTC if without an offset), or the seq or id of the event to begin after."""

type Types = Iterable[str] | str
"""One event type, or several."""

_COMPRESS_LEVEL: Final = 1  # higher ones cost several times more and save only a tenth

_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
_STREAM_TIMEOUT: Final = httpx.Timeout(10.0, read=3 * HEARTBEAT_SECONDS)
"""Three of the server's heartbeats: a connection that is silent for longer is dead."""


def http_options(url: str, api_key: str) -> dict[str, Any]:
    """Return the arguments for an httpx client."""
    return {
        "base_url": url,
        "headers": {"Authorization": f"Bearer {api_key}", "User-Agent": f"tocsin/{__version__}"},
        "timeout": _TIMEOUT,
    }


def ingest_request(
    http: httpx.Client | httpx.AsyncClient, batch: OutgoingBatch, *, partial: bool, compress: bool
) -> httpx.Request:
    """Return the request that sends ``batch``; it can be sent again as it is."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": batch.key}
    body = batch.body()
    if compress:
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, _COMPRESS_LEVEL, mtime=0)
    return http.build_request(
        "POST",
        INGEST_PATH,
        params={"partial": "true"} if partial else None,
        headers=headers,
        content=body,
    )


def filter_query(
    types: Types | None,
    agent_id: str | None,
    session_id: str | None,
    server_id: str | None,
    action: str | None,
) -> dict[str, str]:
    """Return the query that lets through only these events; None: any will do."""
    if types is not None and not isinstance(types, str):
        types = ",".join(types)
    query = {
        "types": types,
        "agent_id": agent_id,
        "session_id": session_id,
        "server_id": server_id,
        "action": action,
    }
    return {name: value for name, value in query.items() if value is not None}


def replay_request(
    http: httpx.Client | httpx.AsyncClient,
    since: Since | None,
    limit: int,
    wanted: Mapping[str, str],
) -> httpx.Request:
    """Return the request for a list of what happened."""
    params = {"limit": str(limit), **wanted}
    if since is not None:
        params["since"] = since.isoformat() if isinstance(since, datetime) else str(since)
    return http.build_request(
        "GET", LIST_PATH, params=params, headers={"Accept": "application/json"}
    )


def stream_request(
    http: httpx.Client | httpx.AsyncClient, cursor: Cursor, wanted: Mapping[str, str]
) -> httpx.Request:
    """Return the request that goes on where ``cursor`` is."""
    return http.build_request(
        "GET",
        STREAM_PATH,
        params=wanted,
        headers=cursor.headers(),
        timeout=_STREAM_TIMEOUT,
    )
