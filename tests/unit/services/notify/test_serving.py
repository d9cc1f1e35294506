"""Serving: an org's endpoints hold up no other org's, whatever their receivers do."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from fakes.events import batch
from fakes.notify import FakeDeliveries, FakeEndpoints, FakeSender, FakeWakes
from fakes.tenant import Tenant
from support.waiting import HANG_SECONDS, until
from tocsin.domain.deliveries import LEASE_MS, Answer, Outgoing, Progress, Replay
from tocsin.domain.endpoints import Endpoint, Order, Wanted
from tocsin.domain.errors import Busy
from tocsin.domain.retention import KEEPS_ALL
from tocsin.services.notify.delivering import Delivering
from tocsin.services.notify.reading import Log
from tocsin.services.notify.report import Report
from tocsin.services.notify.serving import Serving
from tocsin.wire.notify.signatures import new_secret

SECRET = new_secret()
AT_ONCE = 10
PLACES = 3


class World(Tenant):
    """An org with endpoints ``0``, ``1`` … at URLs that end so; what they answer is a test's."""

    def __init__(self, endpoints: int, **fields: Any) -> None:
        super().__init__("acme")
        self.endpoints = FakeEndpoints(self.journal)
        self.wakes = FakeWakes()
        self.answer: Callable[[str], Answer] = lambda _: Answer(200, 10)
        self.received: list[str] = []  # the endpoints' numbers
        self.sending = self.most = 0
        self.gate = threading.Event()
        self._lock = threading.Lock()
        self.ids = [f"ep_{n:03}" for n in range(endpoints)]
        for number, id in enumerate(self.ids):
            self.make(id, number, **fields)

    def make(self, id: str, number: int, **fields: Any) -> None:
        one = Endpoint(
            org="acme", id=id, url=f"https://h.example.com/{number}", secrets=(SECRET,), change="c"
        )
        told = batch("acme", 1, self.clock.ms, 900)
        assert self.endpoints.write(
            replace(one, **fields), "", told, b"", Progress(0, change=f"p{number}")
        )
        del self.journal.batches["acme", told.id]

    def hang(self) -> Answer:
        """Answer when the test says so."""
        assert self.gate.wait(HANG_SECONDS)
        return Answer(0, 15_000, "timeout")

    def receive(self, outgoing: Outgoing) -> Answer:
        number = outgoing.url.rpartition("/")[2]
        with self._lock:
            self.received.append(number)
            self.sending += 1
            self.most = max(self.most, self.sending)
        try:
            return self.answer(number)
        finally:
            with self._lock:
                self.sending -= 1

    def serving(self) -> Serving:
        deliver = Delivering(
            log=Log(self.ledger, self.journal, lambda: KEEPS_ALL),
            endpoints=self.endpoints,
            deliveries=FakeDeliveries(),
            sender=FakeSender(self.receive),
            wakes=self.wakes,
            clock=self.clock,
            pool=partial(ThreadPoolExecutor, 8),
        )
        return Serving(deliver, self.endpoints, self.clock)

    def serve(self, *ids: str, slow: bool = False) -> Report:
        report = Report()
        self.serving()("acme", ids or self.ids, report, slow=slow)
        return report

    def passed(self) -> list[str]:
        """Return which endpoints were passed on."""
        assert all(each[2:] == (0, True) for each in self.wakes.sent)
        return sorted(id for _, id, _, _ in self.wakes.sent)

    def set(self, number: int, **fields: Any) -> None:
        key = "acme", self.ids[number]
        self.endpoints.progress[key] = replace(self.endpoints.progress[key], **fields)


@contextmanager
def serving(world: World, *ids: str, slow: bool = False) -> Iterator[Future[Report]]:
    """Serve in a thread while a test looks on; what hangs ends with that."""
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool.submit(world.serve, *ids, slow=slow)
        finally:
            world.gate.set()


@pytest.mark.parametrize("slow", [False, True])
def test_all_endpoints_of_a_message_are_sent_to_ten_at_once(slow: bool) -> None:
    world, ten = World(3 * AT_ONCE), threading.Barrier(AT_ONCE)
    world.add(1)

    def answer(_: str) -> Answer:
        ten.wait(HANG_SECONDS)
        return Answer(200, 10)

    world.answer = answer
    report = world.serve(slow=slow)
    assert not report.failed | report.broken
    assert sorted(world.received, key=int) == [str(n) for n in range(3 * AT_ONCE)]
    assert world.most == AT_ONCE
    assert world.passed() == []


@pytest.mark.parametrize("slow", [False, True])
def test_what_was_not_begun_within_three_seconds_is_passed_on_in_one_message(slow: bool) -> None:
    world = World(25)
    world.add(1)

    def three_seconds() -> None:
        world.clock.ms += 3_000

    ten = threading.Barrier(AT_ONCE, three_seconds)

    def answer(_: str) -> Answer:
        ten.wait(HANG_SECONDS)
        return Answer(200, 10)

    world.answer = answer
    world.serve(slow=slow)
    assert sorted(world.received) == sorted(map(str, range(AT_ONCE)))
    assert world.passed()[-15:] == world.ids[AT_ONCE:]
    assert len(world.wakes.calls) <= 2


def test_a_clock_that_is_set_back_has_what_was_not_begun_passed_on() -> None:
    world = World(11)
    world.add(1)

    def back() -> None:
        world.clock.ms -= 60_000

    ten = threading.Barrier(AT_ONCE, back)

    def answer(_: str) -> Answer:
        ten.wait(HANG_SECONDS)
        return Answer(200, 10)

    world.answer = answer
    world.serve()
    assert world.ids[-1] in world.passed()


