"""Whatever is killed while endpoints are sent events: nothing is lost, and order is kept.

An event is doubled only where a process was killed that had sent it and not yet written that.
"""

import json
import os
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from random import Random
from secrets import randbelow, token_hex
from typing import Literal

import pytest

from support.orgs import NewOrg
from support.product import Product
from support.receiver import Received, Receiver, Reply, receiving
from support.waiting import HANG_SECONDS, until
from tocsin.adapters import sqs
from tocsin.adapters.dynamodb import client
from tocsin.adapters.dynamodb.endpoints import DynamoEndpoints
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.client import Client
from tocsin.domain.deliveries import Progress
from tocsin.domain.keys import Scope

pytestmark = pytest.mark.xdist_group("chaos")

KILLED = 2 * ("deliver", "deliver", "project", "deliver", "poller")
MORE = 20 * ("deliver",)  # until one was killed between an answer and the note of it
EVENTS = 30  # between two kills
SOME = 6  # of them, which the endpoint wants at which some fail: each takes a while
FAILING = 0.3
IN_FLIGHT = 8  # of an endpoint without an order
MOST_UNSAVED = 100 + IN_FLIGHT
STATE_TABLE = "tocsin-state"
ORDERS: Sequence[Literal["strict", "relaxed", "none"]] = ("strict", "relaxed", "none")


@dataclass
class Endpoint:
    """An endpoint and its receiver, which notes after how many kills each request came."""

    name: str
    failing: float
    random: Random
    id: str = ""
    arrived: list[tuple[int, str, int]] = field(default_factory=list)  # seq, id, kills
    unsaved: list[Progress] = field(default_factory=list)  # how far it was at each kill
    lock: threading.Lock = field(default_factory=threading.Lock)

    def behave(self, received: Received) -> Reply:
        data = json.loads(received.body)["data"]
        with self.lock:
            if self.random.random() < self.failing:
                return Reply(500)
            arrival = data["seq"], received.headers["webhook-id"], len(self.unsaved)
            self.arrived.append(arrival)
        return Reply()

    def first(self) -> list[int]:
        """The seqs in the order in which they first arrived."""
        with self.lock:
            return list(dict.fromkeys(seq for seq, _, _ in self.arrived))

    def check(self) -> None:
        """Each event has one id; what came again was on its way when somebody was killed."""
        by_seq: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
        for seq, id, kills in self.arrived:
            by_seq[seq].append((id, kills))
        again = [0] * len(self.unsaved)
        for seq, came in by_seq.items():
            assert len({id for id, _ in came}) == 1, f"{self.name}: {seq} has several ids"
            for (_, before), (_, after) in pairwise(came):
                unsaved = [
                    kill for kill in range(before, after) if _unsaved(self.unsaved[kill], seq)
                ]
                assert unsaved, f"{self.name}: {seq} came again without a reason: {came}"
                again[unsaved[-1]] += 1
        assert all(count <= MOST_UNSAVED for count in again), f"{self.name}: {again}"


def _unsaved(progress: Progress, seq: int) -> bool:
    return seq > progress.through_seq or any(each.seq == seq for each in progress.failing)


@dataclass
class World:
    """An org with three endpoints, on a product whose parts are killed."""

    product: Product
    org: NewOrg
    client: Client
    endpoints: Sequence[Endpoint]
    receivers: Sequence[Receiver]
    posted: int = 0
    _tried: int = 0

    def post(self) -> None:
        tools = ("some" if number < SOME else "other" for number in range(EVENTS))
        self.org.post(*({"type": "tool_call", "toolName": tool} for tool in tools))
        self.posted += 1

    def try_again(self) -> None:
        """Have what failed tried again at once: it would be in seconds, then in a minute."""
        strict, came = self.endpoints[0], len(self.receivers[0].received)
        if came > self._tried and self.client.webhook(strict.id).fields["failing"]:
            self.client.resume_webhook(strict.id)
            self._tried = came

    def kill(self, part: str) -> None:
        """Kill a part. Of the leases that it held, let the time be over: nobody else has them."""
        until(lambda: part in self.product.parts(), f"{part} runs")
        process = self.product.parts()[part]
        process.kill()
        process.wait(HANG_SECONDS)
        if part != "deliver":
            return
        for receiver in self.receivers:
            receiver.until_ended()
        store = self._store()
        for each in self.endpoints:
            kept = store.get(self.org.id, each.id)
            assert kept is not None
            with each.lock:
                each.unsaved.append(kept.progress)
            if kept.progress.lease:
                free = replace(kept.progress, lease="", lease_until_ms=0, change=token_hex(8))
                store.save(self.org.id, each.id, kept.progress.change, free)

    def doubled(self) -> int:
        """How many arrivals were not the first of their event."""
        return sum(len(each.arrived) - len(each.first()) for each in self.endpoints)

    def wake(self) -> None:
        """Wake each once more, as SQS may."""
        queue = self.product.layout.queue("wakes")
        with self.product.tables():
            wakes = sqs.SqsWakes(sqs.client(), queue)
        wakes.wake(self.org.id, [each.id for each in self.endpoints])

    def settled(self) -> bool:
        """Whether it is written that everything arrived: then nothing is sent again."""
        shown = {each.id: each.fields for each in self.client.webhooks()}
        return all(
            shown[each.id]["through_seq"] >= max(each.first()) and not shown[each.id]["failing"]
            for each in self.endpoints
        )

    def _store(self) -> DynamoEndpoints:
        with self.product.tables() as tables:
            assert isinstance(tables.journal, DynamoJournal)
            return DynamoEndpoints(client(), STATE_TABLE, tables.journal)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    random = Random(int(os.environ.get("CHAOS_SEED") or randbelow(1_000_000)))  # noqa: S311
    product = Product(tmp_path / "home")
    with ExitStack() as stack:
        stack.callback(product.stop)
        product.start()
        org = NewOrg(product)
        admin = stack.enter_context(Client(product.url, org.new_key(Scope.ADMIN)))
        endpoints, receivers = list[Endpoint](), list[Receiver]()
        for order in ORDERS:
            each = Endpoint(order, FAILING if order == "strict" else 0, random)
            receivers.append(stack.enter_context(receiving(each.behave)))
            tool = "some" if order == "strict" else None
            each.id = admin.create_webhook(
                receivers[-1].url, order=order, types=["tool_call"], tool_name=tool
            ).id
            endpoints.append(each)
        yield World(product, org, admin, endpoints, receivers)


def test_whoever_is_killed_nothing_is_lost_and_order_is_kept(world: World) -> None:
    strict, *others = world.endpoints
    for number, part in enumerate((*KILLED, *MORE)):
        if number >= len(KILLED) and world.doubled():
            break
        before = [len(each.first()) for each in others]
        world.post()
        world.wake()

        def going_on(before: Sequence[int] = before) -> bool:
            world.try_again()
            now = [len(each.first()) for each in others]
            return all(later > earlier for earlier, later in zip(before, now, strict=True))

        until(going_on, "they go on")
        world.kill(part)
    world.product.until_ready()

    wanted = {
        each.id: world.posted * (SOME if each is strict else EVENTS) for each in world.endpoints
    }

    def all_arrived() -> bool:
        world.try_again()
        return all(len(each.first()) >= wanted[each.id] for each in world.endpoints)

    until(all_arrived, "everything arrives")
    until(world.settled, "and nothing is to be sent again")
    for each in world.endpoints:
        assert len(each.first()) == wanted[each.id], f"{each.name} was sent what it does not want"
        each.check()
    assert strict.first() == sorted(strict.first())
    assert world.doubled(), "nobody was killed while it sent: this proves nothing"
