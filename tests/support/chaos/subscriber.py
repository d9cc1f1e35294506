"""A subscriber that comes and goes, and keeps of each message a digest in the order of arrival."""

import asyncio
import json
import re
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import cycle
from random import Random
from typing import Literal

import httpx
from httpx_sse import EventSource

from support.chaos.views import View
from tocsin.wire import sse

__all__ = ["RESUMES", "Habits", "Subscriber", "digest"]

RESUMES = ("Last-Event-ID", "Last-Event-ID of an event", "after", "since", "since an event")
VISIT_SECONDS = 1.0, 12.0
ABSENCE_SECONDS = 0.0, 4.0
RETRY_SECONDS = 0.05, 0.5
SLEEP_SECONDS = 0.5, 8.0  # of a slow reader, between two reads

_SEQ = re.compile(r'"seq":(\d+)')

type Finishing = asyncio.Event


@dataclass(frozen=True, slots=True)
class Habits:
    """How a subscriber behaves. ``decoder`` reads the stream; httpx-sse is not ours."""

    resume: str
    slow: bool
    decoder: Literal["tocsin", "httpx-sse"]


def digest(event: str, data: str) -> int:
    """Return what is kept of a message."""
    return int.from_bytes(blake2b(f"{event}\n{data}".encode(), digest_size=8).digest())


class Subscriber:
    """Reads a view of the stream from ``urls`` in turn, until it is cancelled.

    ``start`` is the cursor it was given first, ``cursor`` the one it has now, ``seen`` the digests
    of what it got in between. The first of two messages about one event counts with the other.
    ``moved`` is set with each step.

    httpx-sse tells no id before a stream's first message, so who reads with it begins at 0, as
    somebody must who can't miss what comes meanwhile.
    """

    def __init__(
        self,
        view: View,
        habits: Habits,
        urls: Sequence[str],
        http: httpx.AsyncClient,
        moved: asyncio.Event,
        random: Random,
    ) -> None:
        self.view = view
        self.habits = habits
        self.start: int | None = None if habits.decoder == "tocsin" else 0
        self.cursor = "" if self.start is None else str(self.start)
        self.seen: array[int] = array("Q")
        self.counts: Counter[str] = Counter()
        self.trouble = ""
        self.reading = False  # whether it has a stream at the moment
        self._urls = cycle(urls)
        self._http = http
        self._moved = moved
        self._random = random
        self._pending: list[int] = []
        self._last_data = ""

    @property
    def seq(self) -> int:
        """The last event of which it has all; -1 before it has a cursor."""
        seq, _, part = self.cursor.partition("/")
        return int(seq or -1) - bool(part)

    async def run(self, finishing: Finishing) -> None:
        """Come and go; once ``finishing`` is set, stay."""
        while not self.trouble:
            seconds = None if finishing.is_set() else self._random.uniform(*VISIT_SECONDS)
            wait = RETRY_SECONDS
            try:
                async with asyncio.timeout(seconds):
                    await self._visit(next(self._urls), finishing)
            except TimeoutError:
                self.counts["left"] += 1
                wait = ABSENCE_SECONDS
            except httpx.TransportError:
                self.counts["cut"] += 1
            await self._rest(finishing, wait)

    async def _visit(self, url: str, finishing: Finishing) -> None:
        headers = {"Accept": "text/event-stream"}
        query: list[tuple[str, str | int | float | bool | None]] = list(self.view.query)
        if self.cursor:
            how, value = self._resumption()
            self.counts[how] += 1
            if how.startswith("Last-Event-ID"):
                headers["Last-Event-ID"] = value
            else:
                query.append((how.partition(" ")[0], value))
        request = self._http.build_request(
            "GET",
            url + self.view.path,
            params=query,
            headers=headers,
        )
        response = await self._http.send(request, stream=True)
        try:
            if response.status_code in (502, 503, 504):
                self.counts["refused"] += 1
                return
            if response.status_code != 200:
                self.trouble = f"{response.status_code} {(await response.aread())[:200]!r}"
                return
            self.counts["opened"] += 1
            self.reading = True
            self._moved.set()
            await self._read(response, finishing)
            self.counts["ended"] += 1
        finally:
            self.reading = False
            await response.aclose()

    def _resumption(self) -> tuple[str, str]:
        how = self.habits.resume
        if how.endswith("event") and self._last_data:
            self._pending.clear()
            fields = json.loads(self._last_data)
            return how, fields.get("event", fields)["id"]  # Rampart's event is in the message
        if how.startswith("since"):  # which knows whole events only
            self._pending.clear()
            return how, str(self.seq)
        return how, self.cursor

    async def _read(self, response: httpx.Response, finishing: Finishing) -> None:
        if self.habits.decoder == "tocsin":
            decoder = sse.Decoder(last_event_id=self.cursor)
            async for chunk in response.aiter_raw():
                for message in decoder.feed(chunk):
                    self._take(message.event, message.data, message.id)
                self._reach(decoder.last_event_id)
                await self._dawdle(finishing)
        else:
            async for other in EventSource(response).aiter_sse():
                if other.data:
                    self._take(other.event, other.data, other.id or self.cursor)
                self._reach(other.id or self.cursor)
                await self._dawdle(finishing)

    def _take(self, event: str, data: str, id: str) -> None:
        self.counts["messages"] += 1
        if event in ("error", "gap"):
            self.trouble = f"{event}: {data}"
            return
        if event == "cursor" or data == '{"type":"connected"}':
            self._reach(id)
            return
        self._pending.append(digest(event, data))
        seq = _SEQ.search(data)
        # Rampart's `approvals` names no event: then it is the last about one that has a whole id.
        if seq[1] == id if seq else id != self.cursor and "/" not in id:
            self.seen.extend(self._pending)
            self._pending.clear()
            self._last_data = data if seq else ""
            self._reach(id)

    def _reach(self, id: str) -> None:
        if id != self.cursor:
            self.cursor = id
            if self.start is None:
                self.start = int(id)
            self._moved.set()

    async def _dawdle(self, finishing: Finishing) -> None:
        if self.habits.slow and not finishing.is_set() and self._random.random() < 0.1:
            self.counts["slept"] += 1
            await self._rest(finishing, SLEEP_SECONDS)

    async def _rest(self, finishing: Finishing, between: tuple[float, float]) -> None:
        """Do nothing for a while; not much once it is time to finish."""
        seconds = self._random.uniform(*between)
        if finishing.is_set():
            await asyncio.sleep(min(seconds, RETRY_SECONDS[1]))
            return
        try:
            await asyncio.wait_for(finishing.wait(), seconds)
        except TimeoutError:
            return
