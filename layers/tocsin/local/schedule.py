"""What EventBridge does in the deployed stack: invokes a function at intervals."""

from threading import Event

from tocsin.local.functions import Every
from tocsin.local.invoke import Functions

__all__ = ["Schedule"]

_LATER = b"{}"


class Schedule:
    """Invokes a function at the start, repeatedly until that works, and then at intervals."""

    def __init__(
        self,
        functions: Functions,
        function: str,
        every: Every,
        *,
        begin: Event,
        stopping: Event,
        retry_seconds: float = 1.0,
    ) -> None:
        """``begin`` and ``stopping`` start and end it; it retries after ``retry_seconds``."""
        self._functions = functions
        self._function = function
        self._every = every
        self._begin = begin
        self._stopping = stopping
        self._retry_seconds = retry_seconds

    def run(self) -> None:
        """Go on until ``stopping`` is set."""
        self._begin.wait()
        event, wait_seconds = self._every.at_start_here, 0.0
        while not self._stopping.wait(wait_seconds):
            answer = self._functions.invoke(self._function, event)
            if answer is not None and answer.succeeded:
                event, wait_seconds = _LATER, self._every.seconds
            else:
                wait_seconds = self._retry_seconds
