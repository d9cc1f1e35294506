"""Finding the addresses of a name, within a time.

The system's resolver can't be interrupted, so each look-up has a thread, which a look-up that is
given up leaves behind for as long as the system tries: there is a bound to them.
"""

import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Final, Protocol, override

from tocsin.adapters.http.failures import Nonexistent, Unresolved

__all__ = ["Resolver", "SystemResolver"]

_LOOKUPS: Final = 128  # several times as many as requests are made at once
# getaddrinfo(3): what a name server said for certain. EAI_AGAIN is what it did not.
_CERTAIN: Final = frozenset({socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY})


class Resolver(Protocol):
    """Whoever knows the addresses of names."""

    def addresses(self, name: str, seconds: float) -> Sequence[str]:
        """Return a name's addresses as text, in the order in which they are to be tried.

        Raises:
            Nonexistent: there is certainly no such name, or it has no address.
            Unresolved: they could not be found out within ``seconds``.
        """


class SystemResolver(Resolver):
    """``getaddrinfo``: Lambda's resolver, or that of this machine."""

    def __init__(self, lookups: int = _LOOKUPS) -> None:
        self._free = threading.BoundedSemaphore(lookups)

    @override
    def addresses(self, name: str, seconds: float) -> Sequence[str]:
        ends = time.monotonic() + seconds
        if not self._free.acquire(timeout=seconds):
            raise Unresolved
        found: Future[Sequence[str]] = Future()
        try:
            threading.Thread(target=self._look_up, args=(name, found), daemon=True).start()
        except RuntimeError as error:  # no thread can be started
            self._free.release()
            raise Unresolved from error
        try:
            return found.result(max(ends - time.monotonic(), 0))
        except socket.gaierror as error:
            raise (Nonexistent if error.errno in _CERTAIN else Unresolved) from error
        except OSError as error:  # also that the time is up
            raise Unresolved from error

    def _look_up(self, name: str, found: Future[Sequence[str]]) -> None:
        # The dot at the end: it is a whole name, to which the system adds no domain of its own.
        whole = f"{name}." if "." in name else name
        try:
            entries = socket.getaddrinfo(whole.encode(), None, type=socket.SOCK_STREAM)
        except Exception as error:
            found.set_exception(error)
        else:
            found.set_result(list(dict.fromkeys(str(entry[4][0]) for entry in entries)))
        finally:
            self._free.release()
