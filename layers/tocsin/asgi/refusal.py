"""Answers that are no stream, or a stream that only says why there is none."""

from collections.abc import Mapping

from tocsin.asgi.pump import send_stream
from tocsin.asgi.types import Scope, Send
from tocsin.domain.errors import Crowded, LimitReached, Refused, TocsinError, Unauthenticated
from tocsin.domain.limits import MAX_QUERY_BYTES
from tocsin.wire.dialects import Dialect
from tocsin.wire.problems import Problem, problem

__all__ = ["Unserved", "refuse", "send_problem"]


class Unserved(TocsinError):
    """A request that HTTP itself refuses here, and the answer."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        headers = {"Content-Type": "application/json"} | (headers or {})
        self.problem = Problem(status, {"error": message}, headers)

    @classmethod
    def unless_read(cls, method: str) -> None:
        """Raise this for a method that is neither GET nor HEAD."""
        if method not in ("GET", "HEAD"):
            raise cls(405, "this route takes GET and HEAD", {"Allow": "GET, HEAD"})

    @classmethod
    def unless_short(cls, scope: Scope) -> None:
        """Raise this for a query that is too long to be looked at; no log gets it either."""
        if len(scope["query_string"]) > MAX_QUERY_BYTES:
            scope["query_string"] = b""
            raise cls(414, f"the query is longer than {MAX_QUERY_BYTES:,} bytes: ask for less")


async def refuse(error: TocsinError, dialect: Dialect, send: Send) -> None:
    """Tell a client, in the dialect's way, why it gets no stream."""
    if isinstance(error, Unauthenticated) and dialect.unauthorized:
        await send_stream(dialect.unauthorized, send)
    elif isinstance(error, Crowded | LimitReached) and dialect.too_many:
        headers = {"Content-Type": "text/plain; charset=utf-8"} | _retry_after(error)
        await _send(503, headers, dialect.too_many.encode(), send)
    else:
        await send_problem(problem(error), send)


async def send_problem(answer: Problem, send: Send) -> None:
    """Send an error as a whole response."""
    await _send(answer.status, answer.headers, answer.content, send)


async def _send(status: int, headers: Mapping[str, str], content: bytes, send: Send) -> None:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    raw.append((b"content-length", b"%d" % len(content)))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content})


def _retry_after(error: Refused) -> dict[str, str]:
    seconds = error.retry_after_seconds
    return {} if seconds is None else {"Retry-After": str(seconds)}
