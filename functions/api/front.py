"""What holds for every request, before a route is looked for."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.asgi.unserved import Unserved, send_problem

__all__ = ["Front"]


class Front:
    """Refuses a query that is too long, and answers HEAD as GET, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 414."""
        try:
            Unserved.unless_short(scope)
        except Unserved as error:
            await send_problem(error.problem, send)
            return
        if scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, send_head)
