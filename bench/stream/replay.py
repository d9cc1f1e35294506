"""What a client that comes back costs: events a second, from memory and from the ledger."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.stream.crowd import Crowd
from bench.stream.events import EVENTS_PER_MESSAGE, HISTORY
from bench.stream.servers import BUFFERED, Server, running

__all__ = ["Replayed", "replay"]

CLIENTS = 100  # all of which come back at the same time


@dataclass(frozen=True, slots=True)
class Replayed:
    """Events a second at which clients got what they had missed.

    From memory: the last :data:`BUFFERED`. From the ledger: all, verified; only Tocsin has one,
    and reads it once for clients that come together.
    """

    memory_one: float
    memory_many: float
    ledger_one: float = 0
    ledger_many: float = 0


def replay(name: str, valkey_url: str) -> Replayed:
    """Measure one server."""
    bursts = BUFFERED // EVENTS_PER_MESSAGE + 1
    with running(name, valkey_url, bursts, 0) as server:
        first = Crowd(server.port)
        with contextlib.closing(first):
            first.join([server.live(0)])
            first.expect(bursts * EVENTS_PER_MESSAGE)
            server.publish(bursts)
            first.heard()
            missed = _Missed(server, BUFFERED)
            memory = [missed.per_second(server.replay, clients) for clients in (1, CLIENTS)]
            if name == "nchan":
                return Replayed(*memory)
            missed = _Missed(server, (HISTORY + bursts) * EVENTS_PER_MESSAGE)
            ledger = [missed.per_second(server.everything, clients) for clients in (1, CLIENTS)]
            return Replayed(*memory, *ledger)


@dataclass(frozen=True, slots=True)
class _Missed:
    server: Server
    events: int

    def per_second(self, request: Callable[[int], bytes], clients: int) -> float:
        requests: Sequence[bytes] = [request(0)] * clients
        with contextlib.closing(Crowd(self.server.port)) as crowd:
            crowd.join([])  # the process has started
            began = time.perf_counter()
            crowd.join(requests)
            crowd.expect(self.events)
            return clients * self.events / (crowd.heard().at - began)
