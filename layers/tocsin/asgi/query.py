"""A request's query, and keeping a token in it out of the server's access log."""

from urllib.parse import parse_qsl, urlencode

from tocsin.asgi.types import Scope
from tocsin.wire.filters import Query

__all__ = ["hide_token", "query_of"]


def query_of(scope: Scope) -> Query:
    """Return a request's parameters."""
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def hide_token(scope: Scope, query: Query) -> None:
    """Remove the token from what the server may write to its access log."""
    rest = [(name, value) for name, value in query if name != "token"]
    if len(rest) < len(query):
        scope["query_string"] = urlencode(rest).encode()
