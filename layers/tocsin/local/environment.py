"""A Lambda execution environment: handlers, invoked one at a time unless they may be more."""

import asyncio
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson

__all__ = ["MAX_PAYLOAD_BYTES", "Context", "Environment", "Function", "Outcome"]

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024  # of a synchronous invocation, in each direction
_MEMORY_MB = 512


@dataclass(slots=True)
class Context:
    """What Lambda hands a Python handler besides the event (its documented attributes)."""

    function_name: str
    timeout_seconds: float
    aws_request_id: str = field(default_factory=lambda: str(uuid4()))
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = _MEMORY_MB
    log_stream_name: str = "local"
    identity: None = None
    client_context: None = None
    _started: float = field(default_factory=time.monotonic)

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN."""
        return f"arn:aws:lambda:us-east-1:000000000000:function:{self.function_name}"

    @property
    def log_group_name(self) -> str:
        """The log group it would write to."""
        return f"/aws/lambda/{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the invocation may still take."""
        left = self.timeout_seconds - (time.monotonic() - self._started)
        return max(0, int(left * 1000))


@dataclass(frozen=True, slots=True)
class Function:
    """A handler and its limits. (It is told its memory, which is not enforced.)"""

    name: str
    handler: Callable[[Any, Any], Any]
    timeout_seconds: float
    memory_mb: int = _MEMORY_MB


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an invocation. ``spent`` says that its environment must not be used again."""

    request_id: str
    payload: bytes
    failed: bool = False
    spent: bool = False


class Environment:
    """The functions of one process, of which ``at_once`` run; on Lambda each has its own."""

    def __init__(self, functions: Mapping[str, Function], at_once: int = 1) -> None:
        self.functions = functions
        self._free = asyncio.Semaphore(at_once)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="handler")

    async def invoke(self, name: str, event: Any) -> Outcome:
        """Invoke a function as soon as no others run, or few enough."""
        function = self.functions[name]
        async with self._free:
            context = Context(name, function.timeout_seconds, memory_limit_in_mb=function.memory_mb)
            call = asyncio.get_running_loop().run_in_executor(
                self._threads, _call, function, event, context
            )
            try:
                return await asyncio.wait_for(asyncio.shield(call), function.timeout_seconds)
            except TimeoutError:
                message = f"Task timed out after {function.timeout_seconds:.2f} seconds"
                print(f"{name}: {message}", file=sys.stderr)
                return _failure(context, "Sandbox.Timedout", message, spent=True)


def _call(function: Function, event: Any, context: Context) -> Outcome:
    try:
        payload = orjson.dumps(function.handler(event, context))
    except orjson.JSONEncodeError as error:
        return _failure(context, "Runtime.MarshalError", f"Unable to marshal response: {error}")
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        frames = traceback.format_tb(error.__traceback__)
        return _failure(context, type(error).__name__, str(error), frames)
    if len(payload) > MAX_PAYLOAD_BYTES:
        message = f"Response payload size exceeded maximum allowed {MAX_PAYLOAD_BYTES} bytes"
        return _failure(context, "Function.ResponseSizeTooLarge", message)
    return Outcome(context.aws_request_id, payload)


def _failure(
    context: Context, kind: str, message: str, frames: list[str] | None = None, spent: bool = False
) -> Outcome:
    """Report a failure as Lambda's Python runtime does."""
    error = {
        "errorMessage": message,
        "errorType": kind,
        "requestId": context.aws_request_id,
        "stackTrace": frames or [],
    }
    return Outcome(context.aws_request_id, orjson.dumps(error), failed=True, spent=spent)
