"""A connection's bytes, plain or within TLS; every step of it is within the request's budget.

TLS runs in memory (:class:`ssl.SSLObject`), so that what comes in is counted and timed piece by
piece: OpenSSL itself would read on for as long as a peer sends what carries no data, such as
updates of its keys.
"""

import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, override

import httpcore

from tocsin.adapters.http.budget import Budget
from tocsin.adapters.http.failures import TlsFailed, TooMuch

__all__ = ["PlainStream", "TlsStream"]

_READ_BYTES: Final = 16 * 1024


class PlainStream(httpcore.NetworkStream):
    """A connected socket. ``budget`` is that of the request that has the connection now.

    ``heard``: something was read since httpcore last wrote; ``ended``: the peer sends no more.
    """

    def __init__(self, connected: socket.socket, budget: Budget) -> None:
        self._socket = connected
        self.budget = budget
        self.heard = self.ended = False

    @override
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.told(self.receive(min(max_bytes, _READ_BYTES)))

    @override
    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.heard = False
        self.transmit(buffer)

    def told(self, data: bytes) -> bytes:
        """Take note of what httpcore is given to read."""
        self.heard, self.ended = self.heard or bool(data), not data
        return data

    def receive(self, max_bytes: int) -> bytes:
        """Return what came; empty at the connection's end."""
        try:
            self._socket.settimeout(self.budget.seconds())
            data = self._socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout from error
        except OSError as error:
            raise httpcore.ReadError from error
        self.budget.read(len(data))
        return data

    def transmit(self, data: bytes) -> None:
        """Send all of it."""
        left = memoryview(data)
        while left:
            try:
                self._socket.settimeout(self.budget.seconds())
                left = left[self._socket.send(left) :]
            except TimeoutError as error:
                raise httpcore.WriteTimeout from error
            except OSError as error:
                raise httpcore.WriteError from error

    @override
    def close(self) -> None:
        self._socket.close()

    @override
    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> "TlsStream":
        try:
            return TlsStream(self, ssl_context, server_hostname)
        except BaseException:
            self.close()
            raise

    @override
    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._readable()
        return None

    def _readable(self) -> bool:
        """Whether something is there to be read, the end included."""
        try:
            self._socket.settimeout(0)
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True


class TlsStream(httpcore.NetworkStream):
    """TLS on a connection; it is made when the handshake is done."""

    def __init__(self, plain: PlainStream, context: ssl.SSLContext, name: str | None) -> None:
        self._plain = plain
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        try:
            self._step(self._tls.do_handshake)
        except ssl.SSLEOFError as error:
            raise httpcore.ReadError from error
        except (ssl.SSLError, TooMuch) as error:
            raise TlsFailed from error

    @override
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return self._plain.told(self._step(self._tls.read, min(max_bytes, _READ_BYTES)))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return self._plain.told(b"")
        except ssl.SSLError as error:
            raise httpcore.ReadError from error

    @override
    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._plain.heard = False
        left = memoryview(buffer)
        while left:
            try:
                left = left[self._step(self._tls.write, left) :]
            except ssl.SSLError as error:
                raise httpcore.WriteError from error

    @override
    def close(self) -> None:
        self._plain.close()

    def _step[T](self, do: Callable[..., T], *args: Any) -> T:
        """Do something of TLS, passing on what it wants to send, and giving it what came."""
        while True:
            try:
                done = do(*args)
            except ssl.SSLWantReadError:
                self._plain.transmit(self._outgoing.read())
                if data := self._plain.receive(_READ_BYTES):
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            else:
                self._plain.transmit(self._outgoing.read())
                return done

    @override
    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable" and (self._incoming.pending or self._tls.pending()):
            return True
        return self._tls if info == "ssl_object" else self._plain.get_extra_info(info)
