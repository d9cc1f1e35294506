"""Keeps events in the spool and sends them from there, in order: what Tocsin has, it has once.

Who must not go on before Tocsin has an event waits for it with :meth:`Sender.accepted`: those who
wait at the same time share a request. An attempt that fails is told to all of them at once; what
they would have had sent stays in the spool, as it happened.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx
import orjson
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from tocsin.cli._output import escaped
from tocsin.cli.mcp.spool import Spool, SpooledBatch
from tocsin.client import ApiError, AsyncClient, Backoff, SendResult
from tocsin.client._outbox import OutgoingBatch
from tocsin.domain.errors import TocsinError

__all__ = ["NotAccepted", "Sender"]

_MAX_SECONDS: Final = 15.0  # between two attempts
_LINGER_SECONDS: Final = 0.1  # for others to come along, unless somebody waits
_HASTE_SECONDS: Final = 0.2  # between two attempts when somebody waits
_ENDED: Final = "nothing is sent to Tocsin any more"
_NEVER: Final = frozenset({400, 409, 413, 415, 422})  # the same request can't succeed later


class NotAccepted(TocsinError):
    """Why Tocsin has not taken an event; ``final`` if it never will."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


@dataclass(slots=True)
class _Waiting:
    place: int
    future: asyncio.Future[bool]


