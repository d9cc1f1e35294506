"""Requests for the library's stream, and their responses."""

import asyncio
from functools import partial

from tocsin.asgi.endpoint import Asked, StreamEndpoint
from tocsin.asgi.query import hide_token, query_of
from tocsin.asgi.types import Receive, Scope, Send
from tocsin.asgi.unserved import Unserved
from tocsin.embedded._tokens import Tokens
from tocsin.services.stream.watch import Watch
from tocsin.wire.dialects import Dialect

__all__ = ["Desk", "is_stream_request"]


def is_stream_request(scope: Scope, path: str) -> bool:
    """Whether a request is a GET of ``path``, also below a mount, for an event stream."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    asked: str = scope["path"]
    if path not in (asked, asked.removeprefix(scope.get("root_path", ""))):
        return False
    return "text/event-stream" in (_header(scope, b"accept") or "").lower()


class Desk:
    """Where the requests for a library's stream come in; ``serving`` are their tasks."""

    def __init__(self, watch: Watch, dialect: Dialect, tokens: Tokens) -> None:
        self.serving: set[asyncio.Task[object]] = set()
        self._tokens = tokens
        self._endpoint = StreamEndpoint(watch, dialect, self._read)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request to its end."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a stream is served in a task")
        self.serving.add(task)
        try:
            await self._endpoint(scope, receive, send)
        finally:
            self.serving.discard(task)

    def _read(self, scope: Scope) -> Asked:
        Unserved.unless_short(scope)
        query = query_of(scope)
        hide_token(scope, query)
        given = dict(reversed(query))  # keeps the first of each
        token = _token(scope, given)
        return Asked(
            credential=token,
            last_event_id=_header(scope, b"last-event-id"),
            after=given.get("after"),
            since=given.get("since"),
            query=query,
            identify=partial(self._tokens.subscriber, token),
        )


def _token(scope: Scope, given: dict[str, str]) -> str | None:
    authorization = _header(scope, b"authorization")
    if authorization is None:
        return given.get("token")
    kind, _, token = authorization.partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _header(scope: Scope, name: bytes) -> str | None:
    values = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return ", ".join(values) if values else None
