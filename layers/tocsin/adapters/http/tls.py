"""How receivers prove who they are: TLS 1.2 at least, certificates of certifi's authorities."""

import ssl
from collections.abc import Iterable
from os import PathLike
from typing import override

import certifi

__all__ = ["tls_context"]


class _Context(ssl.SSLContext):
    """Whose settings stand: httpcore sets the protocol again for each connection.

    OpenSSL has no lock for that, and other threads begin connections meanwhile.
    """

    @override
    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Leave it as it is."""


def tls_context(authorities: str | PathLike[str] | None = None) -> ssl.SSLContext:
    """Return a context that verifies certificates and names; ``authorities`` is a PEM file.

    It reads no variables of the environment.
    """
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)  # which verifies both
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.load_verify_locations(authorities or certifi.where())
    ssl.SSLContext.set_alpn_protocols(context, ["http/1.1"])
    return context
