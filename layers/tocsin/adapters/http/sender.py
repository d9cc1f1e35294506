"""Sending requests to receivers whose addresses are other people's choice.

No redirect is followed, no proxy's variable read, no encoding decoded; HTTP/1.1 alone is spoken.
The URL's parts that were checked are those that are used, and a connection that is kept for the
next request is to an address that was.
"""

import logging
from collections.abc import Sequence
from functools import partial
from os import PathLike
from typing import Final, override

import httpcore

from tocsin import __version__
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.http.budget import Budget, Patience
from tocsin.adapters.http.dialing import Connector, Dialer, connect
from tocsin.adapters.http.excerpts import LOOKED_AT_BYTES, excerpt
from tocsin.adapters.http.failures import word_for
from tocsin.adapters.http.kept import Connection, KeptConnections
from tocsin.adapters.http.resolving import Resolver, SystemResolver
from tocsin.adapters.http.retry_after import retry_after_ms
from tocsin.adapters.http.tls import tls_context
from tocsin.domain.addresses import Network, Place, check_url
from tocsin.domain.deliveries import Answer, Outgoing
from tocsin.domain.errors import Refused
from tocsin.ports.notify import Sender
from tocsin.ports.world import Clock

__all__ = ["HttpSender"]

logger = logging.getLogger(__name__)

_DRAINED_BYTES: Final = 16 * 1024  # of a body, so that the connection can be used again
_OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection"})


class HttpSender(Sender):
    """:class:`~tocsin.ports.notify.Sender` for URLs of HTTP. Threads may use it at the same time.

    ``denied_networks``: nothing in them is connected to. ``loopback``: this machine is, and plain
    HTTP is spoken: for a developer's machine. ``patience``: how long a request takes at most,
    whatever the peer does. ``authorities``: a PEM file instead of certifi's.

    A request is sent again at once where a kept connection turns out to have ended before anything
    was answered; so a receiver may get it twice, with the same id. All else is the caller's.
    """

    def __init__(
        self,
        *,
        denied_networks: Sequence[Network] = (),
        loopback: bool = False,
        clock: Clock | None = None,
        patience: Patience = Patience(),  # noqa: B008 (it is frozen)
        authorities: str | PathLike[str] | None = None,
        resolver: Resolver | None = None,
        connector: Connector = connect,
    ) -> None:
        self._denied = tuple(denied_networks)
        self._loopback = loopback
        self._clock = clock or SystemClock()
        self._patience = patience
        self._tls = tls_context(authorities)
        self._resolver = resolver or SystemResolver()
        self._connector = connector
        self._kept = KeptConnections()

    @override
    def send(self, outgoing: Outgoing) -> Answer:
        budget = Budget(self._patience.request)
        try:
            place = check_url(outgoing.url, denied=self._denied, loopback=self._loopback)
        except Refused:
            return Answer(0, budget.elapsed_ms, "blocked")
        try:
            return self._sent(_request(place, outgoing), outgoing, budget)
        except Exception as error:
            # What a parser stumbles over, reading what a stranger sends, is the stranger's doing.
            word = word_for(error)
            if word is None:
                logger.warning("a receiver's answer can't be read: %s", type(error).__name__)
            return Answer(0, budget.elapsed_ms, word or "protocol")

    def close(self) -> None:
        """Close the connections that are kept."""
        self._kept.close()

    def _sent(self, request: httpcore.Request, outgoing: Outgoing, budget: Budget) -> Answer:
        make = partial(self._connection, request, budget)
        with self._kept.answer(request, budget, make) as response:
            return self._answered(response, outgoing, budget)

    def _connection(self, request: httpcore.Request, budget: Budget) -> Connection:
        dialer = Dialer(
            budget,
            resolver=self._resolver,
            connector=self._connector,
            denied=self._denied,
            loopback=self._loopback,
        )
        http = httpcore.HTTPConnection(
            request.url.origin, ssl_context=self._tls, network_backend=dialer
        )
        return Connection(str(request.url.origin), dialer, http, self._patience.idle)

    def _answered(self, response: httpcore.Response, outgoing: Outgoing, budget: Budget) -> Answer:
        coded = any(
            name.lower() == b"content-encoding" and value.lower() != b"identity"
            for name, value in response.headers
        )
        budget.hurry(self._patience.body)
        body = _beginning(response)
        return Answer(
            status=response.status,
            latency_ms=budget.elapsed_ms,
            retry_after_ms=retry_after_ms(response.headers, self._clock.now_ms()),
            excerpt="" if coded else excerpt(body, outgoing),
        )


def _request(place: Place, outgoing: Outgoing) -> httpcore.Request:
    given = [(name, value) for name, value in outgoing.headers if name.lower() not in _OURS]
    names = {name.lower() for name, _ in given}
    usual = {"User-Agent": f"tocsin/{__version__}", "Accept-Encoding": "identity"}
    headers = [
        ("Host", place.authority),
        *((name, value) for name, value in usual.items() if name.lower() not in names),
        *given,
        ("Content-Length", str(len(outgoing.body))),
    ]
    return httpcore.Request(
        "POST",
        httpcore.URL(scheme=place.scheme, host=place.host, port=place.port, target=place.target),
        headers=[(_encoded(name), _encoded(value)) for name, value in headers],
        content=outgoing.body,
    )


def _encoded(text: str) -> bytes:
    return text.encode(errors="replace")


def _beginning(response: httpcore.Response) -> bytes:
    """Return the beginning of a body, whatever becomes of its end."""
    looked_at, size_bytes = bytearray(), 0
    try:
        for chunk in response.iter_stream():
            looked_at += chunk[: LOOKED_AT_BYTES - len(looked_at)]
            size_bytes += len(chunk)
            if size_bytes > _DRAINED_BYTES:
                break
    except Exception as error:
        if word_for(error) is None:
            raise
    finally:
        response.close()
    return bytes(looked_at)
