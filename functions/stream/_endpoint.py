"""Reading a request for one dialect's stream, with Starlette."""

from collections.abc import Callable

from starlette.datastructures import Headers, QueryParams

from tocsin.asgi.endpoint import Asked
from tocsin.asgi.query import hide_token
from tocsin.asgi.types import Scope
from tocsin.asgi.unserved import Unserved
from tocsin.web.options import HttpOptions
from tocsin.web.presented import presented
from tocsin.wire.dialects import PARAMETERS
from tocsin.wire.parameters import known

__all__ = ["reader"]


def reader(options: HttpOptions) -> Callable[[Scope], Asked]:
    """Return a reader of requests by these options; it empties a request's headers."""

    def read(scope: Scope) -> Asked:
        Unserved.unless_short(scope)
        headers, query = Headers(raw=scope["headers"]), QueryParams(scope["query_string"])
        hide_token(scope, query.multi_items())
        Unserved.unless_read(scope["method"])
        known(query.multi_items(), PARAMETERS, ignored={"_"})  # what jQuery keeps caches away with
        credential = presented(
            scope, query, options.allowed_origins, token_in_query=options.token_in_query
        )
        scope["headers"] = []  # a browser's take more than a kilobyte
        return Asked(
            credential=credential,
            last_event_id=headers.get("last-event-id") or query.get("lastEventId"),
            after=query.get("after"),
            since=query.get("since"),
            query=query.multi_items(),
        )

    return read
