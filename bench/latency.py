"""From POST to SSE frame through the whole product, as ``tocsin up`` runs it on this machine.

A client posts at a fixed rate (it does not wait for answers) and holds one event stream; both are
httpx. An event's latency is the time from just before its POST until the bytes of its frame are
here. :mod:`bench.echo` is the baseline: the same client, uvicorn and events, and nothing between.
Tocsin and the baseline take turns; Tocsin's processes share the machine all the time.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import orjson
import uvloop

from bench import echo, traffic
from bench.report import milliseconds, ratio, show
from tocsin.local.addresses import LOOPBACK, keep, reserve

__all__ = ["Target", "main", "product"]

RATES = ((20, 1), (1_000, 50))  # events a second, events a request
TURNS = 2
TURN_SECONDS = 10  # long enough that what Tocsin does now and then is in each turn
ECHO_SECONDS = 4
_WARM_UP_SECONDS = 2
_START_SECONDS = 120
_STOP_SECONDS = 120
_ARRIVAL_SECONDS = 15
_CHECKOUT = Path(__file__).parents[1]
_MARK = re.compile(rb"bench-(\d+)-")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to post, and where to listen."""

    post: str
    stream: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Latencies:
    """In seconds: from each event to its frame, and from each request to its answer."""

    frames: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)

    def percentile(self, which: int) -> float:
        """Return a percentile of the frames' latencies."""
        return quantiles(self.frames, n=100)[which - 1]


def main() -> None:
    """Measure and print."""
    with (
        TemporaryDirectory(prefix="tocsin-bench-") as folder,
        _echo() as bare,
        product(Path(folder)) as tocsin,
    ):
        measured = uvloop.run(_measure(tocsin, bare))
    show(
        "From POST to SSE frame, ms (`tocsin up`, one client on the same machine)",
        ("load", "", "answer p50", "frame p50", "frame p99", "p50 is", "p99 is"),
        [row for rate, both in measured.items() for row in _rows(rate, *both)],
        (
            f"{TURNS} turns of {TURN_SECONDS} s, alternating with {ECHO_SECONDS} s of the echo.",
            "answer: the time until the POST is answered, which is when the event is stored.",
            "bare echo: POST → SSE in one uvicorn process that keeps and checks nothing.",
        ),
    )


def _rows(rate: tuple[int, int], ours: Latencies, bare: Latencies) -> Iterator[tuple[str, ...]]:
    load = f"{rate[0]:,} events/s" + (f" by {rate[1]}" if rate[1] > 1 else "")
    for name, each in (("Tocsin", ours), ("bare echo", bare)):
        yield (
            load if name == "Tocsin" else "",
            name,
            milliseconds(median(each.answers)),
            milliseconds(each.percentile(50)),
            milliseconds(each.percentile(99)),
            ratio(each.percentile(50) / bare.percentile(50)),
            ratio(each.percentile(99) / bare.percentile(99)),
        )


async def _measure(
    tocsin: Target, bare: Target
) -> dict[tuple[int, int], tuple[Latencies, Latencies]]:
    measured = {rate: (Latencies(), Latencies()) for rate in RATES}
    timeout = httpx.Timeout(_ARRIVAL_SECONDS, read=60)
    limits = httpx.Limits(max_connections=None)
    async with (
        httpx.AsyncClient(trust_env=False, timeout=timeout, limits=limits) as http,
        Watcher(http, tocsin) as ours,
        Watcher(http, bare) as theirs,
    ):
        for rate, both in measured.items():
            for watcher in (ours, theirs):
                await watcher.run(*rate, _WARM_UP_SECONDS, Latencies())
            for _ in range(TURNS):
                await ours.run(*rate, TURN_SECONDS, both[0])
                await theirs.run(*rate, ECHO_SECONDS, both[1])
    return measured


