"""Lists of events, page by page."""

from collections.abc import Mapping
from datetime import datetime

import httpx

from tocsin.client._asking import Question
from tocsin.client._errors import not_tocsins
from tocsin.client._events import LIST_PATH, Event, read_list
from tocsin.client._requests import Since
from tocsin.domain.limits import MAX_LIST_EVENTS

__all__ = ["Listing"]


class Listing:
    """The requests for a list, one after the other; ``found`` is of all so far.

    A page may be short, or even empty, where much had to be looked at: its ``Link`` goes on.
    """

    def __init__(
        self, limit: int, times: Mapping[str, Since | None], wanted: Mapping[str, str]
    ) -> None:
        """Ask for ``limit`` events, by what is ``wanted`` of them, and between ``times``."""
        self.found: list[Event] = []
        self._limit = limit
        self._params: dict[str, str] | None = dict(wanted)
        for name, time in times.items():
            if time is not None:
                said = time.isoformat() if isinstance(time, datetime) else str(time)
                self._params[name] = said

    @property
    def done(self) -> bool:
        """Whether there is nothing more to ask."""
        return self._params is None

    def question(self) -> Question:
        """Return the next request."""
        limit = min(self._limit - len(self.found), MAX_LIST_EVENTS)
        return Question("GET", LIST_PATH, {**(self._params or {}), "limit": str(limit)})

    def take(self, response: httpx.Response) -> None:
        """Take an answer.

        Raises:
            ApiError: Tocsin refused.
            httpx.RemoteProtocolError: What answered is not Tocsin.
        """
        self.found += read_list(response)
        next = response.links.get("next", {}).get("url")
        if next is None or len(self.found) >= self._limit:
            self._params = None
            return
        params = dict(httpx.URL(next).params)
        params.pop("limit", None)
        if params == self._params:
            raise not_tocsins(response, "list that goes on")
        self._params = params
