"""From POST to a receiver's request through ``tocsin up``, one event a time, beside a subscriber's.

The baseline is the frame of the same event on an SSE stream, which the product sends as soon as it
is sealed: the difference is what waking, claiming, reading and posting take.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import httpx
import uvloop

from bench import traffic
from bench.latency import Target, product
from bench.report import milliseconds, ratio, show
from tocsin.local.addresses import LOOPBACK

__all__ = ["main"]

_EVENTS, _WARM_UP = 100, 10
_PAUSE_SECONDS = 0.15  # after an event has come everywhere
_ARRIVAL_SECONDS = 60
_MARK = re.compile(rb"bench-(\d+)-")


@dataclass(slots=True)
class _Seen:
    """When each event was seen first, by its number."""

    at: dict[int, float] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def look(self, data: bytes) -> None:
        """Note the numbers in what came."""
        now = time.perf_counter()
        for mark in _MARK.finditer(data):
            self.at.setdefault(int(mark[1]), now)
        self.changed.set()

    async def wait(self, number: int) -> float:
        """Return when an event came, once it has."""
        async with asyncio.timeout(_ARRIVAL_SECONDS):
            while number not in self.at:
                self.changed.clear()
                await self.changed.wait()
        return self.at[number]


def main() -> None:
    """Measure and print."""
    with TemporaryDirectory(prefix="tocsin-bench-") as folder, product(Path(folder)) as tocsin:
        frames, posts = uvloop.run(_measure(tocsin))
    after = [post - frame for frame, post in zip(frames, posts, strict=True)]
    rows = [
        (name, *(milliseconds(each) for each in both), *over)
        for name, both, over in (
            ("SSE frame", _both(frames), ("", "")),
            (
                "POST to the receiver",
                _both(posts),
                [ratio(a / b) for a, b in zip(_both(posts), _both(frames), strict=True)],
            ),
            ("of it after the frame", _both(after), ("", "")),
        )
    ]
    show(
        "From POST to what is told, ms (`tocsin up`, one event a time, all on one machine)",
        ("", "p50", "p99", "p50 is", "p99 is"),
        rows,
        (f"{_EVENTS} events; a frame is sent as soon as its event is sealed. No windows here.",),
    )


def _both(values: list[float]) -> tuple[float, float]:
    return median(values), quantiles(values, n=100)[98]


async def _measure(tocsin: Target) -> tuple[list[float], list[float]]:
    told, posted = _Seen(), _Seen()
    server = await asyncio.start_server(_answering(posted.look), LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    timeout = httpx.Timeout(_ARRIVAL_SECONDS, read=None)
    async with server, httpx.AsyncClient(trust_env=False, timeout=timeout) as http:
        body = {"url": f"http://{LOOPBACK}:{port}/hook", "types": ["tool_call"]}
        answer = await http.post(
            tocsin.post.replace("/ingest/raw", "/webhooks"), json=body, headers=tocsin.headers
        )
        if not answer.is_success:
            raise RuntimeError(f"{answer.status_code}: {answer.text[:300]}")
        opened = asyncio.Event()
        listening = asyncio.create_task(_listen(http, tocsin, told, opened))
        await opened.wait()
        frames, posts = [], []
        source = traffic.events("igris")
        for number in range(_WARM_UP + _EVENTS):
            event = traffic.body([next(source) | {"serverId": f"bench-{number}-"}])
            headers = {"Content-Type": "application/json", **tocsin.headers}
            began = time.perf_counter()
            sent = await http.post(tocsin.post, content=event, headers=headers)
            sent.raise_for_status()
            frame, post = await told.wait(number), await posted.wait(number)
            if number >= _WARM_UP:
                frames.append(frame - began)
                posts.append(post - began)
            await asyncio.sleep(_PAUSE_SECONDS)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return frames, posts


async def _listen(
    http: httpx.AsyncClient, tocsin: Target, told: _Seen, opened: asyncio.Event
) -> None:
    headers = {"Accept": "text/event-stream", **tocsin.headers}
    async with http.stream("GET", tocsin.stream, headers=headers) as response:
        opened.set()
        async for chunk in response.aiter_raw():
            told.look(chunk)  # an event is a chunk: they come one by one


def _answering(
    look: Callable[[bytes], None],
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Return what answers requests over a connection that is kept."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
                look(await reader.readexactly(int(length[1]) if length else 0))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    return answer
