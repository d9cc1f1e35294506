"""The list of agents: those that events named, and then those that were only created."""

from typing import Any, Final

from tocsin.domain.keys import ApiKey
from tocsin.ports.deciding import AgentStates
from tocsin.services.reading.indexes import Indexes
from tocsin.wire.indexes import Asked, created_beyond

__all__ = ["Listing"]

_IDS: Final = 100
_LOOKS: Final = 10  # of that many ids: as many as a page has at most


class Listing:
    """Agents that were created and have sent nothing follow the others, by id.

    One that is seen for the first time while a list is read moves to its beginning, as one does
    that is seen again.
    """

    def __init__(self, indexes: Indexes, states: AgentStates) -> None:
        self._indexes = indexes
        self._states = states

    def __call__(self, key: ApiKey, asked: Asked) -> dict[str, Any]:
        """Return a page of agents: ``data``, ``total`` and ``next_cursor``, null at the end.

        A page may hold fewer than are asked for before the end, even none: of those that were
        created 1,000 are looked at. ``total`` counts of them those on the page.

        Raises Forbidden for a key that may not see every event, and Busy.
        """
        page = self._indexes.agents(key, asked)
        room = asked.limit - len(page["data"])
        if page["next_cursor"] is None and room:
            unseen, page["next_cursor"] = self._unseen(key, asked.created_after, room)
            page["data"] += unseen
            page["total"] += len(unseen)
        return page

    def _unseen(
        self, key: ApiKey, after: str, room: int
    ) -> tuple[list[dict[str, Any]], str | None]:
        found = list[dict[str, Any]]()
        for _ in range(_LOOKS):
            ids = self._states.ids(key.org, after, _IDS)
            if ids:
                found += self._indexes.unlisted(key, ids)
            if len(found) >= room:
                return found[:room], created_beyond(found[room - 1]["id"])
            if len(ids) < _IDS:
                return found, None
            after = ids[-1]
        return found, created_beyond(after)
