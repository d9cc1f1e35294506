"""A process beside the relay that tells how a signal came, and what to do when the relay is killed.

The server is in the relay's process group, where it would be without the relay: who ends the whole
group, by ``killpg`` or a terminal's Ctrl-C, reaches the server and all its helpers, even when the
relay is killed or has ended. But then the server has got a signal that the relay gets, too, and the
relay must pass on only those that were sent to itself alone. No system says which one it was. The
witness is in the same group, and nobody signals it by itself: what it has seen went to the group.
"""

import os
import select
import signal
import socket
import struct
from contextlib import suppress
from typing import Final, NoReturn

__all__ = ["PASSED_ON", "Witness"]

PASSED_ON: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)

_LATER_SECONDS: Final = 0.05  # how much later than the relay the witness may see a signal
_PATIENCE_SECONDS: Final = 1.0  # for the witness's answer; it may be paused, or not get the CPU
_SEEN: Final = b"i"  # asks: have you seen signal i?
_WATCH: Final = b"w"  # says: if the relay dies, kill process i; 0: no process
_MESSAGE: Final = struct.Struct("=ci")


class Witness:
    """A child process that ends with this one. Make it while there is one thread."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._pid = 0
        before = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        try:
            self._pid = os.fork()
        except OSError:  # no room for a process: every signal is passed on, as if sent to us alone
            theirs.close()
        if self._pid == 0 and theirs.fileno() >= 0:
            _be_witness(theirs, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self._socket.settimeout(_PATIENCE_SECONDS)

    def saw(self, number: int) -> bool:
        """Return whether a signal that this process has just got went to the whole group."""
        try:
            if select.select([self._socket], [], [], 0)[0]:
                self._socket.recv(4096)  # an answer that came too late
            self._socket.sendall(_MESSAGE.pack(_SEEN, number))
            return self._socket.recv(1) == b"y"
        except OSError:  # it is gone, or does not answer: who sent that can send again
            return False

    def watch(self, pid: int) -> None:
        """Have ``pid`` killed when this process is; 0 ends that."""
        with suppress(OSError):
            self._socket.sendall(_MESSAGE.pack(_WATCH, pid))

    def close(self) -> None:
        """End the witness."""
        self._socket.close()
        if self._pid:
            with suppress(OSError):
                os.waitpid(self._pid, 0)
            self._pid = 0


def _be_witness(theirs: socket.socket, mask: set[int | signal.Signals]) -> NoReturn:
    try:
        woken, wake = os.pipe()
        for number in (woken, wake):
            os.set_blocking(number, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for signum in PASSED_ON:
            if signal.getsignal(signum) is not signal.SIG_IGN:
                signal.signal(signum, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _hold_only({theirs.fileno(), woken, wake})
        _answer(theirs.fileno(), woken)
    finally:
        os._exit(0)


def _hold_only(numbers: set[int]) -> None:
    """Close all other descriptors: their other ends wait for the relay's end, not for ours."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        if number not in numbers:
            os.dup2(nothing, number)
    begin = 3
    for number in sorted(number for number in numbers if number >= 3):
        os.closerange(begin, number)
        begin = number + 1
    os.closerange(begin, os.sysconf("SC_OPEN_MAX"))


def _answer(relay: int, woken: int) -> None:
    """Answer until the relay is gone, then kill what it left."""
    seen: set[int] = set()
    watched = 0
    while True:
        readable, _, _ = select.select([relay, woken], [], [])
        if woken in readable:
            seen |= set(os.read(woken, 4096))
        if relay not in readable:
            continue
        message = b""
        while len(message) < _MESSAGE.size:
            if not (part := os.read(relay, _MESSAGE.size - len(message))):
                if watched:
                    os.kill(watched, signal.SIGKILL)
                return
            message += part
        kind, number = _MESSAGE.unpack(message)
        if kind == _WATCH:
            watched = number
            continue
        if number not in seen and select.select([woken], [], [], _LATER_SECONDS)[0]:
            seen |= set(os.read(woken, 4096))
        os.write(relay, b"y" if number in seen else b"n")
        seen.discard(number)
