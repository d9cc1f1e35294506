"""The credential that a request presents: a header, a token in the query, or a cookie."""

from collections.abc import Collection

from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser
from starlette.types import Scope

from tocsin.domain.errors import Forbidden
from tocsin.domain.passes import Kind, claim
from tocsin.services.access.presented import Cookie, Presented, Ticket
from tocsin.wire import cookies
from tocsin.wire.origins import Caller

__all__ = ["caller_of", "header_or_cookie", "presented", "session_token"]


def caller_of(scope: Scope) -> Caller:
    """Return where a request comes from and goes to."""
    return Caller.of(scope["scheme"], Headers(scope=scope))


def presented(
    scope: Scope, query: QueryParams, allowed: Collection[str], *, token_in_query: bool
) -> Presented:
    """Return a stream request's credential: the header, else ``?token=``, else the cookie.

    ``?token=`` takes a ticket, and with ``token_in_query`` also a key.

    Raises:
        Forbidden: it is a cookie, and the page is not of an allowed origin.
    """
    token = query.get("token")
    if "authorization" in Headers(scope=scope) or not token:
        return header_or_cookie(scope, allowed)
    if claim(Kind.TICKET, token):
        return Ticket(token)
    return f"Bearer {token}" if token_in_query else None


def header_or_cookie(scope: Scope, allowed: Collection[str]) -> str | Cookie | None:
    """Return a request's credential: the header, else the cookie; None: it has neither.

    Raises:
        Forbidden: it is a cookie, and the page is not of an allowed origin.
    """
    authorization = Headers(scope=scope).get("authorization")
    if authorization is not None:
        return authorization
    token = session_token(scope, allowed)
    return Cookie(token) if token else None


def session_token(scope: Scope, allowed: Collection[str]) -> str | None:
    """Return the token in the sign-in's cookie; None: there is none.

    Raises:
        Forbidden: the page is not of an allowed origin.
    """
    caller = caller_of(scope)
    header = "; ".join(Headers(scope=scope).getlist("cookie"))  # HTTP/2 may send a header for each
    token = cookie_parser(header).get(cookies.name(caller))
    if token and not caller.may_use_cookie(allowed):
        raise Forbidden(
            "a page of this origin may not use the session: have it added to "
            "TOCSIN_ALLOWED_ORIGINS, or send an API key"
        )
    return token
