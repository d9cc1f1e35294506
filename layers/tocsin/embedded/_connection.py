"""Requests for the library's stream, and their responses."""

import asyncio
from dataclasses import dataclass
from functools import partial

from tocsin.asgi.pump import pump
from tocsin.asgi.query import Query, hide_token, query_of
from tocsin.asgi.refusal import refuse
from tocsin.asgi.types import Receive, Scope, Send
from tocsin.domain.errors import TocsinError
from tocsin.embedded._tokens import Tokens
from tocsin.services.stream.subscriber import Subscriber
from tocsin.services.stream.watch import Admission, Watch
from tocsin.wire.dialects import Dialect
from tocsin.wire.filters import Render

__all__ = ["Desk", "is_stream_request"]


def is_stream_request(scope: Scope, path: str) -> bool:
    """Whether a request is a GET of ``path``, as it is or below a mount, for an event stream."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    asked: str = scope["path"]
    if path not in (asked, asked.removeprefix(scope.get("root_path", ""))):
        return False
    return "text/event-stream" in (_header(scope, b"accept") or "").lower()


@dataclass(frozen=True, slots=True)
class Desk:
    """What all connections of a stream share; ``serving`` are their tasks."""

    watch: Watch
    dialect: Dialect
    tokens: Tokens
    serving: set[asyncio.Task[object]]

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request to its end."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a stream is served in a task")
        self.serving.add(task)
        try:
            await self._serve(scope, receive, send)
        finally:
            self.serving.discard(task)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = query_of(scope)
        hide_token(scope, query)
        try:
            admission, render = await self._admit(scope, query)
        except TocsinError as error:
            await refuse(error, self.dialect, send)
            return
        subscriber: Subscriber | None = None
        try:
            subscriber = await self.watch.subscribe(admission, render, self.dialect)
            opening = self.watch.opening(subscriber, self.dialect)
            await pump(subscriber, opening, receive, send)
        except TocsinError as error:  # nothing has been sent yet
            await refuse(error, self.dialect, send)
        finally:
            self.watch.leave(admission, subscriber)

    async def _admit(self, scope: Scope, query: Query) -> tuple[Admission, Render]:
        given = dict(reversed(query))  # the first of each
        token = _token(scope, given)
        admission = await self.watch.admit(
            token,
            _header(scope, b"last-event-id"),
            given.get("after"),
            given.get("since"),
            identify=partial(self.tokens.subscriber, token),
        )
        try:
            return admission, self.dialect.render(query, admission.allowed)
        except TocsinError:
            self.watch.leave(admission)
            raise


def _token(scope: Scope, given: dict[str, str]) -> str | None:
    authorization = _header(scope, b"authorization")
    if authorization is None:
        return given.get("token")
    kind, _, token = authorization.partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _header(scope: Scope, name: bytes) -> str | None:
    values = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return ", ".join(values) if values else None
