"""Witnesses over HTTPS. What one answers, and how, is its own choice: all of it is bounded.

No redirect is followed, no proxy's variable read, no encoding decoded; HTTP/1.1 alone is spoken.
"""

import logging
from functools import partial
from os import PathLike
from typing import Final, override

import httpcore

from tocsin import __version__
from tocsin.adapters.http.budget import Budget
from tocsin.adapters.http.dialing import Connector, Dialer, connect
from tocsin.adapters.http.failures import TooMuch, word_for
from tocsin.adapters.http.kept import Connection, KeptConnections
from tocsin.adapters.http.resolving import Resolver, SystemResolver
from tocsin.adapters.http.tls import tls_context
from tocsin.domain.errors import Busy
from tocsin.ports.evidence import Answer, Witness
from tocsin.wire.log.keys import Verifier
from tocsin.wire.log.witnesses import Appointed

__all__ = ["MAX_ANSWER_BYTES", "HttpWitness"]

logger = logging.getLogger(__name__)

MAX_ANSWER_BYTES: Final = 64 * 1024
"""Of an answer's body: some twenty cosignatures of ML-DSA-44."""

_SECONDS: Final = 4.0  # for all of a request, whatever the peer does
_IDLE_SECONDS: Final = 4.0  # for which a connection is kept: less than servers do


class HttpWitness(Witness):
    """:class:`~tocsin.ports.evidence.Witness` at a URL. Threads may use it at the same time.

    ``authorities``: a PEM file instead of certifi's. ``seconds``: how long a request takes at most.
    """

    def __init__(
        self,
        appointed: Appointed,
        *,
        authorities: str | PathLike[str] | None = None,
        seconds: float = _SECONDS,
        resolver: Resolver | None = None,
        connector: Connector = connect,
    ) -> None:
        self._appointed = appointed
        self._tls = tls_context(authorities)
        self._seconds = seconds
        self._resolver = resolver or SystemResolver()
        self._connector = connector
        self._kept = KeptConnections()

    @property
    @override
    def name(self) -> str:
        return self._appointed.name

    @property
    @override
    def key(self) -> Verifier:
        return self._appointed.key

    @override
    def add(self, body: bytes) -> Answer:
        try:
            return self._answer(self._request(body), Budget(self._seconds))
        except Exception as error:
            # What a parser stumbles over, reading what a stranger sends, is the stranger's doing.
            word = word_for(error)
            if word is None:
                logger.warning("a witness' answer can't be read: %s", type(error).__name__)
            raise Busy(f"it gives no answer ({word or 'protocol'})") from error

    def close(self) -> None:
        """Close the connections that are kept."""
        self._kept.close()

    def _answer(self, request: httpcore.Request, budget: Budget) -> Answer:
        make = partial(self._connection, request, budget)
        with self._kept.answer(request, budget, make) as response:
            return Answer(response.status, _body(response))

    def _connection(self, request: httpcore.Request, budget: Budget) -> Connection:
        dialer = Dialer(
            budget,
            resolver=self._resolver,
            connector=self._connector,
            denied=(),
            loopback=self._appointed.nearby,
        )
        http = httpcore.HTTPConnection(
            request.url.origin, ssl_context=self._tls, network_backend=dialer
        )
        return Connection(str(request.url.origin), dialer, http, _IDLE_SECONDS)

    def _request(self, body: bytes) -> httpcore.Request:
        place = self._appointed.place
        headers = {
            "Host": place.authority,
            "User-Agent": f"tocsin/{__version__}",
            "Accept-Encoding": "identity",
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(body)),
        }
        return httpcore.Request(
            "POST",
            httpcore.URL(
                scheme=place.scheme, host=place.host, port=place.port, target=place.target
            ),
            headers=[(name.encode(), value.encode()) for name, value in headers.items()],
            content=body,
        )


def _body(response: httpcore.Response) -> bytes:
    body = bytearray()
    try:
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise TooMuch
    finally:
        response.close()
    return bytes(body)
