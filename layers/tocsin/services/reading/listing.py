"""Lists of what is sealed, for Govrix Scout's query API: pages, sessions, single events."""

from collections.abc import AsyncGenerator, Callable, Iterator

from tocsin.domain.keys import ApiKey
from tocsin.ports.projections import Projections
from tocsin.services.access.presented import Presented
from tocsin.services.reading import selection
from tocsin.services.reading.answers import Answers, Next, Piece
from tocsin.services.reading.past import Past
from tocsin.wire import govrix, page
from tocsin.wire.filters import Query
from tocsin.wire.page import Order, Page
from tocsin.wire.parameters import known

__all__ = ["Listing"]

type _LookUp = Callable[[Past, Projections | None, Page, int], selection.Looking]


class Listing:
    """Answers in pieces of JSON, perhaps after a :class:`Next`; raises as :class:`Answers` does."""

    def __init__(self, answers: Answers) -> None:
        """Answer with ``answers``."""
        self._answers = answers

    def page(self, credential: Presented, query: Query) -> AsyncGenerator[Piece]:
        """Yield an array of the events that a query asks for, the newest first if not asked."""
        return self._answers.answer(
            credential, lambda key: self._array(selection.page_of, key, self._page(key, query))
        )

    def session(
        self, credential: Presented, session_id: str, query: Query
    ) -> AsyncGenerator[Piece]:
        """Yield an array of all events of a session, in the order of their timestamps."""

        def steps(key: ApiKey) -> Iterator[Piece]:
            asked = self._page(key, query, session_id=session_id)
            return self._array(selection.of_session, key, asked, "asc")

        return self._answers.answer(credential, steps)

    def event(self, credential: Presented, event_id: str, query: Query) -> AsyncGenerator[Piece]:
        """Yield one event as an object, or raise NotFound."""
        return self._answers.answer(credential, lambda key: self._object(key, event_id, query))

    def _array(
        self, look_up: _LookUp, key: ApiKey, asked: Page, order: Order | None = None
    ) -> Iterator[Piece]:
        answers, past = self._answers, self._answers.past(key)
        found = yield from look_up(past, answers.projections, asked, answers.clock.now_ms())
        if found.goes_on is not None:
            yield Next(found.goes_on, order or asked.order, found.skip)
        yield from govrix.array(found.read(past))

    def _object(self, key: ApiKey, event_id: str, query: Query) -> Iterator[Piece]:
        known(query, ())
        allowed = self._page(key, ()).filter
        yield govrix.encode_object(selection.by_id(self._answers.past(key), event_id, allowed))

    def _page(self, key: ApiKey, query: Query, *, session_id: str | None = None) -> Page:
        return page.parse(query, self._answers.types(key), session_id=session_id)
