"""A stream's request from beginning to end: admit, subscribe, pass the bytes on, leave."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tocsin.asgi.connection import SERVERS_SEND
from tocsin.asgi.pump import pump, send_stream
from tocsin.asgi.refusal import refuse
from tocsin.asgi.types import Receive, Scope, Send
from tocsin.asgi.unserved import Unserved, send_problem
from tocsin.domain.errors import TocsinError
from tocsin.domain.keys import ApiKey
from tocsin.services.access.presented import Presented
from tocsin.services.stream.subscriber import Subscriber
from tocsin.services.stream.watch import Admission, Watch
from tocsin.wire.dialects import Dialect
from tocsin.wire.filters import Query, Render

__all__ = ["Asked", "StreamEndpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request says: who it is, where to start, and what it filters by."""

    credential: Presented
    last_event_id: str | None
    after: str | None
    since: str | None
    query: Query
    identify: Callable[[], Awaitable[ApiKey]] | None = None  # see :meth:`Watch.admit`


class StreamEndpoint:
    """``GET`` and ``HEAD`` of one dialect's route, whatever ``Accept`` says."""

    def __init__(self, watch: Watch, dialect: Dialect, read: Callable[[Scope], Asked]) -> None:
        """Serve ``watch`` in a dialect; ``read`` raises TocsinError for what it does not take."""
        self._watch = watch
        self._dialect = dialect
        self._read = read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request to its end, and hold no more than necessary meanwhile."""
        try:
            admission, render = await self._admit(self._read(scope))
        except TocsinError as error:
            await self._refuse(error, send)
            return
        subscriber: Subscriber | None = None
        try:
            if scope["method"] == "HEAD":
                await send_stream(b"", send)
                return
            subscriber = await self._watch.subscribe(admission, render, self._dialect)
            del render  # the subscriber has the shared one
            opening = self._watch.opening(subscriber, self._dialect, admission)
            sending = pump(subscriber, opening, receive, scope.get(SERVERS_SEND, send), start=send)
            del opening
            await sending
        except TocsinError as error:  # nothing has been sent yet
            await self._refuse(error, send)
        finally:
            self._watch.leave(admission, subscriber)

    async def _admit(self, asked: Asked) -> tuple[Admission, Render]:
        admission = await self._watch.admit(
            asked.credential,
            asked.last_event_id,
            asked.after,
            asked.since,
            identify=asked.identify,
        )
        try:
            return admission, self._dialect.render(asked.query, admission.allowed)
        except TocsinError:
            self._watch.leave(admission)
            raise

    async def _refuse(self, error: TocsinError, send: Send) -> None:
        if isinstance(error, Unserved):
            await send_problem(error.problem, send)
            return
        self._watch.refused(error)
        await refuse(error, self._dialect, send)
