"""``tocsin`` as processes that begin at once: what they import is imported already.

They are forked from a process of :mod:`support.forking`, since an interpreter that starts anew
takes ten times as long as most commands do. All else is as it is for any process. What a fresh
interpreter decides (encodings, closed descriptors, what is imported) is tested with one, by
:data:`TOCSIN`; ``tests/e2e/test_readme.py`` starts nearly every command so.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from select import select
from typing import Any

from support.forking import Asked, fork
from support.waiting import HANG_SECONDS

__all__ = ["TOCSIN", "Command", "run_command"]

TOCSIN = [sys.executable, "-m", "tocsin.cli"]


class Command(subprocess.Popen[Any]):
    """A running ``tocsin ARGS``. It is no child of this process, but is used like one."""

    def __init__(
        self,
        *args: str,
        env: Mapping[str, str],
        cwd: Path | None = None,
        new_session: bool = False,
        **streams: Any,
    ) -> None:
        """Start it; ``streams`` are as :class:`subprocess.Popen` takes them."""
        self._asked = Asked([*args], dict(env), str(cwd or Path.cwd()), new_session)
        super().__init__(args, **streams)

    def _execute_child(self, *how: Any) -> None:
        """Start it from there in place of here: the rest of ``Popen`` is about pipes."""
        pipes = how[10:16]
        reads, _, _, writes, _, complains = pipes
        given = enumerate((reads, writes, complains))
        theirs = [own if number == -1 else number for own, number in given]
        ended, ending = os.pipe()
        self._ended = os.fdopen(ended, "rb", buffering=0)
        with os.fdopen(ending, "wb"):
            self.pid = fork(self._asked, [*theirs, ending])
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code, at its end."""
        returncode = self._look(timeout)
        if returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return returncode

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None and select([self._ended], [], [], timeout)[0]:
            with self._ended:
                self.returncode = int(self._ended.read())
        return self.returncode


def run_command(
    *args: str, env: Mapping[str, str], stdin: str | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    pipe = subprocess.PIPE
    given = subprocess.DEVNULL if stdin is None else pipe
    with Command(
        *args, env=env, cwd=cwd, stdin=given, stdout=pipe, stderr=pipe, text=True
    ) as command:
        try:
            out, err = command.communicate(stdin, timeout=HANG_SECONDS)
        except BaseException:
            command.kill()
            raise
    return subprocess.CompletedProcess(args, command.returncode, out, err)
