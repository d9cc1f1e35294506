"""Waiting for a decision: many who wait cost one look at the store, for each org a few a second.

The approvals' own state is looked at, not the log: an answer never depends on how soon an event is
sealed, and what is decided stays so. Those who wait for the same approval share the look.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import orjson

from tocsin.domain.approvals import Approval
from tocsin.domain.errors import Busy, IntegrityError, TocsinError
from tocsin.domain.keys import ApiKey
from tocsin.domain.limits import WAITS_AT_ONCE, WAITS_AT_ONCE_PER_ORG
from tocsin.ports.deciding import Approvals
from tocsin.services.access.presented import Presented
from tocsin.services.access.seats import Seats
from tocsin.services.approvals.reading import Reading
from tocsin.wire import approvals as wire
from tocsin.wire.filters import Query

__all__ = ["Waiting"]

_LOOK_SECONDS: Final = 0.2
_THREADS: Final = 4  # an org takes one for its looks

type _Waiters = dict[str, set[asyncio.Future[Approval]]]


class Waiting:
    """The use case behind ``GET /v1/approvals/{id}/decision``. Used in one event loop."""

    def __init__(
        self,
        store: Approvals,
        reading: Reading,
        admit: Callable[[Presented], ApiKey],
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        """``admit`` returns a credential's key, or raises; it blocks, as the stores do."""
        self._store = store
        self._reading = reading
        self._admit = admit
        self._look_seconds = look_seconds
        self._seats = Seats(WAITS_AT_ONCE, WAITS_AT_ONCE_PER_ORG, None, "waiting requests")
        self._threads = ThreadPoolExecutor(_THREADS, "approvals")
        self._waiting: dict[str, _Waiters] = {}
        self._looking: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """How many wait now."""
        return sum(len(each) for org in self._waiting.values() for each in org.values())

    @property
    def looking(self) -> bool:
        """Whether anything is looked at."""
        return bool(self._looking)

    async def decision(self, presented: Presented, id: str, query: Query) -> AsyncGenerator[bytes]:
        """Yield what was decided as soon as it is; how it stands, if it is not within the time.

        Raises:
            Malformed: the query is not understood.
            Unauthenticated, Forbidden, NotFound: as :meth:`.Reading.one`.
            Crowded, LimitReached: too many wait already.
            Busy: the store does not answer.
        """
        seconds = wire.seconds_asked(query)
        self._seats.take()
        try:
            key = await self._run(self._admit, presented)
            self._seats.assign(key)
        except BaseException:
            self._seats.give_back()
            raise
        try:
            approval = await self._run(self._reading.one, key, id)
            if approval.pending and seconds:
                approval = await self._decided(approval, seconds)
            yield orjson.dumps(wire.decision(approval))
        finally:
            self._seats.leave(key)

    async def _decided(self, approval: Approval, seconds: int) -> Approval:
        """Return the approval when it is decided; as it was, if that takes longer."""
        waiters = self._waiting.get(approval.org)
        if waiters is None:
            waiters = self._waiting[approval.org] = {}
            look = asyncio.create_task(self._look(approval.org, waiters))
            self._looking.add(look)
            look.add_done_callback(self._looking.discard)
        decided: asyncio.Future[Approval] = asyncio.get_running_loop().create_future()
        waiters.setdefault(approval.id, set()).add(decided)
        try:
            async with asyncio.timeout(seconds):
                return await decided
        except TimeoutError:
            return approval
        finally:
            _leave(waiters, approval.id, decided)

    async def _look(self, org: str, waiters: _Waiters) -> None:
        """Look at what an org waits for until nobody does."""
        while True:
            await asyncio.sleep(self._look_seconds)
            if not waiters:
                del self._waiting[org]
                return
            for id, found in (await self._found(org, list(waiters))).items():
                for each in waiters.get(id, ()):
                    if each.done():
                        continue
                    if isinstance(found, TocsinError):
                        each.set_exception(found)
                    elif not found.pending:
                        each.set_result(found)

    async def _found(self, org: str, ids: Sequence[str]) -> dict[str, Approval | TocsinError]:
        """Return those that can be read, and why others can't."""
        found: dict[str, Approval | TocsinError] = {}
        with suppress(Busy):  # then they wait on
            found |= await self._run(self._store.get, org, ids)
            for id in set(ids) - found.keys():  # not the others' trouble
                try:
                    found |= await self._run(self._store.get, org, [id])
                except IntegrityError as error:
                    found[id] = error
        return found

    async def _run[**P, T](self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: call(*args, **kwargs))


def _leave(waiters: _Waiters, id: str, mine: asyncio.Future[Approval]) -> None:
    waiters[id].discard(mine)
    if not waiters[id]:
        del waiters[id]
