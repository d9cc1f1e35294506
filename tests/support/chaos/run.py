"""One run: start the product, load it, break it, let it come to rest, and compare."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from support.chaos.check import Expected, at_rest, compare, events_of, unaccounted
from support.chaos.crowd import Crowd, crowd
from support.chaos.faults import Faults
from support.chaos.producer import Producer
from support.chaos.report import Report
from support.chaos.views import AGENTS, VIEWS
from support.product import Product
from support.waiting import HANG_SECONDS, until

__all__ = ["Plan", "run"]

SETTINGS = {
    "TOCSIN_RING_EVENTS": "128",  # so that who is away for seconds has to read the ledger
    "TOCSIN_STALL_SECONDS": "3",  # so that some slow readers are given up
    "TOCSIN_HEARTBEAT_SECONDS": "2",
    "TOCSIN_LOOK_SECONDS": "2",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, and by which random numbers; the rest is as much as two cores can take.

    The seed decides what is sent, who subscribes how, and which fault comes when. What meets what
    in time also depends on the machine.
    """

    seconds: float
    seed: int
    subscribers: int = 200
    events_per_second: float = 50.0


def run(home: Path, plan: Plan) -> Report:
    """Run in ``home``, a folder that does not exist yet; returns what was seen."""
    product = Product(home, env=SETTINGS)
    try:
        product.start()
        return asyncio.run(_Run(product, plan).report())
    finally:
        product.stop()


class _Run:
    def __init__(self, product: Product, plan: Plan) -> None:
        self._product = product
        self._plan = plan
        self._report = Report(plan.seed, subscribers=plan.subscribers)

    async def report(self) -> Report:
        plan, product, report = self._plan, self._product, self._report
        each_per_second = plan.events_per_second / len(AGENTS)
        producers = [
            Producer(product, agent, each_per_second, _random(plan, agent)) for agent in AGENTS
        ]
        began = time.monotonic()
        direct = product.layout.url("stream")
        sockets = {direct: str(product.layout.socket("stream"))}
        urls = [[product.url], [direct]]
        async with crowd(
            plan.subscribers, urls, product.headers, plan.seed, sockets=sockets
        ) as everybody:
            async with asyncio.timeout(HANG_SECONDS):
                await everybody.until_opened()
            faults = Faults(product, everybody.until_watched, _random(plan, "faults"))

            def proves_something() -> bool:
                self._count(everybody, producers, faults)
                return not report.vacuous

            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for producer in producers:
                    group.create_task(producer.run(stop))
                await faults.run(plan.seconds, proves_something)
                stop.set()
            report.seconds = time.monotonic() - began
            report.events = sum(producer.accepted for producer in producers)
            await self._rest(everybody)
        self._count(everybody, producers, faults)
        self._check(everybody, [id for producer in producers for id in producer.sent])
        return report

    def _count(self, everybody: Crowd, producers: Iterable[Producer], faults: Faults) -> None:
        """Take down what has happened so far."""
        report = self._report
        report.faults = faults.happened
        report.retries = sum(producer.retries for producer in producers)
        report.counts = sum((each.counts for each in everybody.subscribers), Counter())
        report.views = Counter({view.name: 0 for view in VIEWS if view is not VIEWS[-1]})
        for each in everybody.subscribers:
            if each.view.name in report.views:
                report.views[each.view.name] += len(each.seen)

    async def _rest(self, everybody: Crowd) -> None:
        """Wait until all that was accepted is sealed, and everybody is where the ledger ends."""
        everybody.finishing.set()
        wanted = self._report.events
        try:
            async with asyncio.timeout(HANG_SECONDS):
                await asyncio.to_thread(self._product.until_ready)
                await asyncio.to_thread(
                    until,
                    lambda: at_rest(self._product, wanted) > 0,
                    "all that was accepted is sealed, and what follows from it",
                )
                await everybody.until_at(at_rest(self._product, wanted))
                await asyncio.sleep(1)  # in which what is too much would come
        except (AssertionError, TimeoutError) as error:
            self._report.wrong.append(str(error) or f"not at rest within {HANG_SECONDS:g} s")

    def _check(self, everybody: Crowd, sent: list[str]) -> None:
        report = self._report
        events = events_of(self._product)
        report.wrong += unaccounted(events, sent)
        expected = {view: Expected(view, events) for view in VIEWS}
        for number, each in enumerate(everybody.subscribers):
            who = f"subscriber {number} ({each.view.name}, {each.habits})"
            if each.trouble:
                report.wrong.append(f"{who}: {each.trouble}")
            if each.start is None:
                report.wrong.append(f"{who} never got a cursor")
            elif difference := compare(each, expected[each.view]):
                report.lost += difference.lost
                report.doubled += difference.doubled
                report.reordered += difference.reordered
                report.wrong.append(f"{who}, at {each.cursor} of {len(events)}: {difference}")


def _random(plan: Plan, whose: str) -> Random:
    return Random(f"{plan.seed} {whose}")  # noqa: S311 (the same in every run)
