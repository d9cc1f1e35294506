"""What EventBridge Scheduler does in the deployed stack: invokes the sweeper every five minutes."""

from threading import Event

from tocsin.local.invoke import Functions

__all__ = ["Schedule"]

FUNCTION = "sweeper"

# The emulator's streams begin anew with it, so what was accepted and not sealed before its restart
# comes through no stream: at the start the sweeper looks at everything, however young.
AT_START = b'{"min_age_seconds":0}'
_LATER = b"{}"


class Schedule:
    """Invokes at the start, again until that works, and then from time to time."""

    def __init__(
        self,
        functions: Functions,
        *,
        begin: Event,
        stopping: Event,
        period_seconds: float = 300.0,
        retry_seconds: float = 1.0,
    ) -> None:
        """Take when to begin and when to end, and how long to wait after success and failure."""
        self._functions = functions
        self._begin = begin
        self._stopping = stopping
        self._period_seconds = period_seconds
        self._retry_seconds = retry_seconds

    def run(self) -> None:
        """Go on until ``stopping`` is set."""
        self._begin.wait()
        event, wait_seconds = AT_START, 0.0
        while not self._stopping.wait(wait_seconds):
            answer = self._functions.invoke(FUNCTION, event)
            if answer is not None and answer.succeeded:
                event, wait_seconds = _LATER, self._period_seconds
            else:
                wait_seconds = self._retry_seconds
