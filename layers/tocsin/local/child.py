"""One part's process."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tocsin.local import leash
from tocsin.local.parts import Part

__all__ = ["Backoff", "Child", "Exit"]

_KILL_SECONDS = 5.0  # the kernel needs a moment for a process in a system call


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended, and how long it had lived."""

    returncode: int  # negative: the signal's number
    lived_seconds: float

    def __str__(self) -> str:
        """Return the rest of a sentence that begins with the part's name."""
        if self.returncode < 0:
            return f"was killed by {signal.Signals(-self.returncode).name}"
        return f"ended with status {self.returncode}"


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next start: longer each time, until a process lasts."""

    first_seconds: float = 0.1
    longest_seconds: float = 5.0
    lasting_seconds: float = 10.0
    failures: int = 0

    def after(self, lived_seconds: float) -> float:
        """Return the seconds to wait after a process that lived for ``lived_seconds``."""
        self.failures = 1 if lived_seconds >= self.lasting_seconds else self.failures + 1
        return float(min(self.first_seconds * 2 ** (self.failures - 1), self.longest_seconds))


class Child:
    """Starts a part, in a process group of its own, and waits for its end, any number of times."""

    def __init__(
        self, part: Part, env: Mapping[str, str], log: Path, keep_open: Sequence[int] = ()
    ) -> None:
        """``log`` takes its output; it inherits the file descriptors ``keep_open``."""
        self.part = part
        self.starts = 0
        self.replaced = False  # whether its last end was asked for by :meth:`replace`
        self._env = env
        self._log = log
        self._keep_open = keep_open
        self._process: Process | None = None
        self._closed = False
        self._changing = asyncio.Lock()

    @property
    def name(self) -> str:
        """The part's name."""
        return self.part.name

    async def run(self) -> Exit | None:
        """Start the process and wait until it ends; None, starting nothing, after :meth:`stop`."""
        async with self._changing:
            if self._closed:
                return None
            started = time.monotonic()
            self.starts += 1
            self.replaced = False
            with self._log.open("ab") as output:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-S", leash.__file__, str(os.getpid())),
                    *self.part.command,
                    stdin=DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=self._log.parent,
                    env=self._env,
                    pass_fds=self._keep_open,
                    start_new_session=True,
                )
        returncode = await self._process.wait()
        return Exit(returncode, time.monotonic() - started)

    async def stop(self) -> Exit | None:
        """End the process for good; return how it ended, None if it was not running.

        It gets SIGTERM first, and SIGKILL when it has not ended ``stop_seconds`` later.
        """
        async with self._changing:
            self._closed = True
        process = self._process
        if process is None or process.returncode is not None:
            return None
        started = time.monotonic()
        for number, seconds in (
            (signal.SIGTERM, self.part.stop_seconds),
            (signal.SIGKILL, _KILL_SECONDS),
        ):
            self.signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), seconds)
                break
        return Exit(process.returncode or 0, time.monotonic() - started)

    def replace(self) -> None:
        """Kill the process, so that :meth:`run` returns and its caller starts another."""
        self.replaced = True
        self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and to whatever it started."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
