"""One execution environment of a function: invoked any number of times, one at a time."""

import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from localstack_process import report
from localstack_process.runtime import Runtime
from localstack_process.runtime_api import Answer, Invocation

__all__ = ["Function", "Sandbox", "Stopped"]


@dataclass(frozen=True, slots=True)
class Function:
    """What a sandbox must know of the function version that it runs."""

    version: str
    code: Path
    timeout_seconds: int
    memory_mb: int  # it is reported, not enforced
    max_response_bytes: int


class Stopped(Exception):
    """The sandbox was stopped while it started."""


class Sandbox:
    """Keeps a runtime, and starts another when it has failed, as Lambda does."""

    def __init__(self, function: Function) -> None:
        """Prepare a sandbox; nothing runs before :meth:`start`."""
        self._function = function
        self._folder = Path(tempfile.mkdtemp(prefix="lambda-sandbox-"))
        self._printing = (self._folder / "output").open("ab")
        self._printed = (self._folder / "output").open("rb")
        self._env: Mapping[str, str] = {}
        self._runtime: Runtime | None = None
        self._init_seconds: float | None = None  # until it is reported
        self._used_bytes = 0
        self._stopped = False
        self._changing, self._invoking = Lock(), Lock()

    def start(self, env: Mapping[str, str]) -> None:
        """Initialize the function; if that fails, the first invocation tries again and tells.

        Raises:
            Stopped: :meth:`stop` was called meanwhile.
        """
        self._env = {**env, "TMPDIR": str(self._folder)}
        started = time.perf_counter()
        self._boot()
        self._init_seconds = time.perf_counter() - started
        if self._stopped:
            raise Stopped

    def invoke(
        self, request_id: str, function_arn: str, trace_id: str, payload: bytes
    ) -> tuple[Answer, str]:
        """Return the answer, and what CloudWatch Logs gets."""
        with self._invoking:
            started = time.perf_counter()
            timeout = self._function.timeout_seconds
            deadline_ms = int((time.time() + timeout) * 1000)
            answer = self._answer(
                Invocation(request_id, function_arn, trace_id, deadline_ms, payload)
            )
            logs = report.lines(
                request_id,
                version=self._function.version,
                output=self._printed.read(),
                seconds=time.perf_counter() - started,
                init_seconds=self._init_seconds,
                memory_mb=self._function.memory_mb,
                used_bytes=self._used_bytes,
                fault=answer.fault,
            )
            self._init_seconds = None
        return answer, logs

    def stop(self) -> None:
        """End what runs, an invocation included; nothing starts any more."""
        with self._changing:
            self._stopped = True
        if self._runtime:
            self._runtime.kill()
        with self._invoking:
            self._printing.close()
            self._printed.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def unreported(self) -> str:
        """Return what was printed since the last invocation."""
        return "" if self._printed.closed else self._printed.read().decode(errors="replace")

    def _answer(self, invocation: Invocation) -> Answer:
        runtime, failure = self._boot()
        if failure:
            return failure
        timeout = self._function.timeout_seconds
        try:
            answer = runtime.invoke(invocation).result(timeout)
        except TimeoutError:
            answer = Answer.of_fault(
                "Sandbox.Timedout",
                f"RequestId: {invocation.request_id} Error: "
                f"Task timed out after {timeout:.2f} seconds",
            )
        self._used_bytes = runtime.memory_bytes()
        if answer.fault:
            runtime.kill()
        return answer

    def _boot(self) -> tuple[Runtime, Answer | None]:
        """Return a runtime that is ready, or why it is not."""
        with self._changing:
            if self._stopped:
                raise Stopped
            if self._runtime is None or not self._runtime.alive:
                self._runtime = Runtime(
                    self._env,
                    self._function.code,
                    self._printing,
                    self._function.max_response_bytes,
                )
            runtime = self._runtime
        failure = runtime.initialized()
        if failure:
            runtime.kill()
        return runtime, failure
