"""Finding the addresses of a name, within a time.

The system's resolver can't be interrupted, so each look-up has a thread, which a look-up that is
given up leaves behind for as long as the system tries: there is a bound to them.
"""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final, Protocol, override

from tocsin.adapters.http.failures import Nonexistent, Unresolved

__all__ = ["LookUp", "Resolver", "SystemResolver", "look_up"]

type LookUp = Callable[[str], Sequence[str]]

_AT_ONCE: Final = 128  # several times as many as requests are made at once
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


def look_up(
    name: str, getaddrinfo: Callable[..., Sequence[Any]] = socket.getaddrinfo
) -> Sequence[str]:
    """Return the addresses of a name, however long that takes.

    Raises:
        OSError: as ``getaddrinfo``.
    """
    # The dot at the end: it is a whole name, to which the system adds no domain of its own.
    whole = f"{name}." if "." in name else name
    entries = getaddrinfo(whole.encode(), None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


class SystemResolver(Resolver):
    """``getaddrinfo``: Lambda's resolver, or that of this machine."""

    def __init__(self, look_up: LookUp = look_up, *, at_once: int = _AT_ONCE) -> None:
        self._look_up = look_up
        self._free = threading.BoundedSemaphore(at_once)

    @override
    def addresses(self, name: str, seconds: float) -> Sequence[str]:
        ends = time.monotonic() + seconds
        if not self._free.acquire(timeout=seconds):
            raise Unresolved
        found: Future[Sequence[str]] = Future()
        try:
            threading.Thread(target=self._find, args=(name, found), daemon=True).start()
        except RuntimeError as error:  # no thread can be started
            self._free.release()
            raise Unresolved from error
        try:
            return found.result(max(ends - time.monotonic(), 0))
        except socket.gaierror as error:
            raise (Nonexistent if error.errno in _CERTAIN else Unresolved) from error
        except OSError as error:  # also that the time is up
            raise Unresolved from error

    def _find(self, name: str, found: Future[Sequence[str]]) -> None:
        try:
            found.set_result(self._look_up(name))
        except Exception as error:
            found.set_exception(error)
        finally:
            self._free.release()
