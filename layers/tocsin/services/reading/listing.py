"""Lists of what is sealed, for Govrix Scout's query API: pages, sessions, single events."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tocsin.domain.keys import ApiKey
from tocsin.domain.limits import LISTS_AT_ONCE, LISTS_AT_ONCE_PER_ORG
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.ports import Clock, Journal, Ledger, Projections
from tocsin.services.access.presented import Credentials, Presented
from tocsin.services.access.seats import Seats
from tocsin.services.reading import selection
from tocsin.services.reading.past import Past
from tocsin.services.reading.threads import Threads
from tocsin.wire import filters, govrix, page
from tocsin.wire.filters import Query
from tocsin.wire.page import Order, Page
from tocsin.wire.parameters import known

__all__ = ["Listing", "Next"]

READS_AT_ONCE, READS_AT_ONCE_PER_ORG = 3, 1  # each holds a few MB
ADMISSIONS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Next:
    """Comes before a page that others may follow, with the last seq that is on it."""

    seq: int
    order: Order


type Piece = bytes | Next
type _LookUp = Callable[[Past, Projections | None, Page, int], selection.Looking]
type _Steps = Callable[[ApiKey], Iterator[Piece]]


class Listing:
    """Answers in pieces of JSON, perhaps after a :class:`Next`.

    What refuses a request is raised before the first piece.

    Every method raises Unauthenticated, Forbidden, Malformed, Crowded or LimitReached (too many
    lists at once), and what the ledger raises: TooFar, IntegrityError, Busy. After the first piece
    IntegrityError and Busy can still come: then the answer must be broken off.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        journal: Journal,
        credentials: Credentials,
        clock: Clock,
        projections: Projections | None = None,
        allowed_types: frozenset[str] | None = None,
        retention: Callable[[], Retention] = lambda: KEEPS_ALL,
    ) -> None:
        """Wire the ports.

        Without projections the whole ledger is looked through for a session or an agent. Event
        types beyond the allowed ones are shown to nobody. ``retention`` returns what
        the journal may have dropped by now.
        """
        self._ledger = ledger
        self._journal = journal
        self._credentials = credentials
        self._clock = clock
        self._projections = projections
        self._allowed_types = allowed_types
        self._retention = retention
        self._seats = Seats(LISTS_AT_ONCE, LISTS_AT_ONCE_PER_ORG, None, "lists")
        self._reads = Threads("lists", READS_AT_ONCE, READS_AT_ONCE_PER_ORG)
        self._admissions = Threads("list-keys", ADMISSIONS_AT_ONCE)

    def page(self, credential: Presented, query: Query) -> AsyncGenerator[Piece]:
        """Yield an array of the events that a query asks for, the newest first if not asked."""
        return self._answer(
            credential, lambda key: self._array(selection.page_of, key, self._page(key, query))
        )

    def session(
        self, credential: Presented, session_id: str, query: Query
    ) -> AsyncGenerator[Piece]:
        """Yield an array of all events of a session, in the order of their timestamps."""

        def steps(key: ApiKey) -> Iterator[Piece]:
            asked = self._page(key, query, session_id=session_id)
            return self._array(selection.of_session, key, asked)

        return self._answer(credential, steps)

    def event(self, credential: Presented, event_id: str, query: Query) -> AsyncGenerator[Piece]:
        """Yield one event as an object, or raise NotFound."""
        return self._answer(credential, lambda key: self._object(key, event_id, query))

    async def _answer(self, credential: Presented, steps: _Steps) -> AsyncGenerator[Piece]:
        """Take the steps in a thread, one at a time, so that who is gone is not worked for."""
        async with self._admitted(credential) as key:
            running = steps(key)
            while True:
                step = await self._reads.run(key.org, next, running, None)
                if step is None:
                    return
                if step:
                    yield step

    @asynccontextmanager
    async def _admitted(self, credential: Presented) -> AsyncIterator[ApiKey]:
        self._seats.take()
        try:
            key, _ = await self._admissions.run("", self._credentials.admit, credential)
            self._seats.assign(key)
        except BaseException:
            self._seats.give_back()
            raise
        try:
            yield key
        finally:
            self._seats.leave(key)

    def _array(self, look_up: _LookUp, key: ApiKey, asked: Page) -> Iterator[Piece]:
        past = self._past(key)
        found = yield from look_up(past, self._projections, asked, self._clock.now_ms())
        if found.more:
            yield Next(found.places[-1], asked.order)
        yield from govrix.array(found.read(past))

    def _object(self, key: ApiKey, event_id: str, query: Query) -> Iterator[Piece]:
        known(query, ())
        allowed = self._page(key, ()).filter
        yield govrix.encode_object(selection.by_id(self._past(key), event_id, allowed))

    def _page(self, key: ApiKey, query: Query, *, session_id: str | None = None) -> Page:
        allowed = filters.within(key.types, self._allowed_types)
        return page.parse(query, allowed, session_id=session_id)

    def _past(self, key: ApiKey) -> Past:
        return Past(self._ledger, self._journal, key.org, self._retention())
