"""Run a command that is told to stop (SIGTERM) when its parent dies, however the parent dies.

A script: ``python -I -S leash.py PARENT_PID COMMAND...`` becomes the command. Only Linux has the
system call (``prctl(PR_SET_PDEATHSIG)``, which survives ``execve``); elsewhere it just runs it.

A shell script's background jobs ignore SIGINT, and what they start inherits that. The command does
not: it runs in a session of its own, where no Ctrl-C reaches it that is not meant for it.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Tie this process to ``parent``, then become ``command``, with SIGINT at its default."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != parent:
        sys.exit(f"the parent {parent} is gone")
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
