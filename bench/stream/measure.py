"""Measuring one server with a number of clients."""

import contextlib
import multiprocessing
import time
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from bench.stream.crowd import Crowd, Heard
from bench.stream.events import EVENTS_PER_MESSAGE
from bench.stream.floor import FLOORS
from bench.stream.servers import BUFFERED, Server, running

__all__ = ["Figures", "Load", "measure"]

BURST_DELIVERIES = 500_000  # in total, over all clients
SINGLE_DELIVERIES = 100_000
FIRST = 0.1  # of the clients connect before memory is measured
LATENCY_SECONDS = 2.0
MAX_TIMED = 2_000  # events
_SPAWN = multiprocessing.get_context("spawn")


@dataclass
class Figures:
    """Figures of one server in one round; deliveries are events times clients, CPU the server's.

    ``client_load`` is the part of a CPU that the clients used while bursts came; where it is near
    1, the server could have been faster.
    """

    kb_a_connection: float = 0
    kb_after_bursts: float = 0
    burst_per_second: float = 0
    burst_cpu_us: float = 0
    client_load: float = 0
    single_per_second: float = 0
    single_cpu_us: float = 0
    latencies: list[float] = field(default_factory=list)

    def latency_ms(self, percent: int) -> float:
        """Return a percentile of the latencies."""
        return quantiles(self.latencies, n=100)[percent - 1] * 1000


class Load:
    """The rate of single events at which latency is measured: what the first server can bear."""

    def __init__(self, busy: float) -> None:
        """``busy`` is the part of the time (0 to 1) for which the first server is kept busy."""
        self._busy = busy
        self._deliveries_per_second: float | None = None

    def events_per_second(self, clients: int, figures: Figures) -> float:
        """Return the rate, the same for every server: the first one's figures set it."""
        if self._deliveries_per_second is None:
            self._deliveries_per_second = self._busy / (figures.single_cpu_us / 1e6)
        return self._deliveries_per_second / clients


def measure(name: str, clients: int, valkey_url: str, load: Load) -> Figures:
    """Measure a server by name, with this many clients."""
    bursts = max(2, BURST_DELIVERIES // clients // EVENTS_PER_MESSAGE)
    filling = BUFFERED // EVENTS_PER_MESSAGE + 1
    singles = max(20, SINGLE_DELIVERIES // clients)
    moments = _SPAWN.RawArray("d", MAX_TIMED)
    first, figures = int(clients * FIRST), Figures()
    with (
        running(name, valkey_url, filling + 1 + bursts, 1 + singles + MAX_TIMED) as server,
        contextlib.closing(Crowd(server.port, moments)) as crowd,
    ):
        crowd.join([server.live(number) for number in range(first)])
        if name != "bare" and name not in FLOORS:  # the events that a server holds are not counted
            _publish(server, crowd, filling, filling * EVENTS_PER_MESSAGE)
        before_kb = server.usage.memory_kb()
        crowd.join([server.live(number) for number in range(first, clients)])
        figures.kb_a_connection = (server.usage.memory_kb() - before_kb) / (clients - first)
        if name != "bare":
            if name not in FLOORS:
                _bursts(figures, server, crowd, clients, bursts)
            figures.kb_after_bursts = (server.usage.memory_kb() - before_kb) / (clients - first)
            _singles(figures, server, crowd, clients, singles)
            rate = load.events_per_second(clients, figures)
            figures.latencies = _latencies(server, crowd, rate, moments)
    return figures


def _bursts(figures: Figures, server: Server, crowd: Crowd, clients: int, bursts: int) -> None:
    """Publish segments of many events as fast as they are taken."""
    _publish(server, crowd, 1, EVENTS_PER_MESSAGE)  # to warm up
    events = bursts * EVENTS_PER_MESSAGE
    cpu, began = server.usage.cpu_seconds(), time.perf_counter()
    crowd.expect_burst(events)
    server.publish(bursts)
    heard = crowd.heard()
    seconds = heard.at - began
    figures.burst_per_second = clients * events / seconds
    figures.burst_cpu_us = (server.usage.cpu_seconds() - cpu) / (clients * events) * 1e6
    figures.client_load = heard.cpu_seconds / seconds


def _singles(figures: Figures, server: Server, crowd: Crowd, clients: int, singles: int) -> None:
    """Publish one event, and the next when all clients have it."""
    _publish(server, crowd, 1, 1)
    cpu, seconds = server.usage.cpu_seconds(), 0.0
    for _ in range(singles):
        began = time.perf_counter()
        seconds += _publish(server, crowd, 1, 1).at - began
    figures.single_per_second = clients * singles / seconds
    figures.single_cpu_us = (server.usage.cpu_seconds() - cpu) / (clients * singles) * 1e6


def _latencies(server: Server, crowd: Crowd, rate: float, moments: Any) -> list[float]:
    """Publish single events at this rate; return how much later each client had each."""
    events = min(MAX_TIMED, max(20, int(LATENCY_SECONDS * rate)))
    crowd.expect(events, timed=True)
    began = time.perf_counter()
    for place in range(events):
        time.sleep(max(0.0, began + place / rate - time.perf_counter()))
        moments[place] = time.perf_counter()
        server.publish(1)
    return crowd.heard().latencies


def _publish(server: Server, crowd: Crowd, segments: int, events: int) -> Heard:
    crowd.expect(events)
    server.publish(segments)
    return crowd.heard()
