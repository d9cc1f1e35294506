"""Approvals on a DynamoDB API over HTTP (MiniStack): races, and how soon who waits is told.

**Races.** Eight resolvers, half of whom approve and half deny, answer the same approval at the same
time, each with a client of its own. What counts: exactly one of them wins, whoever is asked. The
baseline of a resolution is a bare conditional put of an item of the same size.

**Waiters.** From the moment that a resolution is asked for until who waits for it is told, as the
stream service tells it; the baseline is the resolution alone.

**Decisions.** What Cedar takes for a call with the policies that come with Tocsin, compiled once,
against compiling them for each call.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from bench.report import milliseconds, number, ratio, show
from bench.timing import Variant, measure
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb.approvals import DynamoApprovals
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.domain.approvals import Approval, Call, Status
from tocsin.domain.errors import Over
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.local.tables import create
from tocsin.services.approvals.asking import Ask, Asking
from tocsin.services.approvals.deciding import Deciding, Resolve
from tocsin.services.approvals.reading import Reading
from tocsin.services.approvals.steps import Steps
from tocsin.services.approvals.waiting import Waiting
from tocsin.services.policies.engine import Situation, compiled
from tocsin.services.policies.starter import STARTER
from tocsin.settings import StoreSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["main"]

RACES = 10_000
RESOLVERS = 8
WAITERS = 300

type NewClient = Callable[[], "DynamoDBClient"]


def main(races: int = RACES) -> None:
    """Measure and print."""
    from support.ministack import dynamodb_server  # of the tests

    _decisions()
    with dynamodb_server() as server:
        suffix = uuid4().hex[:8]
        settings = StoreSettings(
            journal_table=f"journal-{suffix}",
            ledger_table=f"ledger-{suffix}",
            state_table=f"state-{suffix}",
        )
        create(server.client(), settings)
        desks = [_Desk(server.client, settings) for _ in range(RESOLVERS)]
        _races(desks, races)
        asyncio.run(_waiters(desks[0]))


class _Desk:
    """The use cases on a client of their own; nobody sets timers here."""

    def __init__(self, client: NewClient, settings: StoreSettings) -> None:
        self.client, self.table = client(), settings.state_table
        journal = DynamoJournal(self.client, settings.journal_table)
        self.store = DynamoApprovals(self.client, self.table, journal)
        self.clock = SystemClock()
        steps = Steps(self.store, self.clock)
        self.asking, self.deciding = Asking(steps, self), Deciding(steps)
        self.agent, self.person = (_key(scope) for scope in (Scope.INGEST, Scope.APPROVE))

    def set(self, *_: object) -> None:
        """Set no timer."""

    def ask(self) -> Approval:
        call = Call(tool="exec", agent="claude", owner=self.agent.holder, command="rm -rf build")
        return self.asking(self.agent, Ask(call=call, message="may I?"))

    def resolve(self, id: str, approved: bool) -> bool:
        """Return whether this resolver has won."""
        try:
            done = self.deciding.resolve(self.person, id, Resolve(approved=approved))
        except Over:
            return False
        return (done.status is Status.APPROVED) is approved

    def put(self) -> None:
        """Put an item as large as an approval, if it is not there."""
        self.client.put_item(
            TableName=self.table,
            Item={"pk": {"S": "bench"}, "sk": {"S": uuid4().hex}, "record": {"B": b"x" * 700}},
            ConditionExpression="attribute_not_exists(pk)",
        )


def _key(scope: Scope) -> ApiKey:
    return mint("acme", frozenset({scope}), "bench", 0)[1]


def _races(desks: list[_Desk], races: int) -> None:
    winners, alone, bare = Counter[int](), list[float](), list[float]()
    with ThreadPoolExecutor(RESOLVERS) as pool:
        for at in range(races):
            id = desks[0].ask().id
            won = pool.map(lambda desk, id=id: desk.resolve(id, desks.index(desk) % 2 == 0), desks)
            winners[sum(won)] += 1
            if at % 10 == 0:
                id = desks[0].ask().id
                alone.append(_seconds(partial(desks[0].resolve, id, True)))
                bare.append(_seconds(desks[0].put))
    told = ", ".join(f"{count:,} with {won}" for won, count in sorted(winners.items()))
    show(
        f"Races of {RESOLVERS} resolvers",
        ("", "races", "ms p50", "ms p99", "p50 is"),
        [
            ("winners: " + told, f"{races:,}", "", "", ""),
            ("a resolution alone", "", *_both(alone), ratio(median(alone) / median(bare))),
            ("a bare conditional put", "", *_both(bare), ratio(1)),
        ],
        ("Exactly one may win each; a resolution reads the approval and writes one transaction.",),
    )
    if set(winners) != {1}:
        raise AssertionError(f"races were not won by exactly one: {told}")


async def _waiters(desk: _Desk) -> None:
    waiting = Waiting(desk.store, Reading(desk.store, desk.clock), lambda _: desk.person)
    told, alone = list[float](), list[float]()
    for _ in range(WAITERS):
        id = (await asyncio.to_thread(desk.ask)).id

        async def answered(id: str = id) -> float:
            async for _ in waiting.decision(None, id, [("wait", "55")]):
                pass
            return time.perf_counter()

        waiter = asyncio.create_task(answered())
        while not waiting.count:  # noqa: ASYNC110 (nothing else runs here)
            await asyncio.sleep(0.005)
        began = time.perf_counter()
        await asyncio.to_thread(desk.resolve, id, True)
        alone.append(time.perf_counter() - began)
        told.append(await waiter - began)
    show(
        "From a resolution to who waits for it",
        ("", "times", "ms p50", "ms p99", "p50 is"),
        [
            (
                "resolve → waiter",
                number(WAITERS),
                *_both(told),
                ratio(median(told) / median(alone)),
            ),
            ("the resolution alone", number(WAITERS), *_both(alone), ratio(1)),
        ],
        ("The state is looked at every 200 ms, however many wait.",),
    )


def _decisions() -> None:
    policies = compiled(STARTER)
    call = Call(tool="exec", agent="claude", owner="o", command="git status", input={"a": 1})
    situation = Situation(org="acme", call=call)
    variants: dict[str, Variant] = {
        "compiled once": Variant(lambda: policies.decide(situation), 1),
        "compiled each time": Variant(lambda: compiled(STARTER).decide(situation), 1),
    }
    rates = measure(variants)
    slowest = rates["compiled each time"].typical
    show(
        "Decisions about a call",
        ("", "µs of CPU", "is"),
        [
            (name, number(1e6 / each.typical), ratio(each.typical / slowest))
            for name, each in rates.items()
        ],
        (f"{len(policies)} policies: those that come with Tocsin.",),
    )


def _seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _both(seconds: list[float]) -> tuple[str, str]:
    return milliseconds(median(seconds)), milliseconds(quantiles(seconds, n=100)[98])
