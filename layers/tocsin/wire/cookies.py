"""The cookie that holds a sign-in's token (RFC 6265bis).

Its name begins with ``__Host-``: a browser takes it only with ``Secure``, for this very host and
all of its paths, so no other host can plant one here. Browsers differ in whether they take such a
cookie over plain HTTP from their own machine, so there it has a plain name and no ``Secure``.

For a page of an allowed foreign origin it is ``SameSite=None``, or the browser would not send it,
and ``Partitioned`` (CHIPS): then browsers that block third-party cookies take it too, and send it
only from pages of that site. ``Partitioned`` needs ``Secure``, so over plain HTTP on one machine
both pages must have the same host name; ``Strict`` cookies are sent whatever the port is.
"""

from tocsin.wire.origins import Caller

__all__ = ["cookie", "name"]

_NAME = "tocsin_session"


def name(caller: Caller) -> str:
    """Return the cookie's name in requests of this caller."""
    return _NAME if caller.loopback else f"__Host-{_NAME}"


def cookie(token: str, seconds: int, caller: Caller, *, foreign: bool) -> str:
    """Return the ``Set-Cookie`` header that gives a page a sign-in's token for so many seconds.

    An empty token and 0 seconds take it back.
    """
    attributes = ["Path=/", f"Max-Age={seconds}", "HttpOnly"]
    if caller.loopback:
        attributes.append("SameSite=Strict")
    elif foreign:
        attributes += ["Secure", "SameSite=None", "Partitioned"]
    else:
        attributes += ["Secure", "SameSite=Strict"]
    return "; ".join([f"{name(caller)}={token}", *attributes])