def test_what_is_slow_is_passed_on_while_another_hangs() -> None:
    world = World(5)
    world.add(1)
    for number in range(1, 5):
        world.set(number, slow_until_ms=world.clock.ms + 60_000)
    world.answer = lambda _: world.hang()
    with serving(world) as done:
        until(lambda: len(world.wakes.sent) == 4, "the slow ones are passed on")
        assert not done.done()
        assert world.passed() == world.ids[1:]
        assert world.received == ["0"]


def test_one_that_has_more_goes_on_beside_the_quick_after_three_seconds() -> None:
    world = World(2)
    world.add(100)

    def answer(number: str) -> Answer:
        world.clock.ms += 100
        return Answer(200, 100)

    world.answer = answer
    world.serve("ep_000")
    assert len(world.received) == 30
    assert world.passed() == ["ep_000"]
    world.serve("ep_000", slow=True)
    assert len(world.received) == 100
    assert world.passed() == ["ep_000"], "it had no more"


def hold(world: World, number: int, lease: str, until_ms: int = LEASE_MS) -> None:
    world.set(number, lease=lease, lease_until_ms=world.clock.ms + until_ms)


def test_an_org_that_holds_three_places_gets_no_fourth() -> None:
    world = World(6)
    world.add(1)
    for number, place in enumerate("abc"):
        hold(world, number, f"{place}.lease")
    world.serve()
    assert world.received == []
    assert world.passed() == world.ids
    assert len(world.wakes.calls) == 1
    world.serve(slow=True)
    assert sorted(world.received) == ["3", "4", "5"], "it goes on beside them"


@pytest.mark.parametrize(
    "third",
    [("b.another", LEASE_MS), ("0123456789abcdef", LEASE_MS), ("c.lease", -60_000), ("", 0)],
)
def test_places_are_those_among_the_quick_that_are_held_now(third: tuple[str, int]) -> None:
    """Not one of a slow queue, of an older version, of one that was killed long ago."""
    world = World(6)
    world.add(1)
    hold(world, 0, "a.lease")
    hold(world, 1, "b.lease")
    hold(world, 2, *third)
    world.serve()
    assert {"3", "4", "5"} <= set(world.received)
    assert world.passed() == []


def test_whatever_begins_to_hang_an_org_holds_no_more_than_three_places() -> None:
    """Twenty endpoints, of which one more begins to hang with every wake; and the rest is quick."""
    world = World(20)
    for number, id in enumerate(world.ids):
        one = world.endpoints.endpoints["acme", id]
        wanted = Wanted(tool_name=f"tool-{19 - number}")  # the last is first to hang
        world.endpoints.endpoints["acme", id] = replace(one, wanted=wanted)
    world.answer = lambda _: world.hang()
    world.add(1)
    with ThreadPoolExecutor(20) as pool:
        running = list[Future[Report]]()
        try:
            for number in range(20):
                before = len(world.received)
                running.append(pool.submit(world.serve))
                until(
                    lambda before=before: len(world.received) > before or running[-1].done(),  # type: ignore[misc]
                    "it hangs, or has ended",
                )
                if number < 19:
                    world.add(number + 2)  # its last event is of the next tool
            assert sum(not each.done() for each in running) == PLACES
        finally:
            world.gate.set()


def test_one_that_has_no_order_and_hangs_takes_no_other_s_threads() -> None:
    world = World(5, order=Order.NONE)
    world.add(9)
    world.answer = lambda number: Answer(200, 10) if number == "4" else world.hang()
    with serving(world):
        until(lambda: world.received.count("4") == 9, "the fifth is sent all")
        until(lambda: len(world.received) == 4 * 8 + 9, "the others, eight at a time")


def test_what_can_t_be_looked_at_or_passed_on_comes_again() -> None:
    world = World(5)
    world.add(1)

    def busy(*_: object, **__: object) -> Any:
        raise Busy("later")

    world.set(3, slow_until_ms=world.clock.ms + 60_000)
    world.wakes.wake = busy  # type: ignore[method-assign]
    assert set(world.serve().failed) == {("acme", "ep_003")}
    world.endpoints.all = busy  # type: ignore[method-assign]
    assert set(world.serve().failed) == {("acme", id) for id in world.ids}


def test_one_that_can_t_be_read_with_the_others_is_reported_and_they_go_on() -> None:
    world = World(5)
    world.add(1)
    get, readable = world.endpoints.get, [id for id in world.ids if id != "ep_002"]
    broken = ValueError("damaged")

    def one(org: str, id: str) -> Any:
        if id == "ep_002":
            raise broken
        return get(org, id)

    world.endpoints.get = one  # type: ignore[method-assign]
    world.endpoints.all = lambda _: [kept for id in readable if (kept := get("acme", id))]  # type: ignore[assignment,method-assign]
    assert world.serve().broken == {("acme", "ep_002"): broken}
    assert sorted(world.received) == ["0", "1", "3", "4"]


def test_endpoints_that_are_woken_together_are_read_together() -> None:
    world, asked = World(20), list[str]()
    get = world.endpoints.get

    def counted(org: str, id: str) -> Any:
        asked.append(id)
        return get(org, id)

    world.endpoints.get = counted  # type: ignore[method-assign]
    world.endpoints.all = lambda _: [kept for id in world.ids if (kept := get("acme", id))]  # type: ignore[assignment,method-assign]
    world.serve()
    assert asked == []
    world.endpoints.add_replay("acme", "ep_007", Replay("r", 1, 1))
    world.add(1)
    world.serve()
    assert asked == [], "each looks once more after what it sent, but at the ledger"
