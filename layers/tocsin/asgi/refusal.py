"""Why there is no stream, in the dialect's way: an answer, or a stream that only says so."""

from tocsin.asgi.pump import send_stream
from tocsin.asgi.types import Send
from tocsin.asgi.unserved import send_problem, send_whole
from tocsin.domain.errors import Crowded, LimitReached, Refused, TocsinError, Unauthenticated
from tocsin.wire.dialects import Dialect
from tocsin.wire.problems import problem

__all__ = ["refuse"]


async def refuse(error: TocsinError, dialect: Dialect, send: Send) -> None:
    """Tell a client, in the dialect's way, why it gets no stream."""
    if isinstance(error, Unauthenticated) and dialect.unauthorized:
        await send_stream(dialect.unauthorized, send)
    elif isinstance(error, Crowded | LimitReached) and dialect.too_many:
        headers = {"Content-Type": "text/plain; charset=utf-8"} | _retry_after(error)
        await send_whole(503, headers, dialect.too_many.encode(), send)
    else:
        await send_problem(problem(error), send)


def _retry_after(error: Refused) -> dict[str, str]:
    seconds = error.retry_after_seconds
    return {} if seconds is None else {"Retry-After": str(seconds)}