class Watcher:
    """Posts to a target and notes when its frames come; each event has a number of its own."""

    def __init__(self, http: httpx.AsyncClient, target: Target) -> None:
        self._http = http
        self._target = target
        self._events = traffic.events()
        self._sent: dict[int, float] = {}  # number of an event whose frame has not come → when sent
        self._latencies = Latencies()
        self._count = 0
        self._arrived = asyncio.Event()
        self._opened = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Watcher":
        """Open the stream."""
        self._listening = asyncio.create_task(self._listen())
        opened = asyncio.create_task(self._opened.wait())
        await asyncio.wait({self._listening, opened}, return_when=asyncio.FIRST_COMPLETED)
        if self._listening.done():
            opened.cancel()
            await self._listening
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def run(self, rate: int, size: int, seconds: float, latencies: Latencies) -> None:
        """Post ``rate`` events a second, ``size`` a request, and wait for all of their frames."""
        self._latencies = latencies
        interval = size / rate
        began = time.perf_counter()
        async with asyncio.TaskGroup() as posts:
            for turn in range(round(seconds / interval)):
                body, numbers = self._body(size)
                await asyncio.sleep(began + turn * interval - time.perf_counter())
                posts.create_task(self._post(body, numbers))
        if self._sent:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), _ARRIVAL_SECONDS)
            except TimeoutError as error:
                if self._listening is not None and self._listening.done():
                    await self._listening  # raises what ended the listening
                raise RuntimeError(f"{len(self._sent)} events never came") from error

    def _body(self, size: int) -> tuple[bytes, range]:
        numbers = range(self._count, self._count + size)
        self._count += size
        return traffic.body(
            [next(self._events) | {"id": f"bench-{number}-"} for number in numbers]
        ), numbers

    async def _post(self, body: bytes, numbers: range) -> None:
        began = time.perf_counter()
        self._sent |= dict.fromkeys(numbers, began)
        headers = {"Content-Type": "application/json", **self._target.headers}
        response = await self._http.post(self._target.post, content=body, headers=headers)
        self._latencies.answers.append(time.perf_counter() - began)
        if response.status_code != 200:
            raise RuntimeError(f"{response.status_code}: {response.text[:300]}")

    async def _listen(self) -> None:
        headers = {"Accept": "text/event-stream", **self._target.headers}
        async with self._http.stream("GET", self._target.stream, headers=headers) as response:
            if response.status_code != 200:
                raise RuntimeError(f"{response.status_code}: {await response.aread()!r}")
            rest = b""
            async for chunk in response.aiter_raw():
                self._opened.set()
                now = time.perf_counter()
                frames, end, rest = (rest + chunk).rpartition(b"\n\n")
                for mark in _MARK.finditer(frames + end):
                    if (sent := self._sent.pop(int(mark[1]), None)) is None:
                        raise RuntimeError(f"event {int(mark[1])} came twice")
                    self._latencies.frames.append(now - sent)
                if not self._sent:
                    self._arrived.set()


@contextmanager
def product(home: Path) -> Iterator[Target]:
    """Run the product with a home of its own, on a free port."""
    with (home / "up.log").open("wb") as log:
        command = (sys.executable, "-m", "tocsin.cli", "up", "--port", "0", "--home", str(home))
        with _process(command, log) as process:
            access = _wait_until_ready(process, home)
            yield Target(
                f"{access['url']}/api/v1/ingest/raw",
                f"{access['url']}/api/v1/events",
                {"Authorization": f"Bearer {access['api_key']}"},
            )


def _wait_until_ready(process: "subprocess.Popen[bytes]", home: Path) -> dict[str, str]:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            access: dict[str, str] = orjson.loads((home / "local.json").read_bytes())
            if httpx.get(f"{access['url']}/healthz", trust_env=False).status_code == 200:
                return access
        except (FileNotFoundError, httpx.TransportError):
            pass
        time.sleep(0.2)
    raise RuntimeError(f"tocsin up did not get ready:\n{(home / 'up.log').read_text()[-3000:]}")


@contextmanager
def _echo() -> Iterator[Target]:
    port = keep(reserve(0))
    url = f"http://{LOOPBACK}:{port}{echo.PATH}"
    with _process((sys.executable, "-m", "bench.echo", str(port)), subprocess.DEVNULL) as process:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                httpx.post(url, content=b'{"type":"a"}', trust_env=False).raise_for_status()
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                yield Target(url, url)
                return
        raise RuntimeError("the echo did not get ready")


@contextmanager
def _process(command: tuple[str, ...], output: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process in a group of its own, and end it by SIGTERM."""
    process = subprocess.Popen(  # noqa: S603 (this interpreter, our modules)
        command,
        cwd=_CHECKOUT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(_CHECKOUT / "layers"), "."))},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
