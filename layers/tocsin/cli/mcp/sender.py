"""Sends what the spool holds, in order, from a thread of its own.

httpx and tenacity are imported in that thread: the relay must not wait for them.
"""

from collections.abc import Callable
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Final

from tocsin.cli._failure import Failure
from tocsin.cli._output import escaped
from tocsin.cli.mcp.spool import Spool, SpooledBatch

if TYPE_CHECKING:
    from tocsin.client import Client, SendResult

__all__ = ["Sender"]

_MAX_SECONDS: Final = 15.0  # between two attempts
# With these, the same request can't succeed later. With all others it can, if only with another key
# (401, 403): a client would not wait for that, but what is spooled costs nothing while it waits.
_NEVER: Final = frozenset({400, 409, 413, 415, 422})


class Sender(Thread):
    """Runs until it is stopped; everything that it can't send stays in the spool."""

    def __init__(self, spool: Spool, url: str, api_key: str, say: Callable[[str], None]) -> None:
        """Send to ``url``; ``say`` takes what the user should know, a line at a time."""
        super().__init__(name="tocsin-sender", daemon=True)
        self._spool = spool
        self._url = url
        self._api_key = api_key
        self._say = say
        self._stopping = Event()
        self._delivering = False
        self._away = False  # whether the last attempt failed (the user has been told)
        self._behind = spool.pending > 0  # whether to tell the user when all is sent
        self._sent_late = 0

    def run(self) -> None:
        """Send batch after batch."""
        try:
            self._run()
        except Failure as failure:
            self._say(f"nothing is sent, tool calls are kept in {self._spool.path}: {failure}")
        except OSError as error:  # not httpx's, which are not OSErrors
            self._say(f"can't read {self._spool.path} ({error.strerror}): nothing more is sent")
        except Exception as error:  # the relay goes on, and the next one tries again
            self._say(f"nothing more is sent, tool calls are kept in {self._spool.path}: {error!r}")

    def _run(self) -> None:
        from tocsin.client import Backoff, BadEnvironment, Client

        try:
            client = Client(self._url, self._api_key, backoff=Backoff(attempts=1))
        except BadEnvironment as error:
            raise Failure(escaped(str(error))) from error
        with client:
            self._send_all(client)

    def _send_all(self, client: "Client") -> None:
        while (batch := self._spool.take()) is not None:
            self._delivering = True
            if not self._deliver(client, batch):
                return
            self._delivering = False

    def stop(self, flush_seconds: float, interrupted: Callable[[], bool]) -> None:
        """Send the rest, for so long or until ``interrupted``; if out of reach, try once more."""
        self._stopping.set()
        self._spool.finish()
        deadline = monotonic() + flush_seconds
        while self.is_alive() and (self._spool.pending or self._delivering):
            left_seconds = deadline - monotonic()
            if interrupted() or left_seconds <= 0:
                return
            self.join(min(left_seconds, 0.05))

    def _deliver(self, client: "Client", spooled: SpooledBatch) -> bool:
        """Send one batch, however long it takes; return False if it has to stay."""
        import httpx
        from tenacity import Retrying, retry_if_exception, sleep_using_event, stop_when_event_set

        from tocsin.client import ApiError, Backoff
        from tocsin.client._outbox import OutgoingBatch

        batch = OutgoingBatch(spooled.events, spooled.key)

        def send() -> "SendResult":
            return batch.result(client.post(batch, partial=True))

        retrying = Retrying(
            **Backoff(max_seconds=_MAX_SECONDS).retrying(self._missed)
            | {
                "retry": retry_if_exception(
                    lambda error: isinstance(error, httpx.HTTPError) and not _is_final(error)
                ),
                "stop": stop_when_event_set(self._stopping),
                "sleep": sleep_using_event(self._stopping),
            }
        )
        try:
            result = retrying(send)
        except ApiError as error:
            if not _is_final(error):
                return False
            self._say(f"{error.error}: kept in {self._spool.refuse(spooled)}, not to be sent again")
            return True
        except httpx.HTTPError:
            return False
        self._spool.remove(spooled)
        self._took(len(spooled.events), result)
        return True

    def _took(self, count: int, result: "SendResult") -> None:
        if result.rejected:
            self._say(f"{result.rejected} tool calls were not taken: {result.rejections[0]}")
        if self._behind:
            self._sent_late += count
            if not self._spool.pending:
                self._say(f"{self._url} has the {self._sent_late} tool calls from the spool now")
                self._behind, self._sent_late = False, 0
        self._away = False

    def _missed(self, error: BaseException) -> None:
        if not self._away:
            self._say(
                f"{self._url} does not take events ({error or type(error).__name__}): "
                f"tool calls are kept in {self._spool.path} and sent later"
            )
        self._away = self._behind = True


def _is_final(error: BaseException) -> bool:
    from tocsin.client import ApiError

    return isinstance(error, ApiError) and error.status in _NEVER