class Sender:
    """One task sends; everything that it can't send stays in the spool."""

    def __init__(self, spool: Spool, client: AsyncClient, url: str, say: Callable[[str], None]):
        """``say`` takes what the user should know, a line at a time."""
        self._spool = spool
        self._client = client
        self._url = url
        self._say = say
        self._told: set[str] = set()
        self._waiting: deque[_Waiting] = deque()
        self._put = spool.pending  # how many events there were
        self._done = 0  # and how many of them are settled
        self._wake = asyncio.Event()
        self._stopping = self._ended = False
        self._away = False  # whether the last attempt failed (the user has been told)
        self._behind = spool.pending > 0  # whether to tell the user when all is sent
        self._sent_late = 0
        self._numbers = 0

    def put(self, event: dict[str, Any], number: int | None = None) -> int | None:
        """Keep an event; return its place, or None if it is lost: no room, or no disk.

        ``number`` is that of what had begun and ends with this event. The file that is written to
        is in the page cache: some microseconds, for which no thread is worth it.
        """
        try:
            kept = self._spool.append(orjson.dumps(event), number)
        except OSError as error:
            self._once(f"events can't be kept in {self._spool.path}: {error.strerror}")
            return None
        if not kept:
            self._once("the spool is full: new events are dropped (--spool-max-mb)")
            return None
        self._put += 1
        self._wake.set()
        return self._put

    def begin(self, event: dict[str, Any]) -> int:
        """Keep what is recorded if this process dies before the end is put; return its number."""
        self._numbers += 1
        try:
            self._spool.begin(self._numbers, orjson.dumps(event))
        except OSError as error:
            self._once(f"events can't be kept in {self._spool.path}: {error.strerror}")
        return self._numbers

    async def accepted(self, place: int) -> bool:
        """Wait until Tocsin has the event; return whether it knows of a suspended session then.

        Raises:
            NotAccepted: It has not, or will not.
        """
        if self._ended:
            raise NotAccepted(_ENDED)
        waiting = _Waiting(place, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._wake.set()
        try:
            return await waiting.future
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    async def run(self) -> None:
        """Send batch after batch, until :meth:`stop` and nothing is left."""
        try:
            while await self._something():
                if not await self._deliver(self._spool.take()):
                    return
        except OSError as error:  # not httpx's, which are not OSErrors
            self._say(f"can't read {self._spool.path} ({error.strerror}): nothing more is sent")
        except Exception as error:  # calls go on, and the next proxy tries again
            self._say(f"nothing more is sent, events are kept in {self._spool.path}: {error!r}")
        finally:
            self._ended = True
            self._fail(NotAccepted(_ENDED))

    def stop(self) -> None:
        """Send the rest; if Tocsin is out of reach, try once more."""
        self._stopping = True
        self._wake.set()

    async def _something(self) -> bool:
        """Wait for events, and for a moment longer for more of them."""
        while not self._spool.pending:
            if self._stopping:
                return False
            self._wake.clear()
            await self._wake.wait()
        if not (self._waiting or self._stopping):
            await self._woken(_LINGER_SECONDS)
        return True

    async def _woken(self, seconds: float) -> None:
        """Wait; but not if somebody waits for this, or it is time to stop."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (left := until - loop.time()) > 0 and not (self._waiting or self._stopping):
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), left)
            except TimeoutError:
                return

    async def _rest(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, _HASTE_SECONDS))
        await self._woken(seconds - _HASTE_SECONDS)

    async def _deliver(self, spooled: SpooledBatch | None) -> bool:
        """Send one batch, however long it takes; return False if it has to stay."""
        if spooled is None:
            return False
        batch = OutgoingBatch(spooled.events, spooled.key)

        async def send() -> SendResult:
            return batch.result(await self._client.post(batch, partial=True))

        def is_over(state: RetryCallState) -> bool:
            return self._stopping

        retrying = AsyncRetrying(
            **Backoff(max_seconds=_MAX_SECONDS).retrying()
            | {
                "retry": retry_if_exception(self._is_worth_it),
                "stop": is_over,
                "sleep": self._rest,
            }
        )
        try:
            result: SendResult = await retrying(send)
        except ApiError as error:
            if error.status not in _NEVER:
                return False
            kept = self._spool.refuse(spooled)
            self._say(f"{escaped(error.error)}: kept in {kept}, not to be sent again")
            self._settle(len(batch.events), NotAccepted(error.error, final=True))
            return True
        except httpx.HTTPError:
            return False
        self._spool.remove(spooled)
        self._took(result, len(batch.events))
        return True

    def _is_worth_it(self, error: BaseException) -> bool:
        """Say that an attempt failed, and return whether another one may not."""
        if not isinstance(error, httpx.HTTPError):
            return False
        if isinstance(error, ApiError) and error.status in _NEVER:
            return False
        reason = (
            error.error if isinstance(error, ApiError) else (str(error) or type(error).__name__)
        )
        if not self._away:
            self._say(
                f"{self._url} does not take events ({escaped(reason)}): "
                f"they are kept in {self._spool.path} and sent later"
            )
        self._away = self._behind = True
        self._fail(NotAccepted(f"Tocsin does not take the call's event ({reason})"))
        return True

    def _took(self, result: SendResult, count: int) -> None:
        self._away = False
        rejected = {each.index: each.details for each in result.rejections}
        if rejected:
            details = next(iter(rejected.values()))
            why = details[0]["message"] if details else "it is invalid"
            self._say(f"{len(rejected)} events were not taken: {escaped(why)}")
        for index, details in sorted(rejected.items()):
            why = details[0]["message"] if details else "it is invalid"
            self._refuse(self._done + index + 1, NotAccepted(why, final=True))
        self._settle(count, result.suspended)
        if self._behind:
            self._sent_late += count
            if not self._spool.pending:
                self._say(f"{self._url} has the {self._sent_late} events from the spool now")
                self._behind, self._sent_late = False, 0

    def _settle(self, count: int, outcome: bool | NotAccepted) -> None:
        self._done += count
        for waiting in [each for each in self._waiting if each.place <= self._done]:
            self._waiting.remove(waiting)
            _tell(waiting, outcome)

    def _refuse(self, place: int, error: NotAccepted) -> None:
        for waiting in [each for each in self._waiting if each.place == place]:
            self._waiting.remove(waiting)
            _tell(waiting, error)

    def _fail(self, error: NotAccepted) -> None:
        while self._waiting:
            _tell(self._waiting.popleft(), error)

    def _once(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._say(line)


def _tell(waiting: _Waiting, outcome: bool | NotAccepted) -> None:
    if waiting.future.done():
        return
    if isinstance(outcome, NotAccepted):
        waiting.future.set_exception(outcome)
    else:
        waiting.future.set_result(outcome)
