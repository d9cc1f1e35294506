"""One life of a runtime process: from its start to its answer, failure or death."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import IO

import psutil

from localstack_process import launch
from localstack_process.runtime_api import Answer, Invocation, RuntimeApi

__all__ = ["Runtime"]

# The kernel's "your parent died" is about the thread that started the process, and LocalStack's
# threads come and go: one that stays starts them all.
_starter = ThreadPoolExecutor(1, "lambda-starter")


class Runtime:
    """A process in a group of its own, and the API that it talks to."""

    def __init__(
        self, env: Mapping[str, str], folder: Path, output: IO[bytes], max_response_bytes: int
    ) -> None:
        """Start it in ``folder``; what it and its children print goes to ``output``."""
        self._api = RuntimeApi(max_response_bytes)
        self._process = _starter.submit(
            subprocess.Popen,
            [sys.executable, "-I", "-S", launch.__file__, str(os.getpid())],
            cwd=folder,
            env={**env, "AWS_LAMBDA_RUNTIME_API": self._api.address},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ).result()
        self._ended = Event()
        Thread(target=self._watch, daemon=True).start()

    def initialized(self) -> Answer | None:
        """Wait until it asks for work; an answer says why it never will."""
        return self._api.initialized.result()

    def invoke(self, invocation: Invocation) -> Future[Answer]:
        """Give it work."""
        return self._api.invoke(invocation)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return not self._ended.is_set()

    def memory_bytes(self) -> int:
        """Return what it holds in memory; 0 if it is gone."""
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            return 0

    def kill(self) -> None:
        """End it and its children at once, as Lambda does."""
        if self.alive:
            self._kill_group()
        self._ended.wait()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _watch(self) -> None:
        # Not reaped yet, so that its number still means the group that it may have left behind.
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        self._kill_group()
        status = self._process.wait()
        reason = f"signal: {signal.strsignal(-status)}" if status < 0 else f"exit status {status}"
        self._ended.set()
        self._api.end(Answer.of_fault("Runtime.ExitError", f"Runtime exited with error: {reason}"))
