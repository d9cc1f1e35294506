"""Sessions and agents, for Govrix Scout's query API: pages of them, and single ones."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from tocsin.domain.errors import NotFound
from tocsin.domain.keys import ApiKey
from tocsin.domain.limits import MAX_NAME_CHARS
from tocsin.domain.projection import Item, Projected, place_of
from tocsin.domain.times import iso_ms
from tocsin.ports.projections import Projections
from tocsin.ports.world import Clock
from tocsin.services.reading.served import served
from tocsin.services.reading.whole import sees_all
from tocsin.wire import indexes
from tocsin.wire.indexes import Asked

__all__ = ["Indexes"]

_ACTIVE_MS: Final = 15 * 60 * 1_000

type _Say = Callable[[str, Item], dict[str, Any]]


class Indexes:
    """Lists are of the newest seen first: by five minutes, and among those by their beginning.

    All raise Forbidden for a key that may not see every event, and Busy.
    """

    def __init__(self, projections: Projections, clock: Clock) -> None:
        self._projections = projections
        self._clock = clock

    def agents(self, key: ApiKey, asked: Asked) -> dict[str, Any]:
        """Return a page of agents: ``data``, ``total`` and ``next_cursor``, null at the end.

        They are those that events named.
        """
        return self._page(key, "agent", asked, self._agent)

    def unlisted(self, key: ApiKey, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return what is said of those of the agents that the list does not have, in this order."""
        sees_all(key)

        def read(at: Projected) -> list[dict[str, Any]]:
            items = self._projections.items(key.org, [("agent", id) for id in ids], at.generation)
            found = [(id, items.get(("agent", id), {})) for id in ids]
            return [self._agent(id, item) for id, item in found if not place_of(item)]

        return served(self._projections, key.org, read)

    def sessions(self, key: ApiKey, asked: Asked) -> dict[str, Any]:
        """Return a page of sessions, as :meth:`agents` does."""
        return self._page(key, "session", asked, indexes.session)

    def agent(self, key: ApiKey, id: str) -> dict[str, Any]:
        """Return an agent, or raise NotFound."""
        return self._one(key, "agent", id, self._agent)

    def session(self, key: ApiKey, id: str) -> dict[str, Any]:
        """Return a session, or raise NotFound."""
        return self._one(key, "session", id, indexes.session)

    def _agent(self, id: str, item: Item) -> dict[str, Any]:
        return indexes.agent(id, item, iso_ms(self._clock.now_ms() - _ACTIVE_MS))

    def _page(self, key: ApiKey, kind: str, asked: Asked, say: _Say) -> dict[str, Any]:
        sees_all(key)

        def read(at: Projected) -> dict[str, Any]:
            limit = 0 if asked.created_after else asked.limit
            found = self._projections.newest(key.org, kind, asked.cursor, limit, at.generation)
            more = 0 < len(found) == limit
            return {
                "data": [say(id, item) for id, item in found],
                "total": at.counts.get(kind, 0),
                "next_cursor": place_of(found[-1][1]) if more else None,
            }

        return served(self._projections, key.org, read)

    def _one(self, key: ApiKey, kind: str, id: str, say: _Say) -> dict[str, Any]:
        sees_all(key)
        item = None
        if 1 <= len(id) <= MAX_NAME_CHARS:
            item = served(
                self._projections,
                key.org,
                lambda at: self._projections.get(key.org, kind, id, at.generation),
            )
        if item is None:
            raise NotFound(f"{kind} not found")
        return say(id, item)
