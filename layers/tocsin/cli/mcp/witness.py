"""A process beside the relay that tells how a signal came, and what to do when the relay is killed.

The server is in the relay's process group, where it would be without the relay: who ends the whole
group, by ``killpg`` or a terminal's Ctrl-C, reaches the server and all its helpers, even when the
relay is killed or has ended. But then the server has got a signal that the relay gets, too, and the
relay must pass on only those that were sent to itself alone. No system says which one it was. The
witness is in the same group, and nobody signals it by itself: what it has got went to the group.

The witness blocks these signals and handles none: a group's signal is pending for it from the
moment it was sent, whether or not it has got any CPU since. So no load makes it late.
"""

import os
import signal
import socket
import struct
import time
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

_LATER_SECONDS: Final = 0.05  # how much later than to the relay a group's signal may be sent to it
_LOOKS: Final = 10  # in that time
_PATIENCE_SECONDS: Final = 1.0  # for the witness's answer; it may be paused, or not get the CPU
_SEEN: Final = b"i"  # asks: have you got signal i?
_WATCH: Final = b"w"  # says: if the relay dies, kill process i; 0: no process
_MESSAGE: Final = struct.Struct("=cii")  # and the question's number
_ANSWER: Final = struct.Struct("=?i")  # and the question's number


class Witness:
    """A child process that ends with this one. Make it while there is one thread."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._asked = 0
        self._pid = 0
        before = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        try:
            self._pid = os.fork()
        except OSError:  # no room for a process: every signal is passed on, as if sent to us alone
            theirs.close()
        if self._pid == 0 and theirs.fileno() >= 0:
            _be_witness(theirs)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self._socket.settimeout(_PATIENCE_SECONDS)

    def saw(self, number: int) -> bool:
        """Return whether a signal that this process has just got went to the whole group.

        A signal to this process alone that came before it had taken the group's is one with that:
        so it is for every process.
        """
        self._asked += 1
        asked = self._asked
        try:
            self._socket.sendall(_MESSAGE.pack(_SEEN, number, asked))
            while True:
                seen, answered = _ANSWER.unpack(self._socket.recv(_ANSWER.size, socket.MSG_WAITALL))
                if answered == asked:  # not one that came too late
                    return bool(seen)
        except (OSError, struct.error):  # it is gone, or does not answer: twice, not never
            return False

    def watch(self, pid: int) -> None:
        """Have ``pid`` killed when this process is; 0 ends that."""
        with suppress(OSError):
            self._socket.sendall(_MESSAGE.pack(_WATCH, pid, 0))

    def close(self) -> None:
        """End the witness."""
        self._socket.close()
        if self._pid:
            with suppress(OSError):
                os.waitpid(self._pid, 0)
            self._pid = 0


def _be_witness(theirs: socket.socket) -> NoReturn:
    """Be the witness, with all signals of PASSED_ON blocked, as they are here."""
    try:
        _hold_only(theirs.fileno())
        _answer(theirs)
    finally:
        os._exit(0)


def _hold_only(own: int) -> None:
    """Close all other descriptors: their other ends wait for the relay's end, not for ours."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        if number != own:
            os.dup2(nothing, number)
    os.closerange(3, own)
    os.closerange(max(3, own + 1), os.sysconf("SC_OPEN_MAX"))


def _answer(relay: socket.socket) -> None:
    """Answer until the relay is gone, then kill what it left."""
    watched = 0
    with suppress(OSError):  # it was killed between a question and its answer
        while len(message := relay.recv(_MESSAGE.size, socket.MSG_WAITALL)) == _MESSAGE.size:
            kind, number, asked = _MESSAGE.unpack(message)
            if kind == _WATCH:
                watched = number
            else:
                relay.sendall(_ANSWER.pack(_got(number), asked))
    if watched:
        os.kill(watched, signal.SIGKILL)


def _got(number: int) -> bool:
    """Return whether signal ``number`` is pending; then it is not any more."""
    for look in range(_LOOKS):
        if look:
            time.sleep(_LATER_SECONDS / _LOOKS)
        if number in signal.sigpending():
            signal.sigwait({number})
            return True
    return False
