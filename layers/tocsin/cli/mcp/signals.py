"""Passes signals on to the server, and dies as the server died."""

import os
import resource
import signal
import subprocess
from types import FrameType
from typing import Final, NoReturn

__all__ = ["Signals", "end_like"]

_PASSED_ON: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


class Signals:
    """Passes the signals that this process gets on to the server.

    The server has a process group of its own, so that it gets each signal only once, even if a
    terminal or a client signals the relay's whole group.

    Attributes:
        interrupted: Whether a signal came after the server had ended: time to stop.
        count: How many signals came.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self.count = 0
        self._server: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def take_over(self) -> None:
        """Catch signals from now on, except those that the caller has this process ignore."""
        for number in _PASSED_ON:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._received)

    def pass_on_to(self, server: subprocess.Popen[bytes]) -> None:
        """Pass signals on to ``server`` from now on, and those that came before."""
        self._server = server
        for number in self._early:
            server.send_signal(number)

    def _received(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self._server is None:
            self._early.append(number)
        elif self._server.returncode is None:
            self._server.send_signal(number)
        else:
            self.interrupted = True


def end_like(returncode: int) -> NoReturn:
    """Exit as the server did: with its code, or by the signal that killed it.

    At once, wherever threads are: a pump may be in a read, the sender in a request.
    """
    if returncode < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # one core dump is enough
        if -returncode != signal.SIGKILL:
            signal.signal(-returncode, signal.SIG_DFL)
        os.kill(os.getpid(), -returncode)
    os._exit(returncode if returncode >= 0 else 128 - returncode)
