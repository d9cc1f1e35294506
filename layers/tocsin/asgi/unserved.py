"""Answers that are whole: what HTTP itself refuses, and an error as a response."""

from collections.abc import Mapping

from tocsin.asgi.types import Scope, Send
from tocsin.domain.errors import TocsinError
from tocsin.domain.limits import MAX_QUERY_BYTES
from tocsin.wire.problems import Problem

__all__ = ["Unserved", "send_problem", "send_whole"]


class Unserved(TocsinError):
    """A request that HTTP itself refuses here, and the answer."""

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        headers = {"Content-Type": "application/json"} | (headers or {})
        self.problem = Problem(status, {"error": message, "code": code}, headers)

    @classmethod
    def unless_read(cls, method: str) -> None:
        """Raise this for a method that is neither GET nor HEAD."""
        if method not in ("GET", "HEAD"):
            message = "this route takes GET and HEAD"
            raise cls(405, "METHOD_NOT_ALLOWED", message, {"Allow": "GET, HEAD"})

    @classmethod
    def unless_short(cls, scope: Scope) -> None:
        """Raise this for a query that is too long to be looked at; no log gets it either."""
        if len(scope["query_string"]) > MAX_QUERY_BYTES:
            scope["query_string"] = b""
            message = f"the query is longer than {MAX_QUERY_BYTES:,} bytes: ask for less"
            raise cls(414, "URI_TOO_LONG", message)


async def send_problem(answer: Problem, send: Send) -> None:
    """Send an error as a whole response."""
    await send_whole(answer.status, answer.headers, answer.content, send)


async def send_whole(status: int, headers: Mapping[str, str], content: bytes, send: Send) -> None:
    """Send a whole response."""
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    raw.append((b"content-length", b"%d" % len(content)))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content})
