"""How the figures are printed: medians of the rounds, and ratios within each round."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from bench.report import number, ratio, show
from bench.stream.measure import Figures
from bench.stream.replay import CLIENTS, Replayed
from bench.stream.servers import BUFFERED, SERVERS

__all__ = ["fanout", "memory", "replays"]

_ROWS: tuple[tuple[str, Callable[[Figures], float]], ...] = (
    ("bursts: deliveries/s", lambda f: f.burst_per_second),
    ("bursts: CPU µs/delivery", lambda f: f.burst_cpu_us),
    ("singles: deliveries/s", lambda f: f.single_per_second),
    ("singles: CPU µs/delivery", lambda f: f.single_cpu_us),
    ("latency p50, ms *", lambda f: f.latency_ms(50)),
    ("latency p99, ms *", lambda f: f.latency_ms(99)),
)


def fanout(clients: int, rounds: Sequence[Mapping[str, Figures]]) -> None:
    """Print how fast events were delivered to so many subscribers."""
    loads = [f"{median(each[name].client_load for each in rounds):.2f}" for name in SERVERS]
    show(
        f"stream, {clients:,} subscribers",
        ["", *SERVERS, "tocsin/nchan", "tocsin/plain"],
        [_row(title, value, rounds) for title, value in _ROWS],
        [
            f"medians of {len(rounds)} rounds; clients' own use of a CPU in bursts: "
            + ", ".join(f"{name} {load}" for name, load in zip(SERVERS, loads, strict=True)),
            "* with as many single events a second for all as keep Tocsin's process busy for 30 %",
        ],
    )


def memory(clients: int, rounds: Sequence[Mapping[str, Figures]]) -> None:
    """Print what a connection holds."""
    names = (*SERVERS, "bare")
    titles = (
        ("idle", lambda f: f.kb_a_connection),
        ("after bursts", lambda f: f.kb_after_bursts),
    )
    rows = [[title, *(_median(rounds, name, value) for name in names)] for title, value in titles]
    show(
        f"stream, KB a connection at {clients:,}",
        ["", *names],
        rows,
        [
            "growth of the server's PSS from a tenth of the connections to all, by their number;",
            "each with the 15 headers of a browser; the kernel's buffers are not in it.",
            "bare: uvicorn with an application that does nothing",
        ],
    )


def replays(rounds: Sequence[Mapping[str, Replayed]]) -> None:
    """Print how fast clients get what they missed."""
    titles: tuple[tuple[str, Callable[[Replayed], float]], ...] = (
        ("memory, 1 client", lambda r: r.memory_one),
        (f"memory, {CLIENTS} clients", lambda r: r.memory_many),
        ("ledger, 1 client", lambda r: r.ledger_one),
        (f"ledger, {CLIENTS} clients", lambda r: r.ledger_many),
    )
    rows = []
    for title, value in titles:
        of = {name: [value(each[name]) for each in rounds] for name in rounds[0]}
        cells = [number(median(each)) if any(each) else "-" for each in of.values()]
        over = "-"
        if any(of["nchan"]):
            over = ratio(median(a / b for a, b in zip(of["tocsin"], of["nchan"], strict=True)))
        rows.append([title, *cells, over])
    show(
        "stream, replayed events/s",
        ["", *rounds[0], "tocsin/nchan"],
        rows,
        [f"from memory the last {BUFFERED:,}; from the ledger all, unpacked and verified"],
    )


def _row(
    title: str, value: Callable[[Figures], float], rounds: Sequence[Mapping[str, Figures]]
) -> list[str]:
    ratios = [
        ratio(median(value(each["tocsin"]) / value(each[other]) for each in rounds))
        for other in ("nchan", "plain")
    ]
    return [title, *(_median(rounds, name, value) for name in SERVERS), *ratios]


def _median(
    rounds: Sequence[Mapping[str, Figures]], name: str, value: Callable[[Figures], float]
) -> str:
    found = median(value(each[name]) for each in rounds)
    return number(found) if found else "-"
