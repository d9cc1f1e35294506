"""A process that has imported the whole command line, and is forked for each command.

It is asked in one message, which carries the descriptors that the command is to have and one on
which it tells how the command ended.
"""

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from threading import Lock

from support.waiting import HANG_SECONDS

__all__ = ["Asked", "fork"]

_MAX_BYTES = 256 * 1024  # of what is asked, or answered
_STANDARD = 3
# What commands import when they need it.
_LATER = [
    *("csv", "gzip", "httpcore", "rich.progress", "rich.table", "typer.rich_utils"),
    *("tocsin.bootstrap.admin", "tocsin.client"),
]
_INTERRUPTS = {signal.SIGINT}  # at the keyboard they are for who asks, and for the commands
_one_at_a_time = Lock()


@dataclass(frozen=True)
class Asked:
    """What a command is started with."""

    args: list[str]
    env: dict[str, str]
    cwd: str
    new_session: bool


def fork(asked: Asked, descriptors: Sequence[int]) -> int:
    """Start a command; return its process.

    Args:
        asked: What it is started with.
        descriptors: Its standard input, output and error, and where its exit code is written.
    """
    with _one_at_a_time:
        parent = _parent()
        socket.send_fds(parent, [json.dumps(asdict(asked)).encode()], descriptors)
        return int(parent.recv(_MAX_BYTES))


@cache
def _parent() -> socket.socket:
    """Start the process that is forked; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(HANG_SECONDS)
    with theirs:
        process = subprocess.Popen(  # noqa: S603 (this module)
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(us: socket.socket) -> Asked | None:
    """Fork whenever it is asked for. Returns in each child, and, without anything, at the end."""
    selector = DefaultSelector()
    selector.register(us, EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.data:  # a child, which has ended
                selector.unregister(key.fd)
                _tell(key.fd, *key.data)
                continue
            message, descriptors, _, _ = socket.recv_fds(us, _MAX_BYTES, _STANDARD + 1)
            if not message:
                return None
            asked = Asked(**json.loads(message))
            child = os.fork()
            if not child:
                selector.close()
                _become(asked, descriptors[:_STANDARD], us)
                return asked
            for each in descriptors[:_STANDARD]:
                os.close(each)
            selector.register(os.pidfd_open(child), EVENT_READ, (child, descriptors[_STANDARD]))


def _tell(pidfd: int, child: int, ending: int) -> None:
    os.close(pidfd)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(BrokenPipeError), os.fdopen(ending, "wb", buffering=0) as told:
        told.write(str(code).encode())


def _become(asked: Asked, standard: Sequence[int], us: socket.socket) -> None:
    """Be what a fresh interpreter would be with these arguments; tell who it is."""
    for own, given in enumerate(standard):
        os.dup2(given, own)
    os.closerange(_STANDARD, us.fileno())
    os.closerange(us.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
    if asked.new_session:
        os.setsid()
    os.chdir(asked.cwd)
    os.environ.clear()
    os.environ.update(asked.env)
    time.tzset()
    sys.argv[1:] = asked.args
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 (as long as the process)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
    with us:
        us.send(str(os.getpid()).encode())


if __name__ == "__main__":
    from tocsin.adapters._aws import session
    from tocsin.cli import _app

    signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    for each in (*(command.module for command in _app._COMMANDS.values()), *_LATER):
        import_module(each)
    read = session().get_component("data_loader")  # what each command's client needs
    read.load_data("endpoints")
    for each in ("service-2", "endpoint-rule-set-1"):
        read.load_service_model("dynamodb", each)
    gc.freeze()
    if _serve(socket.socket(fileno=int(sys.argv[1]))):
        _app.main()
