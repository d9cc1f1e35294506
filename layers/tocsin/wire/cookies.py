"""The cookie that holds a session's token (RFC 6265bis).

Its name begins with ``__Host-``: a browser takes it only with ``Secure``, for this very host and
all of its paths, so no other host can plant one here. Browsers differ in whether they take such a
cookie by plain HTTP from their own machine, so there it has a plain name, and no ``Secure``.

For a page of an allowed foreign origin it is ``SameSite=None``, or the browser would not send it,
and ``Partitioned`` (CHIPS): browsers that block third parties' cookies take it then, and send it
from pages of that site alone. ``Partitioned`` needs ``Secure``, so by plain HTTP on one machine
both pages must have the same host name; to different ports of it ``Strict`` cookies are sent.
"""

from tocsin.wire.origins import Caller

__all__ = ["cookie", "name"]

_NAME = "tocsin_session"


def name(caller: Caller) -> str:
    """Return the cookie's name in requests of this caller."""
    return _NAME if caller.loopback else f"__Host-{_NAME}"


def cookie(token: str, seconds: int, caller: Caller, *, foreign: bool) -> str:
    """Return the ``Set-Cookie`` header that gives a page a session's token for so many seconds.

    No token and 0 seconds take it back.
    """
    attributes = ["Path=/", f"Max-Age={seconds}", "HttpOnly"]
    if caller.loopback:
        attributes.append("SameSite=Strict")
    elif foreign:
        attributes += ["Secure", "SameSite=None", "Partitioned"]
    else:
        attributes += ["Secure", "SameSite=Strict"]
    return "; ".join([f"{name(caller)}={token}", *attributes])
