"""One stream over raw ASGI: no framework's objects stay in memory while a client watches."""

import asyncio
from collections.abc import Callable

from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send

from tocsin.domain.errors import TocsinError
from tocsin.services.watch import Admission, Render, Subscriber, Watch
from tocsin.wire.problems import Problem, problem

__all__ = ["EventStream", "send_problem", "takes_anything", "takes_event_stream"]

_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx, and what learned it from nginx
]
_STREAMS = {"text/event-stream", "text/*", "*/*"}


def takes_event_stream(accept: str) -> bool:
    """Whether an ``Accept`` header allows a stream: it names one, or does not care."""
    ranges = [each.partition(";")[0].strip().lower() for each in accept.split(",")]
    return not accept.strip() or not _STREAMS.isdisjoint(ranges)


def takes_anything(accept: str) -> bool:
    """Whether the route only streams, whatever ``Accept`` says: always."""
    return True


class EventStream:
    """``GET`` and ``HEAD`` of one dialect's route."""

    def __init__(self, watch: Watch, render: Render, takes: Callable[[str], bool]) -> None:
        """Serve ``watch`` in the dialect ``render`` to those whose ``Accept`` header it takes."""
        self._watch = watch
        self._render = render
        self._takes = takes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request to its end."""
        try:
            admission = await self._admit(scope)
            if scope["method"] == "HEAD":
                await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
                await send({"type": "http.response.body"})
                return
            subscriber = await self._watch.subscribe(admission, self._render)
        except (TocsinError, _Unserved) as error:
            answer = error.problem if isinstance(error, _Unserved) else problem(error)
            await send_problem(answer, send)
            return
        leaving = asyncio.create_task(_end_on_disconnect(receive, subscriber))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            data = self._watch.opening(subscriber)
            while data:
                await send({"type": "http.response.body", "body": data, "more_body": True})
                data = await subscriber.next()
            await send({"type": "http.response.body"})
        finally:
            leaving.cancel()
            self._watch.leave(admission, subscriber)

    async def _admit(self, scope: Scope) -> Admission:
        if scope["method"] not in ("GET", "HEAD"):
            raise _Unserved(405, "this route takes GET and HEAD", {"Allow": "GET, HEAD"})
        headers = Headers(scope=scope)
        if not self._takes(headers.get("accept", "")):
            raise _Unserved(
                406,
                "the list of events is not available yet: ask for the stream with "
                "Accept: text/event-stream",
            )
        return await self._watch.admit(
            headers.get("authorization"),
            headers.get("last-event-id"),
            QueryParams(scope["query_string"]).get("after"),
        )


class _Unserved(Exception):
    """What HTTP itself refuses here."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        headers = {"Content-Type": "application/json"} | (headers or {})
        self.problem = Problem(status, {"error": message}, headers)


async def send_problem(answer: Problem, send: Send) -> None:
    """Send an error as a whole response."""
    content = answer.content
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    headers.append((b"content-length", b"%d" % len(content)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def _end_on_disconnect(receive: Receive, subscriber: Subscriber) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    subscriber.end()
