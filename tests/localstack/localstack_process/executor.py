"""LocalStack's Lambda, on processes: one sandbox per execution environment."""

import sys

from localstack.services.lambda_.invocation.executor_endpoint import ShutdownDuringStartup
from localstack.services.lambda_.invocation.lambda_models import (
    FunctionVersion,
    HotReloadingCode,
    InvocationResult,
    S3Code,
)
from localstack.services.lambda_.invocation.runtime_executor import (
    LambdaRuntimeException,
    RuntimeExecutor,
)

from localstack import config
from localstack_process import opt
from localstack_process.sandbox import Function, Sandbox, Stopped
from localstack_process.variables import variables

__all__ = ["ProcessExecutor"]

_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_HOST = "127.0.0.1"


class ProcessExecutor(RuntimeExecutor):
    """LocalStack makes one for each execution environment."""

    def __init__(self, id: str, function_version: FunctionVersion) -> None:
        """Prepare an environment of this function version."""
        super().__init__(id, function_version)
        function = function_version.config
        code, self._layers = _archives(function_version)
        self._code = code.get_unzipped_code_location()
        self._sandbox = Sandbox(
            Function(
                version=function_version.id.qualifier,
                code=self._code,
                timeout_seconds=function.timeout,
                memory_mb=function.memory_size,
                max_response_bytes=config.LAMBDA_LIMITS_MAX_FUNCTION_PAYLOAD_SIZE_BYTES,
            )
        )

    def start(self, env_vars: dict[str, str]) -> None:
        """Start the environment with LocalStack's variables and the function's."""
        env = variables(
            env_vars,
            python=_PYTHON,
            code=self._code,
            opt=opt.merged([layer.get_unzipped_code_location() for layer in self._layers]),
            runtime=opt.runtime(),
        )
        try:
            self._sandbox.start(env)
        except Stopped as error:
            told = ShutdownDuringStartup("stopped while it started")  # type: ignore[no-untyped-call]
            raise told from error

    def stop(self) -> None:
        """End the environment, and an invocation that runs in it."""
        self._sandbox.stop()

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Run one invocation."""
        request_id = payload["invoke-id"]
        answer, logs = self._sandbox.invoke(
            request_id,
            payload["invoked-function-arn"],
            payload["trace-id"],
            payload["payload"].encode(),
        )
        return InvocationResult(request_id, answer.payload, answer.is_error, logs)

    def get_logs(self) -> str:
        """Return what no invocation's logs hold yet."""
        return self._sandbox.unreported()

    def get_address(self) -> str:
        """Return where LocalStack reaches the environment."""
        return _HOST

    def get_endpoint_from_executor(self) -> str:
        """Return where the environment reaches LocalStack."""
        return _HOST

    def get_runtime_endpoint(self) -> str:
        """Return nothing: only the helper within a container would call it."""
        return ""

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unzip the code and the layers.

        Raises:
            LambdaRuntimeException: it can't run as a process; becomes the function's state.
        """
        code, layers = _archives(function_version)
        for archive in (code, *layers):
            archive.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Leave it to LocalStack, which removes the code and, at its end, its temporary folder."""


def _archives(
    version: FunctionVersion,
) -> tuple[S3Code | HotReloadingCode, list[S3Code | HotReloadingCode]]:
    """Return the code and the layers of a function that can run as a process."""
    function = version.config
    if function.code is None or function.runtime != f"python{_PYTHON}":
        raise LambdaRuntimeException(
            f"processes run zip functions of python{_PYTHON}, not {function.runtime or 'an image'}"
        )
    if "AWS_LAMBDA_EXEC_WRAPPER" in (function.environment or {}):
        raise LambdaRuntimeException("processes run without AWS_LAMBDA_EXEC_WRAPPER")
    layers = [layer.code for layer in function.layers if layer.code is not None]
    if len(layers) < len(function.layers):
        raise LambdaRuntimeException("processes take layers that were published here only")
    return function.code, layers
