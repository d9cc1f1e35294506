"""One dialect's route of the stream service: parse the request, subscribe, pass the bytes on."""

from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send

from tocsin.asgi.pump import pump, send_stream
from tocsin.asgi.query import hide_token
from tocsin.asgi.refusal import refuse, send_problem
from tocsin.domain.errors import TocsinError
from tocsin.services.stream.subscriber import Subscriber
from tocsin.services.stream.watch import Admission, Watch
from tocsin.web.cors import SERVERS_SEND
from tocsin.web.presented import presented
from tocsin.wire.dialects import Dialect
from tocsin.wire.filters import Render
from tocsin.wire.problems import Problem

__all__ = ["EventStream", "Unserved"]


class EventStream:
    """``GET`` and ``HEAD`` of one dialect's route."""

    def __init__(
        self,
        watch: Watch,
        dialect: Dialect,
        *,
        token_in_query: bool,
        allowed_origins: frozenset[str] = frozenset(),
    ) -> None:
        """Serve ``watch`` in a dialect, whatever ``Accept`` says.

        With ``token_in_query`` a key may come as ``?token=``, as a ticket always may. Pages of
        ``allowed_origins`` may use a session's cookie.
        """
        self._watch = watch
        self._dialect = dialect
        self._token_in_query = token_in_query
        self._allowed_origins = allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request to its end."""
        try:
            admission, render = await self._admit(scope)
        except TocsinError as error:
            await self._refuse(error, send)
            return
        subscriber: Subscriber | None = None
        try:
            if scope["method"] == "HEAD":
                await send_stream(b"", send)
                return
            subscriber = await self._watch.subscribe(admission, render, self._dialect)
            del render  # the subscriber has the one that is shared
            opening = self._watch.opening(subscriber, self._dialect)
            sending = pump(subscriber, opening, receive, scope.get(SERVERS_SEND, send), start=send)
            del opening
            scope["headers"] = []  # a browser's are more than a kilobyte
            await sending
        except TocsinError as error:  # nothing has been sent yet
            await self._refuse(error, send)
        finally:
            self._watch.leave(admission, subscriber)

    async def _admit(self, scope: Scope) -> tuple[Admission, Render]:
        headers, query = Headers(raw=scope["headers"]), QueryParams(scope["query_string"])
        hide_token(scope, query.multi_items())
        Unserved.unless_read(scope["method"])
        credential = presented(
            scope, query, self._allowed_origins, token_in_query=self._token_in_query
        )
        admission = await self._watch.admit(
            credential, headers.get("last-event-id"), query.get("after"), query.get("since")
        )
        try:
            return admission, self._dialect.render(query.multi_items(), admission.allowed)
        except TocsinError:
            self._watch.leave(admission)
            raise

    async def _refuse(self, error: TocsinError, send: Send) -> None:
        if isinstance(error, Unserved):
            await send_problem(error.problem, send)
            return
        self._watch.refused(error)
        await refuse(error, self._dialect, send)


class Unserved(TocsinError):
    """What HTTP itself refuses here."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        """Keep the answer."""
        headers = {"Content-Type": "application/json"} | (headers or {})
        self.problem = Problem(status, {"error": message}, headers)

    @classmethod
    def unless_read(cls, method: str) -> None:
        """Refuse what is neither GET nor HEAD."""
        if method not in ("GET", "HEAD"):
            raise cls(405, "this route takes GET and HEAD", {"Allow": "GET, HEAD"})
