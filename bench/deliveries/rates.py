"""Deliveries a second: of one endpoint, and of 1,000, beside an SQS message for each.

Both ways run on the same machine as the emulator of DynamoDB and SQS, so what is measured is mostly
that; how often each way calls it is printed, too.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

from bench.deliveries.receiver import Target, receiving
from bench.deliveries.straightforward import Straightforward
from bench.deliveries.world import World, receive, world
from bench.report import number, ratio, show
from support.ministack import Server
from tocsin.domain.endpoints import Order

__all__ = ["main"]

_AT_ONCE, _AT_ONCE_OF_MANY = 8, 2  # invocations; of many, each has ten endpoints' threads
_EVENTS_OF_ONE = 250
_ORGS, _ENDPOINTS, _EVENTS_OF_MANY = 10, 100, 5
_MOST_SECONDS = 60.0  # of one measurement; what was delivered until then counts
_DELAYS_MS = (0, 20)


@dataclass(slots=True)
class Measured:
    """What happened in so many seconds."""

    deliveries: int
    seconds: float
    cpu_seconds: float
    calls: Counter[str]

    @property
    def rate(self) -> float:
        """Deliveries a second."""
        return self.deliveries / self.seconds


def main(server: Server) -> None:
    """Measure and print."""
    rows: list[Sequence[str]] = []
    for delay_ms in _DELAYS_MS:
        with receiving(delay_ms) as target:
            name = f"1 endpoint, {delay_ms} ms"
            plain = _plain(server, target, 1, 1, _EVENTS_OF_ONE)
            for order in (Order.RELAXED, Order.NONE):
                ours = _ours(server, target, 1, 1, _EVENTS_OF_ONE, order)
                rows.append(_row(f"{name}, order={order}", ours, plain))
            rows.append(_row(f"{name}: a message each", plain, plain))
    with receiving() as target:
        many = _ORGS, _ENDPOINTS, _EVENTS_OF_MANY
        ours = _ours(server, target, *many, Order.RELAXED)
        plain = _plain(server, target, *many)
    name = f"{_ORGS * _ENDPOINTS:,} endpoints of {_ORGS} orgs"
    rows += [_row(name, ours, plain), _row(f"{name}: a message each", plain, plain)]
    show(
        "Deliveries a second",
        ("", "a second", "of a message each", "CPU, ms each", "DynamoDB calls", "SQS calls"),
        rows,
        (
            f"{_EVENTS_OF_ONE} events of one endpoint; {_EVENTS_OF_MANY} each of many. CPU: this "
            "process' alone, not the emulator's and the receiver's.",
            f"calls: each delivery's, on average; {_AT_ONCE} invocations at the same time, of many "
            f"endpoints {_AT_ONCE_OF_MANY}, on a machine that the emulator shares.",
            f"nothing is measured for longer than {_MOST_SECONDS:g} s: what was delivered counts.",
            "a message each: the receiver is posted to without an order, by all of them.",
        ),
    )


def _row(name: str, measured: Measured, plain: Measured) -> Sequence[str]:
    count = measured.deliveries
    sqs = sum(measured.calls[each] for each in _SQS)
    return (
        name,
        number(measured.rate),
        ratio(measured.rate / plain.rate),
        number(measured.cpu_seconds * 1_000 / count),
        number((measured.calls.total() - sqs) / count),
        number(sqs / count),
    )


_SQS = ("SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch")


def _ours(
    server: Server, target: Target, orgs: int, endpoints: int, events: int, order: Order
) -> Measured:
    with world(server) as made:
        names = [f"org{place}" for place in range(orgs)]
        for org in names:
            made.subscribe(org, target.url, endpoints, order)
            made.seal(org, events)

        at_once = _AT_ONCE if endpoints == 1 else _AT_ONCE_OF_MANY

        def produce() -> None:
            made.wake(*names)

        return _measured(
            made,
            target,
            [made.url, made.slow_url],
            produce,
            made.invoke,
            orgs * endpoints * events,
            at_once,
        )


def _plain(server: Server, target: Target, orgs: int, endpoints: int, events: int) -> Measured:
    with world(server) as made:
        way, todo = Straightforward(made), []
        for place in range(orgs):
            org = f"org{place}"
            ids = made.subscribe(org, target.url, endpoints, Order.NONE)
            made.seal(org, events)
            todo.append((org, ids, way.sealed(org, 0)))

        at_once = _AT_ONCE if endpoints == 1 else _AT_ONCE_OF_MANY

        def produce() -> None:
            for org, ids, sealed in todo:
                way.produce(org, ids, sealed)

        return _measured(
            made, target, [way.url], produce, way.handle, orgs * endpoints * events, at_once
        )


def _measured(
    made: World,
    target: Target,
    urls: Sequence[str],
    produce: Callable[[], None],
    handle: Callable[[list[dict[str, Any]]], set[str]],
    expected: int,
    at_once: int,
) -> Measured:
    before, _ = target.came()
    began, cpu_began = time.perf_counter(), time.process_time()
    ends = began + _MOST_SECONDS
    with _counted(made) as calls, ThreadPoolExecutor(at_once) as pool, redirect_stdout(StringIO()):
        produce()

        def work(_: int) -> None:
            # Who was handed something goes on with what that was passed on.
            while time.perf_counter() < ends and any(
                receive(made.queues, url, handle) for url in urls
            ):
                pass

        list(pool.map(work, range(at_once)))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    deliveries = target.came()[0] - before
    if deliveries != expected and seconds < _MOST_SECONDS:
        raise RuntimeError(f"{deliveries} of {expected} were delivered")
    return Measured(deliveries, seconds, cpu, calls)


@contextmanager
def _counted(made: World) -> Iterator[Counter[str]]:
    """Count the calls of both clients by their names."""
    calls = Counter[str]()

    def after(model: Any, **_: Any) -> None:
        calls[model.name] += 1

    for client in (made.db, made.queues):
        client.meta.events.register("after-call", after, unique_id="rates")
    try:
        yield calls
    finally:
        for client in (made.db, made.queues):
            client.meta.events.unregister("after-call", unique_id="rates")
