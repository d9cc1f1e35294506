"""Requests to an ASGI application without a server, for baselines that have no network either."""

import asyncio
from typing import Any

from starlette.types import ASGIApp

__all__ = ["post"]


def post(application: ASGIApp, path: str, body: bytes, media_type: str) -> None:
    """Post a body.

    Raises:
        RuntimeError: the answer is not 200.
    """
    asyncio.run(_post(application, path, body, media_type))


async def _post(application: ASGIApp, path: str, body: bytes, media_type: str) -> None:
    statuses = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 200))

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"content-type", media_type.encode())],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
    }
    await application(scope, receive, send)
    if set(statuses) != {200}:
        raise RuntimeError(f"not accepted: {statuses}")
