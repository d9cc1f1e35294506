"""The Lambda proxy integration: an HTTP request becomes an invocation, its result the response."""

import time
from uuid import uuid4

import httpx
import orjson
from starlette.types import Receive, Scope, Send

from tocsin.local.apigateway import (
    MAX_HEAD_BYTES,
    HttpRequest,
    HttpResponse,
    MalformedProxyResponse,
    proxy_event,
    proxy_response,
)
from tocsin.local.invoke import answer_of, invocation_path
from tocsin.local.layout import GATEWAY, Layout
from tocsin.local.proxy import Disconnected, read_body

__all__ = ["INTEGRATION_SECONDS", "Integration"]

INTEGRATION_SECONDS = 29.0  # API Gateway's limit


class Integration:
    """An ASGI application for a path that one function serves, or everything under a prefix."""

    def __init__(self, path: str, function: str, layout: Layout, client: httpx.AsyncClient) -> None:
        self._resource = path + "{proxy+}" if path.endswith("/") else path
        self._port = layout.ports[GATEWAY]
        self._function = function
        self._url = layout.hosts[function] + invocation_path(function)
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            BodyTooLarge: beyond API Gateway's 10 MB.
            TooSlow: its body does not come.
        """
        request_id = str(uuid4())
        if _head_bytes(scope) > MAX_HEAD_BYTES:
            message = _message(431, "Request Header Fields Too Large", request_id)
            await _send(message, send)
            return
        try:
            body = await read_body(scope, receive)
        except Disconnected:
            return
        request = HttpRequest(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers=[(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]],
            body=body,
            client=scope["client"][0],
            port=self._port,
        )
        event = proxy_event(
            request,
            resource=self._resource,
            proxy=scope["path_params"].get("proxy"),
            request_id=request_id,
            now_ms=time.time_ns() // 1_000_000,
        )
        await _send(await self._invoke(orjson.dumps(event), request_id), send)

    async def _invoke(self, event: bytes, request_id: str) -> HttpResponse:
        """Call the function; for a failure, return API Gateway's response to it."""
        try:
            invoked = answer_of(await self._client.post(self._url, content=event))
        except (httpx.ConnectError, httpx.ConnectTimeout):  # nothing was invoked
            return _message(503, "Service Unavailable", request_id, ("Retry-After", "1"))
        except httpx.TimeoutException:
            return _message(504, "Endpoint request timed out", request_id)
        except httpx.TransportError:  # the host died meanwhile
            return _message(502, "Internal server error", request_id)
        if invoked.status == 413:
            return _message(413, "Request Too Long", request_id)
        if not invoked.succeeded:
            return _message(502, "Internal server error", request_id)
        try:
            return proxy_response(orjson.loads(invoked.payload), request_id)
        except (MalformedProxyResponse, orjson.JSONDecodeError) as error:
            print(f"{self._function}: malformed Lambda proxy response: {error}")
            return _message(502, "Internal server error", request_id)


def _head_bytes(scope: Scope) -> int:
    """Return the size of the request line and of the headers' values."""
    line = f"{scope['method']}  HTTP/1.1"
    size = len(line) + len(scope["raw_path"]) + len(scope["query_string"])
    return size + sum(len(value) for _, value in scope["headers"])


async def _send(response: HttpResponse, send: Send) -> None:
    headers = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in response.headers]
    headers.append((b"content-length", b"%d" % len(response.body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def _message(status: int, message: str, request_id: str, *headers: tuple[str, str]) -> HttpResponse:
    return HttpResponse(
        status,
        [
            ("Content-Type", "application/json"),
            ("x-amzn-RequestId", request_id),
            *headers,
        ],
        orjson.dumps({"message": message}),
    )
