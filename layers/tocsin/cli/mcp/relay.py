"""Runs the server between two pumps."""

import os
import subprocess
from collections.abc import Callable, Sequence
from typing import Final

from tocsin.cli._failure import Failure
from tocsin.cli.mcp.pump import Pump
from tocsin.cli.mcp.signals import Signals

__all__ = ["relay"]

_STDIN: Final = 0
_STDOUT: Final = 1
_KEYS: Final = frozenset({"TOCSIN_API_KEY", "TOCSIN_APPROVE_KEY"})

type Observer = Callable[[bytes], None]


def relay(
    command: Sequence[str],
    signals: Signals,
    from_client: Observer,
    from_server: Observer,
    on_start: Callable[[], None],
    gate: Callable[[Observer, Observer], Callable[[bytes], bytes]] | None = None,
) -> int:
    """Run ``command`` on this process's standard streams and return its return code.

    Its environment is this process's without Tocsin's keys: a server that is watched should
    not be able to write its own record. It is in this process's group, as it would be without a
    relay, so that who ends the group reaches it and all its helpers.

    Args:
        command: The server and its arguments.
        signals: Passes them on.
        from_client: Sees each chunk on its way to the server.
        from_server: Sees each chunk on its way to the client.
        on_start: Called when the server runs.
        gate: Makes, of what sends a line to the client and what sends one to the server, what
            takes each chunk from the client and returns what the server gets.

    Raises:
        Failure: The command can't be run; with a shell's exit codes, 127 and 126.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _KEYS}
    server_in, to_server = os.pipe()
    from_server_out, server_out = os.pipe()
    try:
        server = subprocess.Popen(  # noqa: S603 (what the user asked to run)
            command, stdin=server_in, stdout=server_out, env=environment
        )
    except FileNotFoundError as error:
        raise Failure(f"{command[0]!r} is not a command here", 127) from error
    except OSError as error:
        raise Failure(f"can't run {command[0]!r}: {error.strerror}", 126) from error
    os.close(server_in)
    os.close(server_out)
    signals.witness.watch(server.pid)
    signals.pass_on_to(server)
    ended, end = os.pipe()
    answers = Pump(from_server_out, _owned(_STDOUT, os.O_WRONLY), from_server, ended=ended)
    questions = Pump(_owned(_STDIN, os.O_RDONLY), to_server, from_client)
    questions.gate = gate(answers.insert, questions.pass_on) if gate else None
    questions.start()
    answers.start()
    on_start()
    signals.wait_for(server)
    signals.witness.watch(0)
    os.close(end)
    while answers.is_alive() and not signals.interrupted:
        answers.join(0.05)
    return server.returncode


def _owned(standard: int, mode: int) -> int:
    """Move a standard stream to a descriptor of its own, so that closing it closes it."""
    own = os.dup(standard)
    nothing = os.open(os.devnull, mode)
    os.dup2(nothing, standard)
    os.close(nothing)
    return own
