"""Dollars for a million deliveries: list prices times what the deployed handlers use in this run.

Everything is as in :mod:`bench.cost`, whose meters, prices and arithmetic are used: each case runs
once metered and once timed. The receiver really takes its time, so that what is written along the
way is.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Any

from bench.cost.assumed import (
    FULL_CORE_MB,
    GB,
    LOG_EVENT_BYTES,
    MILLION,
    PLATFORM_LOG_BYTES,
    SEND_MS,
)
from bench.cost.bill import Bill, Line
from bench.cost.deployed import Deployed
from bench.cost.prices import Prices
from bench.cost.tap import Tap
from bench.cost.use import Use, billed_ms
from bench.deliveries.assumed import BARS_USD, RECEIVER_MS
from bench.deliveries.receiver import Target, receiving
from bench.deliveries.straightforward import Straightforward
from bench.deliveries.world import World, receive, world
from bench.report import number, ratio, show, usd
from infra.config import Config
from support.ministack import Server
from tocsin.domain.endpoints import Order

__all__ = ["Case", "Spent", "lines", "main", "spend"]

_WARM_UP = 1  # wakes before those that are counted
_EVENTS, _WAKES = 100, 10  # wakes are counted until there were so many events, or wakes


@dataclass(frozen=True, slots=True)
class Case:
    """``events`` are sealed between two wakes of an org; they came in so many ``requests``."""

    events: int
    endpoints: int
    requests: int = 1
    order: Order = Order.RELAXED

    @property
    def wakes(self) -> int:
        """How many wakes are counted."""
        return min(max(_EVENTS // self.events, 1), _WAKES)


CASES = (
    Case(1, 1),
    Case(25, 1),
    Case(250, 1),
    Case(1, 10),
    Case(25, 10),
    Case(250, 10),
    Case(25, 1, requests=25),
    Case(250, 1, order=Order.NONE),
)


@dataclass(slots=True)
class Spent:
    """What deliveries used, together."""

    deliveries: int = 0
    out_bytes: int = 0
    sqs_requests: int = 0
    waking: Use = field(default_factory=Use)
    delivering: Use = field(default_factory=Use)


def main(server: Server) -> None:
    """Measure and print."""
    prices, deployed = Prices.newest(), Deployed.read(Config())
    with receiving(RECEIVER_MS) as target:
        spent = {case: _measured(server, target, case) for case in CASES}
        plain = _plain(server, target)
    bills = {case: Bill(lines(each, deployed), prices) for case, each in spent.items()}
    _show(spent, bills, Bill(_plain_lines(plain, deployed), prices), deployed, prices)


def _measured(server: Server, target: Target, case: Case) -> Spent:
    spent, timed = (spend(server, target, case, metered=metered) for metered in (True, False))
    spent.waking.cpu_ms, spent.delivering.cpu_ms = timed.waking.cpu_ms, timed.delivering.cpu_ms
    return spent


def spend(server: Server, target: Target, case: Case, *, metered: bool) -> Spent:
    """Seal, wake and deliver as often as the case says; what it takes once warm is returned."""
    with world(server) as made:
        tap = Tap(made.db, made.tables) if metered else None
        made.subscribe("bench", target.url, case.endpoints, case.order)
        for _ in range(_WARM_UP):
            _round(made, target, case, Spent(), None)
        spent, (came, size) = Spent(), target.came()
        for _ in range(case.wakes):
            _round(made, target, case, spent, tap)
        now, now_size = target.came()
    spent.deliveries, spent.out_bytes = now - came, now_size - size
    expected = case.wakes * case.events * case.endpoints
    if spent.deliveries != expected:
        raise RuntimeError(f"{spent.deliveries} requests came of {case}, not {expected}")
    return spent


def _round(made: World, target: Target, case: Case, spent: Spent, tap: Tap | None) -> None:
    made.seal("bench", case.events, case.requests)
    requests = _Requests(made)
    with _timed(spent.waking):
        made.wake("bench")
    spent.waking.waits_ms += SEND_MS * requests.count
    spent.waking.messages += requests.count

    def invoke(records: list[dict[str, Any]]) -> set[str]:
        if tap:
            tap.reset()
        before, (came, _) = requests.count, target.came()
        with _timed(spent.delivering):
            failed = made.invoke(records)
        spent.delivering.waits_ms += SEND_MS * (requests.count - before)
        # Endpoints wait beside each other; one waits for its receiver again and again.
        at_once = 8 if case.order is Order.NONE else 1
        sent = target.came()[0] - came
        spent.delivering.waits_ms += RECEIVER_MS * -(-sent // (case.endpoints * at_once))
        if tap:
            spent.delivering.waits_ms += tap.waits_ms
            spent.delivering.reads.update(tap.reads)
            spent.delivering.writes.update(tap.units)
        if failed:
            raise RuntimeError(f"{len(failed)} messages failed")
        return failed

    while any(receive(made.queues, url, invoke) for url in (made.url, made.slow_url)):
        pass
    # Of each invocation's messages: received, and deleted together.
    spent.sqs_requests += requests.sent + 2 * requests.received
    requests.end()


class _Requests:
    """Counts the calls to SQS that were not in vain."""

    def __init__(self, made: World) -> None:
        self.sent = self.received = 0
        self._events = made.queues.meta.events
        self._events.register("after-call.sqs", self._after, unique_id="deliveries")

    @property
    def count(self) -> int:
        return self.sent

    def _after(self, parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
        if model.name == "SendMessageBatch":
            self.sent += 1
        elif model.name == "ReceiveMessage":
            self.received += bool(parsed.get("Messages"))

    def end(self) -> None:
        self._events.unregister("after-call.sqs", unique_id="deliveries")


@contextmanager
def _timed(use: Use) -> Iterator[None]:
    """Add an invocation to a use, with its CPU time and its log lines."""
    printed = StringIO()
    with redirect_stdout(printed):
        began = time.process_time()
        yield
        use.cpu_ms += (time.process_time() - began) * 1_000
    use.invocations += 1
    logged = printed.getvalue().splitlines()
    use.log_bytes += sum(len(line.encode()) + LOG_EVENT_BYTES for line in logged)


def lines(spent: Spent, deployed: Deployed) -> Iterator[Line]:
    """Yield what a million deliveries need."""
    each = MILLION / spent.deliveries
    yield Line("SQS: wakes", "sqs_requests", spent.sqs_requests * each)
    memory_mb = deployed.memory_mb["project"]
    # The stream invokes project with endpoints or without: only its time is more.
    seconds = billed_ms(replace(spent.waking, invocations=0), memory_mb) / 1_000
    gb_seconds = seconds * memory_mb / 1_024
    yield Line("project: GB-seconds to wake", "lambda_gb_seconds", gb_seconds * each)
    yield from _invoked(spent.delivering, deployed.memory_mb["deliver"], each)
    names = {"endpoint": "cursors", "delivery": "attempts"}
    for kind, units in spent.delivering.writes.items():
        yield Line(f"writes: {names.get(kind, kind)}", "dynamodb_write_units", units * each)
    names = {"endpoint": "endpoints", "segment": "ledger", "journal": "journal"}
    for kind, units in spent.delivering.reads.items():
        name = names.get(kind, "orgs")
        yield Line(f"reads: {name}", "dynamodb_read_units", units * each)
    logged = spent.delivering.log_bytes
    if deployed.platform_logs:
        logged += PLATFORM_LOG_BYTES * spent.delivering.invocations
    yield Line("logs", "logs", logged * each / GB)
    yield Line("data out", "internet_out", spent.out_bytes * each / GB, apart=True)


def _invoked(use: Use, memory_mb: int, each: float) -> Iterator[Line]:
    yield Line("deliver: requests", "lambda_requests", use.invocations * each)
    seconds = billed_ms(use, memory_mb) / 1_000
    yield Line("deliver: GB-seconds", "lambda_gb_seconds", seconds * memory_mb / 1_024 * each)


def _plain(server: Server, target: Target) -> Spent:
    """Return what the straightforward way uses for 250 events of one endpoint."""
    uses = []
    for metered in (True, False):
        with world(server) as made:
            [id] = made.subscribe("bench", target.url, 1, Order.RELAXED)
            way = Straightforward(made)
            made.seal("bench", 250)
            events = way.sealed("bench", 0)
            tap, spent = Tap(made.db, made.tables) if metered else None, Spent()
            requests = _Requests(made)
            way.produce("bench", [id], events)

            def invoke(
                records: list[dict[str, Any]],
                way: Straightforward = way,
                tap: Tap | None = tap,
                spent: Spent = spent,
            ) -> set[str]:
                if tap:
                    tap.reset()
                text = json.dumps({"Records": records})
                with _timed(spent.delivering):
                    failed = way.handle(json.loads(text)["Records"])
                spent.delivering.waits_ms += RECEIVER_MS * len(records)
                if tap:
                    spent.delivering.waits_ms += tap.waits_ms
                    spent.delivering.reads.update(tap.reads)
                return failed

            while receive(made.queues, way.url, invoke):
                pass
            spent.sqs_requests = requests.sent + 2 * requests.received
            requests.end()
            spent.deliveries = len(events)
            uses.append(spent)
    uses[0].delivering.cpu_ms = uses[1].delivering.cpu_ms
    return uses[0]


def _plain_lines(spent: Spent, deployed: Deployed) -> Iterator[Line]:
    each = MILLION / spent.deliveries
    yield Line("SQS: wakes", "sqs_requests", spent.sqs_requests * each)
    yield from _invoked(spent.delivering, deployed.memory_mb["deliver"], each)
    units = spent.delivering.reads.total()
    yield Line("reads: endpoints", "dynamodb_read_units", units * each)


def _show(
    spent: Mapping[Case, Spent],
    bills: Mapping[Case, Bill],
    plain: Bill,
    deployed: Deployed,
    prices: Prices,
) -> None:
    names = list(dict.fromkeys(name for bill in bills.values() for name in bill.by_component))
    all = (*bills.values(), plain)
    rows: list[Sequence[str]] = [
        (name, *(usd(bill.by_component[name]) for bill in all)) for name in names
    ]
    rows.append(("together", *(usd(bill.total) for bill in all)))
    rows.append(("bar", *(usd(BARS_USD) for _ in all)))
    rows.append(("of the straightforward way", *(ratio(b.total / plain.total) for b in all)))
    rows.append(("data out, apart", *(usd(bill.apart["data out"]) for bill in bills.values()), "-"))
    rows.append(("", *("" for _ in all)))
    figures: dict[str, Callable[[Use, int], float]] = {
        "CPU, ms an invocation": lambda use, _: use.cpu_ms / use.invocations,
        "waiting, ms an invocation": lambda use, _: use.waits_ms / use.invocations,
        "write units a delivery": lambda use, count: use.writes.total() / count,
        "read units a delivery": lambda use, count: use.reads.total() / count,
    }
    for name, of in figures.items():
        values = [number(of(each.delivering, each.deliveries)) for each in spent.values()]
        rows.append((name, *values, ""))
    halves = [_with_memory(each, deployed, prices, 256) for each in spent.values()]
    rows.append(("together, with 256 MB", *map(usd, halves), ""))
    memory_mb, svix = deployed.memory_mb["deliver"], prices.usd("svix_messages", MILLION)
    show(
        f"Dollars per million deliveries (prices of {prices.date}): events a wake, by endpoints",
        ("", *(_named(case) for case in bills), "a message each"),
        rows,
        (
            "1 r.: the events came in one request; n r.: each in its own. none: without an order.",
            "a message each: an SQS message for each event and endpoint, ten an invocation.",
            f"deliver has {memory_mb} MB; its CPU time is at a share of MB / {FULL_CORE_MB} of a "
            f"core; a receiver takes {RECEIVER_MS} ms, and calls as `bench cost` assumes.",
            f"Svix: {usd(svix)} a million messages beyond what a plan includes, data out included.",
        ),
    )


def _named(case: Case) -> str:
    order = ", none" if case.order is Order.NONE else ""
    requests = "" if case.requests == 1 else f", {case.requests} r."
    return f"{case.events} / {case.endpoints}{order}{requests}"


def _with_memory(spent: Spent, deployed: Deployed, prices: Prices, memory_mb: int) -> float:
    memory = {**deployed.memory_mb, "deliver": memory_mb}
    return Bill(lines(spent, replace(deployed, memory_mb=memory)), prices).total
