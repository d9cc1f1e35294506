"""Making a connection: each address is looked at, and the one that passed is connected to."""

import errno
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address
from typing import Final, Protocol, override

import httpcore

from tocsin.adapters.http.budget import Budget
from tocsin.adapters.http.failures import Blocked, Nonexistent, Unresolved
from tocsin.adapters.http.resolving import Resolver
from tocsin.adapters.http.streams import PlainStream
from tocsin.domain.addresses import Address, Network, may_connect, parsed

__all__ = ["Connector", "Dialer", "connect"]

_ADDRESSES: Final = 4  # of each family, that are tried
_RESOLVE_SECONDS: Final = 8  # glibc asks a second time after 5
_OUT_OF_MEANS: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)


class Connector(Protocol):
    """Whoever opens a TCP connection."""

    def __call__(self, address: Address, port: int, seconds: float) -> socket.socket:
        """Return a connected socket.

        Raises:
            OSError: there is none within ``seconds``.
        """


def connect(address: Address, port: int, seconds: float) -> socket.socket:
    """Open a TCP connection to an address: nothing is resolved any more."""
    family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.settimeout(seconds)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.connect((str(address), port))
    except BaseException:
        opened.close()
        raise
    return opened


class Dialer(httpcore.NetworkBackend):
    """Makes the one connection of an :class:`httpcore.HTTPConnection`, within a budget.

    httpcore then starts TLS on it in the name that the URL has, whatever its address.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        resolver: Resolver,
        connector: Connector,
        denied: Sequence[Network],
        loopback: bool,
    ) -> None:
        self._budget = budget
        self._resolver = resolver
        self._connector = connector
        self._denied = denied
        self._loopback = loopback
        self.stream: PlainStream | None = None

    @override
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> PlainStream:
        addresses = self._allowed(host)
        failed: Exception = Blocked()
        for place, address in enumerate(addresses):
            seconds = self._budget.seconds() / (len(addresses) - place)
            try:
                connected = self._connector(address, port, seconds)
            except TimeoutError:
                failed = httpcore.ConnectTimeout()
            except OSError as error:
                if error.errno in _OUT_OF_MEANS:
                    raise Unresolved from error
                failed = httpcore.ConnectError(str(error))
            else:
                self.stream = PlainStream(connected, self._budget)
                return self.stream
        raise failed

    def _allowed(self, host: str) -> Sequence[Address]:
        """Return those of a host's addresses that may be connected to, and are to be tried.

        Raises:
            Nonexistent: it has none; or Blocked: none that may be.
        """
        literal = parsed(host)
        if literal is None:
            seconds = min(self._budget.seconds(), _RESOLVE_SECONDS)
            found = [parsed(each) for each in self._resolver.addresses(host, seconds)]
        else:
            found = [literal]
        if not found:
            raise Nonexistent
        allowed = [
            each
            for each in found
            if each and may_connect(each, denied=self._denied, loopback=self._loopback)
        ]
        if not allowed:
            raise Blocked
        first = [
            each
            for version in (4, 6)
            for each in [one for one in allowed if one.version == version][:_ADDRESSES]
        ]
        return [each for each in allowed if each in first]
