"""The requests that both clients make."""

import gzip
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal, TypedDict

import httpx

from tocsin import __version__
from tocsin.client._asking import Question
from tocsin.client._environment import is_this_machine, opened
from tocsin.client._events import STREAM_PATH, Cursor
from tocsin.client._outbox import INGEST_PATH, OutgoingBatch
from tocsin.domain.limits import HEARTBEAT_SECONDS

__all__ = [
    "Filters",
    "Since",
    "Types",
    "Wait",
    "api_request",
    "filter_query",
    "ingest_request",
    "open_async_http",
    "open_http",
    "send_request",
    "send_request_async",
    "stream_request",
]

type Since = datetime | str | int
"""A time (UTC if without an offset), or the seq or id of the event to begin after."""

type Wait = Literal["sealed"]
"""What an answer to events waits for: until they have their places, for 5 seconds at most."""

type Types = Iterable[str] | str
"""One event type, or several."""

_COMPRESS_LEVEL: Final = 1  # higher ones cost several times more and save only a tenth

_MAX_REDIRECTS: Final = 5
_MOVED: Final = frozenset({301, 302, 307, 308})

_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
_STREAM_TIMEOUT: Final = httpx.Timeout(10.0, read=3 * HEARTBEAT_SECONDS)
"""Three of the server's heartbeats: a connection that is silent for longer is dead."""


def open_http(url: str, api_key: str, transport: httpx.BaseTransport | None) -> httpx.Client:
    """Return an httpx client for Tocsin at ``url``.

    Raises:
        BadEnvironment: A variable of the environment can't be used.
    """
    options = _options(url, api_key)
    if transport is None and is_this_machine(url):
        return opened(lambda: httpx.Client(**options, transport=httpx.HTTPTransport()))
    return opened(lambda: httpx.Client(**options, transport=transport))


def open_async_http(
    url: str, api_key: str, transport: httpx.AsyncBaseTransport | None
) -> httpx.AsyncClient:
    """Return the same for asyncio.

    Raises:
        BadEnvironment: A variable of the environment can't be used.
    """
    options = _options(url, api_key)
    if transport is None and is_this_machine(url):
        return opened(lambda: httpx.AsyncClient(**options, transport=httpx.AsyncHTTPTransport()))
    return opened(lambda: httpx.AsyncClient(**options, transport=transport))


def _options(url: str, api_key: str) -> dict[str, Any]:
    return {
        "base_url": url,
        "headers": {"Authorization": f"Bearer {api_key}", "User-Agent": f"tocsin/{__version__}"},
        "timeout": _TIMEOUT,
    }


def ingest_request(
    http: httpx.Client | httpx.AsyncClient,
    batch: OutgoingBatch,
    *,
    partial: bool,
    compress: bool,
    wait: Wait | None = None,
) -> httpx.Request:
    """Return the request that sends ``batch``; it can be sent again as it is."""
    options = {"partial": partial, "backfill": batch.backfill}
    params = {name: "true" for name, asked in options.items() if asked}
    if wait is not None:
        params["wait"] = wait
    headers = {"Content-Type": "application/json", "Idempotency-Key": batch.key}
    body = batch.body()
    if compress:
        # Its own type, not an encoding of JSON: gateways hand JSON on as text, which ruins gzip.
        headers["Content-Type"] = "application/gzip"
        body = gzip.compress(body, _COMPRESS_LEVEL, mtime=0)
    return http.build_request(
        "POST",
        INGEST_PATH,
        params=params,
        headers=headers,
        content=body,
    )


def _redirected(
    http: httpx.Client | httpx.AsyncClient, response: httpx.Response
) -> httpx.Request | None:
    """Return the same request for the place that an answer names; None if it is to be taken as is.

    Only within the origin: the key is for nobody else.
    """
    request, location = response.request, response.headers.get("location")
    if response.status_code not in _MOVED or location is None:
        return None
    try:
        url = request.url.join(location)
    except httpx.InvalidURL:
        return None
    if (url.scheme, url.host, _port(url)) != (
        request.url.scheme,
        request.url.host,
        _port(request.url),
    ):
        return None
    url = url.copy_with(username=None, password=None, fragment=None)
    return http.build_request(
        request.method,
        url,
        headers=request.headers,
        content=request.read() if request.method == "POST" else None,
        extensions=request.extensions,
    )


def send_request(
    http: httpx.Client, request: httpx.Request, *, stream: bool = False
) -> httpx.Response:
    """Send a request, to where it has moved if need be, and return the answer."""
    for _ in range(_MAX_REDIRECTS):
        response = http.send(request, stream=stream)
        again = _redirected(http, response)
        if again is None:
            return response
        response.close()
        request = again
    return http.send(request, stream=stream)


async def send_request_async(
    http: httpx.AsyncClient, request: httpx.Request, *, stream: bool = False
) -> httpx.Response:
    """Do the same for asyncio."""
    for _ in range(_MAX_REDIRECTS):
        response = await http.send(request, stream=stream)
        again = _redirected(http, response)
        if again is None:
            return response
        await response.aclose()
        request = again
    return await http.send(request, stream=stream)


def _port(url: httpx.URL) -> int | None:
    return url.port or {"http": 80, "https": 443}.get(url.scheme)


class Filters(TypedDict, total=False):
    """What an event must have, each as given; None, or not given: any will do."""

    agent_id: str | None
    session_id: str | None
    server_id: str | None
    user_id: str | None
    tool_name: str | None
    action: str | None
    model: str | None
    provider: str | None
    compliance_tag: str | None
    trace_id: str | None
    call_id: str | None  # of a tool's call, or of a model's response


def filter_query(types: Types | None, filters: Filters) -> dict[str, str]:
    """Return the query that lets through only these events.

    Raises:
        TypeError: one of the filters is none.
    """
    if unknown := filters.keys() - Filters.__annotations__.keys():
        raise TypeError(f"there is no filter {min(unknown)!r}")
    if types is not None and not isinstance(types, str):
        types = ",".join(types)
    asked: dict[str, Any] = {"types": types, **filters}
    return {name: value for name, value in asked.items() if value is not None}


def api_request(http: httpx.Client | httpx.AsyncClient, question: Question) -> httpx.Request:
    """Return the request that asks this of the API; it can be sent again as it is."""
    timeout = _TIMEOUT
    if question.read_seconds is not None:
        timeout = httpx.Timeout(30.0, connect=10.0, read=question.read_seconds)
    return http.build_request(
        question.method,
        question.path,
        params=question.params,
        json=question.body,
        headers={"Accept": "application/json"},
        timeout=timeout,
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
