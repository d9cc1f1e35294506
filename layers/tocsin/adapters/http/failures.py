"""Why no answer came, as :class:`~tocsin.domain.deliveries.Answer` says it in a word.

::

    Failure
    ├── Blocked       no address of the name may be connected to
    ├── Unresolved    the name's addresses can't be found out now, or this process is out of means
    ├── Nonexistent   there is certainly no such name, or it has no address
    ├── TooMuch       more came than is read of any answer
    └── TlsFailed     the certificate is not the name's, has expired, …; or no TLS is spoken
"""

from typing import Final

import httpcore

__all__ = ["Blocked", "Failure", "Nonexistent", "TlsFailed", "TooMuch", "Unresolved", "word_for"]


class Failure(Exception):
    """Base of what a request fails with beside httpcore's own errors."""


class Blocked(Failure):
    """No address of the name may be connected to."""


class Unresolved(Failure):
    """Nothing could be found out about the receiver, through no fault of its own."""


class Nonexistent(Failure):
    """The name has no addresses."""


class TooMuch(Failure):
    """The peer sent more than is read."""


class TlsFailed(Failure):
    """No TLS with a certificate that vouches for the name."""


_WORDS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (Blocked, "blocked"),
    (Unresolved, "unresolved"),
    (Nonexistent, "nonexistent"),
    (TooMuch, "protocol"),
    (TlsFailed, "tls"),
    (httpcore.TimeoutException, "timeout"),
    (httpcore.ProtocolError, "protocol"),
    (httpcore.ConnectError, "refused"),
    (httpcore.NetworkError, "reset"),
)


def word_for(error: Exception) -> str | None:
    """Return the word for an error, or None: it is none of a peer or of the network."""
    return next((word for kind, word in _WORDS if isinstance(error, kind)), None)
