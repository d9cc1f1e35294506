"""Requests to the API and what is made of their answers: once for both clients. No I/O.

What takes one request or several is a flow: it yields each and gets the answer. A client's
capabilities are classes over :class:`Asking` or :class:`AsyncAsking`, which run flows.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx
import orjson

from tocsin.client._errors import ApiError, not_tocsins
from tocsin.domain.limits import MAX_LIST_EVENTS

__all__ = ["Asking", "AsyncAsking", "Flow", "Question", "answered", "listed", "one", "path", "read"]

_NOT_READABLE: Final = (AttributeError, KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Question:
    """One request; it can be sent again as it is, unless it is to be sent ``once``."""

    method: str
    path: str
    params: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    read_seconds: float | None = None
    once: bool = False


type Flow[T] = Generator[Question, httpx.Response, T]
"""Yields requests, gets their answers, and returns what they say."""


class Asking(ABC):
    """What asks and waits for the answer."""

    @abstractmethod
    def _asked(self, question: Question) -> httpx.Response: ...

    def _run[T](self, flow: Flow[T]) -> T:
        try:
            question = next(flow)
            while True:
                question = flow.send(self._asked(question))
        except StopIteration as end:
            found: T = end.value
            return found


class AsyncAsking(ABC):
    """The same for asyncio."""

    @abstractmethod
    async def _asked(self, question: Question) -> httpx.Response: ...

    async def _run[T](self, flow: Flow[T]) -> T:
        try:
            question = next(flow)
            while True:
                question = flow.send(await self._asked(question))
        except StopIteration as end:
            found: T = end.value
            return found


def path(of: str, *parts: str) -> str:
    """Return a path of a route and the ids and words that follow it."""
    return "/".join((of, *(quote(part, safe="") for part in parts)))


def answered(response: httpx.Response) -> Any:
    """Return the JSON of an answer; raises what :func:`read` raises."""
    if not response.is_success:
        raise ApiError(response)
    try:
        return orjson.loads(response.content)
    except ValueError as error:
        raise not_tocsins(response, "JSON") from error


def read[T](response: httpx.Response, make: Callable[[Any], T], what: str) -> T:
    """Return what ``make`` makes of an answer's JSON.

    Raises:
        ApiError: Tocsin refused.
        httpx.RemoteProtocolError: What answered is not Tocsin.
    """
    fields = answered(response)
    try:
        return make(fields)
    except _NOT_READABLE as error:
        raise not_tocsins(response, what) from error


def one[T](question: Question, make: Callable[[Any], T], what: str) -> Flow[T]:
    """Ask one thing; raises what :func:`read` raises."""
    return read((yield question), make, what)


def listed[T](of: str, limit: int | None, make: Callable[[Any], T], what: str) -> Flow[list[T]]:
    """Ask for a list's pages until there are ``limit``, or no more; raises as :func:`read`.

    With None the list comes whole, in one answer.
    """
    found, cursor = list[T](), ""
    while limit is None or len(found) < limit:
        params = None
        if limit is not None:
            params = {"limit": str(min(limit - len(found), MAX_LIST_EVENTS))}
        if params and cursor:
            params["cursor"] = cursor
        response = yield Question("GET", of, params)
        found += read(response, lambda page: [make(each) for each in page["data"]], what)
        next = read(response, lambda page: page.get("next_cursor"), what)
        if next is None:
            break
        if next == cursor or not isinstance(next, str):
            raise not_tocsins(response, "list that goes on")
        cursor = next
    return found
