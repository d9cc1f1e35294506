"""Passes signals on to the server, and dies as the server died."""

import os
import resource
import select
import signal
import subprocess
from contextlib import suppress
from threading import Thread
from types import FrameType
from typing import NoReturn

from tocsin.cli.mcp.witness import PASSED_ON, Witness

__all__ = ["Signals", "end_like"]


class Signals:
    """Passes the signals that are sent to this process on to the server.

    Those that are sent to the whole process group reach the server without help, and its helpers
    too; the witness tells which ones these are.

    Attributes:
        interrupted: Whether a signal came after the server had ended: time to stop.
        count: How many signals came.
    """

    def __init__(self, witness: Witness) -> None:
        self.witness = witness
        self.interrupted = False
        self.count = 0
        self._server: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._unasked: list[int] = []

    def take_over(self) -> None:
        """Catch signals from now on, except those that the caller has this process ignore."""
        for number in PASSED_ON:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._received)

    def pass_on_to(self, server: subprocess.Popen[bytes]) -> None:
        """Pass signals on to ``server`` from now on, and those that came before it was there."""
        self._server = server
        for number in self._early:
            server.send_signal(number)

    def wait_for(self, server: subprocess.Popen[bytes]) -> None:
        """Wait until the server has ended; signals are handled meanwhile.

        Also one that comes just before the wait: Python's handlers run between its own steps, and a
        system call that begins in between knows nothing of it. So a pipe is what is waited for.
        """
        told, tell = os.pipe()
        os.set_blocking(told, False)
        os.set_blocking(tell, False)
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)

        def wait() -> None:
            server.wait()
            with suppress(BlockingIOError):  # it is full: who waits is woken anyway
                os.write(tell, b"\0")

        ending = Thread(target=wait, name="tocsin-server", daemon=True)
        ending.start()
        while server.returncode is None:
            select.select([told], [], [])
            with suppress(BlockingIOError):
                os.read(told, 65_536)
        ending.join()
        signal.set_wakeup_fd(-1)
        os.close(tell)
        os.close(told)

    def _received(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self._server is None:
            self._early.append(number)
            self.witness.saw(number)  # so that it does not think of this one next time
            return
        self._unasked.append(number)
        if len(self._unasked) > 1:
            return  # came while another one is asked about, below on the stack
        while self._unasked:
            self._pass_on(self._server, self._unasked[0])
            del self._unasked[0]

    def _pass_on(self, server: subprocess.Popen[bytes], number: int) -> None:
        if server.returncode is not None:
            self.interrupted = True
        elif not self.witness.saw(number):
            server.send_signal(number)


def end_like(returncode: int, witness: Witness) -> NoReturn:
    """End the witness, and exit as the server did: with its code, or by the signal that killed it.

    At once, wherever threads are: a pump may be in a read, the sender in a request.
    """
    witness.close()
    if returncode < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # one core dump is enough
        if -returncode != signal.SIGKILL:
            signal.signal(-returncode, signal.SIG_DFL)
        os.kill(os.getpid(), -returncode)
    os._exit(returncode if returncode >= 0 else 128 - returncode)
