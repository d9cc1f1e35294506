"""How what is read of a log is answered: in pieces, from threads, to those who may."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tocsin.domain.keys import ApiKey
from tocsin.domain.limits import LISTS_AT_ONCE, LISTS_AT_ONCE_PER_ORG
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.ports.log import Journal, Ledger, Summaries
from tocsin.ports.projections import Projections
from tocsin.ports.world import Clock
from tocsin.services.access.presented import Credentials, Presented
from tocsin.services.access.seats import Seats
from tocsin.services.reading.past import Past
from tocsin.services.reading.threads import Threads
from tocsin.wire import filters
from tocsin.wire.page import Order

__all__ = ["Answers", "Attachment", "Next", "Piece"]

READS_AT_ONCE, READS_AT_ONCE_PER_ORG = 3, 1  # each holds a few MB
ADMISSIONS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Next:
    """Comes before a page that others may follow: those beyond a seq, in the page's order.

    ``skip`` of them are to be skipped yet.
    """

    seq: int
    order: Order
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Attachment:
    """Comes before what is to be kept as a file, with the file's name."""

    name: str


type Piece = bytes | Next | Attachment
"""A piece of an answer's body, or what is said of it before the first one."""


class Answers:
    """What every answer takes: the stores, who may see what, and a place in a thread.

    What refuses a request is raised before the first piece: Unauthenticated, Forbidden, Malformed,
    Crowded or LimitReached (too many at once), and what the ledger raises: IntegrityError, Busy.
    These two can still come after the first piece: then the answer must be broken off.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        journal: Journal,
        credentials: Credentials,
        clock: Clock,
        projections: Projections | None = None,
        summaries: Summaries | None = None,
        allowed_types: frozenset[str] | None = None,
        retention: Callable[[], Retention] = lambda: KEEPS_ALL,
    ) -> None:
        """Wire the ports.

        Without projections the whole ledger is searched for a session or an agent, and without
        summaries all that is searched is read. Event types beyond the allowed ones are shown to
        nobody. ``retention`` returns what the journal may have dropped by now.
        """
        self.ledger = ledger
        self.projections = projections
        self.clock = clock
        self._journal, self._summaries = journal, summaries
        self._credentials = credentials
        self._allowed_types = allowed_types
        self._retention = retention
        self._seats = Seats(LISTS_AT_ONCE, LISTS_AT_ONCE_PER_ORG, None, "lists")
        self._reads = Threads("lists", READS_AT_ONCE, READS_AT_ONCE_PER_ORG)
        self._admissions = Threads("list-keys", ADMISSIONS_AT_ONCE)

    async def answer(
        self, credential: Presented, steps: Callable[[ApiKey], Iterator[Piece]]
    ) -> AsyncGenerator[Piece]:
        """Take the steps in a thread, one at a time, so that who is gone is not worked for."""
        async with self._admitted(credential) as key:
            running = steps(key)
            while True:
                step = await self._reads.run(key.org, next, running, None)
                if step is None:
                    return
                if step:
                    yield step

    def past(self, key: ApiKey) -> Past:
        """Return the log that a key may read."""
        return Past(
            self.ledger, self._journal, key.org, self._retention(), summaries=self._summaries
        )

    def types(self, key: ApiKey) -> frozenset[str] | None:
        """Return the event types that a key may see; None: all.

        Raises:
            Forbidden: there are none.
        """
        return filters.within(key.types, self._allowed_types)

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
