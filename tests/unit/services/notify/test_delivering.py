"""Deliver: in order, nothing lost, whatever the receiver answers and whoever is killed."""

import json
import re
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import count, cycle, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.events import batch
from fakes.interleave import Gate, Move, interleave
from fakes.notify import FakeDeliveries, FakeEndpoints, FakeSender, FakeWakes
from fakes.tenant import Tenant
from tocsin.domain.batch import Batch
from tocsin.domain.deliveries import LEASE_MS, Answer, Outgoing, Progress, Replay
from tocsin.domain.endpoints import Endpoint, Format, Order, Status, Wanted
from tocsin.domain.errors import Busy, IntegrityError
from tocsin.domain.limits import (
    DELIVERY_ATTEMPTS,
    MAX_FAILING_DELIVERIES,
    PAUSE_AFTER_FAILING_DAYS,
)
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.services.notify.delivering import Delivering
from tocsin.services.notify.reading import Log
from tocsin.services.notify.report import Report
from tocsin.services.notify.sweeping import Sweeping
from tocsin.services.notify.turn import Room
from tocsin.wire.notify.signatures import new_secret

ID = "ep_" + "0" * 26
MINUTE_MS, DAY_MS = 60_000, 86_400_000
OK = Answer(200, 10)
REFUSED = Answer(500, 10)
SECRET = new_secret()


class OneByOne(Executor):
    """Runs what it is given at once, so that an interleaving has all of it."""

    def submit[**P, T](self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        done = Future[T]()
        done.set_result(fn(*args, **kwargs))
        return done


class World(Tenant):
    """An org with an endpoint, whose wakes are delivered as a queue would, and swept for."""

    def __init__(self, org: str = "acme", **endpoint: Any) -> None:
        super().__init__(org)
        self.endpoints = FakeEndpoints(self.journal)
        self.deliveries = FakeDeliveries()
        self.wakes = FakeWakes()
        self.queue: list[tuple[int, str, bool]] = []
        self.received: list[tuple[int, list[int]]] = []  # when, and which seqs
        self.arrived: list[int] = []  # the seqs that were answered with success
        self.answer: Callable[[list[int]], Answer] = lambda _: OK
        self.retention = KEEPS_ALL
        self.reports: list[Report] = []
        self.chance = 0.5
        self.pool: Callable[[], Executor] = partial(ThreadPoolExecutor, 8)
        self.swept_ms = self.clock.ms
        self.endpoint(**endpoint)

    def endpoint(self, **fields: Any) -> None:
        one = Endpoint(
            org=self.org,
            id=ID,
            url="https://example.com/",
            secrets=(SECRET,),
            created_at_ms=1,
            change="c0",
        )
        told = batch(self.org, 1, self.clock.ms, 999)
        was = self.endpoints.endpoints.get((self.org, ID))
        at = None if was else Progress(0, change="p0")
        change = f"c{len(self.journal.batches)}"
        one = replace(was or one, change=change, **fields)
        assert self.endpoints.write(one, was.change if was else "", told, b"", at)
        del self.journal.batches[self.org, told.id]

    @property
    def progress(self) -> Progress:
        return self.endpoints.progress[self.org, ID]

    @property
    def kept(self) -> Endpoint:
        return self.endpoints.endpoints[self.org, ID]

    def receive(self, outgoing: Outgoing) -> Answer:
        seqs = [int(seq) for seq in re.findall(rb'"seq":"?([0-9]+)', outgoing.body)]
        if len(seqs) > 1:  # a run: Splunk has each twice
            seqs = sorted(set(seqs))
        answer = self.answer(seqs)
        self.received.append((self.clock.ms, seqs))
        self.clock.ms += answer.latency_ms
        if 200 <= answer.status < 300:
            self.arrived += seqs
        return answer

    def delivering(self, gate: Callable[[Any], Any] = lambda port: port) -> Delivering:
        return Delivering(
            log=Log(gate(self.ledger), gate(self.journal), lambda: self.retention),
            endpoints=gate(self.endpoints),
            deliveries=gate(self.deliveries),
            sender=gate(FakeSender(self.receive)),
            wakes=gate(self.wakes),
            clock=self.clock,
            pool=self.pool,
            chance=lambda: self.chance,
        )

    def deliver(
        self, gate: Callable[[Any], Any] = lambda port: port, *, slow: bool = True
    ) -> Report:
        report = Report()
        self.delivering(gate)(self.org, ID, report, slow=slow)
        self.reports.append(report)
        return report

    def deliver_read(self, gate: Callable[[Any], Any]) -> Report:
        """Deliver to the endpoint as it was read a while ago, with its org's others."""
        report, delivering = Report(), self.delivering(gate)
        try:
            kept = gate(self.endpoints).get(self.org, ID)
        except Busy:
            return report  # its message comes again
        room = Room.at(gate(self.clock).now_ms(), slow=False)
        if delivering.once(self.org, ID, report, room, kept):
            delivering.pass_on(self.org, [ID], report)
        self.reports.append(report)
        return report

    def sweep(self) -> int:
        swept = Sweeping(self.endpoints, self.ledger, self.wakes, self.clock)()
        assert not swept.failed | swept.broken
        return swept.woken

    def wake(self, delivering: Delivering | None = None) -> None:
        """Deliver what was put into the queue until now, and a minute's sweep if it is time."""
        delivering = delivering or self.delivering()
        if self.clock.ms >= self.swept_ms + MINUTE_MS:
            self.swept_ms = self.clock.ms
            self.sweep()
        self.queue += [
            (self.clock.ms + delay * 1_000, id, slow) for _, id, delay, slow in self.wakes.sent
        ]
        self.wakes.sent.clear()
        due = [each for each in self.queue if each[0] <= self.clock.ms]
        self.queue = [each for each in self.queue if each[0] > self.clock.ms]
        for _, id, slow in due:
            report = Report()
            delivering(self.org, id, report, slow=slow)
            self.reports.append(report)

    def run(self, until: Callable[[], bool], *, days: float = 10) -> None:
        """Let time pass, from one message or sweep to the next, until something is so."""
        ends_ms, delivering = self.clock.ms + round(days * DAY_MS), self.delivering()
        self.wakes.wake(self.org, [ID])
        while not until():
            assert self.clock.ms < ends_ms, "it did not come about in time"
            self.wake(delivering)
            if not self.wakes.sent:
                next_ms = min([each[0] for each in self.queue], default=ends_ms)
                self.clock.ms = max(min(next_ms, self.swept_ms + MINUTE_MS), self.clock.ms)

    def settled(self) -> bool:
        head = self.ledger.head(self.org).seq
        return self.progress.through_seq == head and not self.progress.failing

    def told(self, type: str) -> list[dict[str, Any]]:
        batches = [each for each in self.journal.batches.values() if isinstance(each, Batch)]
        events = [json.loads(entry) for each in batches for entry in each.entries]
        return [event for event in events if event["type"] == type]


def failing(*bad: int) -> Callable[[list[int]], Answer]:
    return lambda seqs: REFUSED if set(seqs) & set(bad) else OK


def test_everything_is_sent_once_in_the_order_of_the_ledger() -> None:
    world = World()
    world.add(3, 400, 1)
    world.add(1_000)
    world.deliver()
    assert world.arrived == list(range(1, 1_405))
    assert world.progress.through_seq == 1_404
    assert world.progress.hash == world.ledger.head("acme").hash
    assert not world.progress.lease
    assert world.wakes.sent == []


def test_what_fails_is_passed_and_sent_again_later() -> None:
    world = World()
    world.add(5)
    world.answer = failing(2)
    world.deliver()
    assert world.arrived == [1, 3, 4, 5]
    assert [each.seq for each in world.progress.failing] == [2]
    world.answer = failing()
    world.run(world.settled)
    assert world.arrived == [1, 3, 4, 5, 2]


def test_in_strict_order_nothing_passes_what_fails() -> None:
    world = World(order=Order.STRICT)
    world.add(5)
    world.answer = failing(2)
    world.deliver()
    assert world.arrived == [1]
    world.answer = failing()
    world.run(world.settled)
    assert world.arrived == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("order", [Order.RELAXED, Order.STRICT])
def test_an_event_is_given_up_after_ten_attempts_in_three_days_and_the_next_goes_on(
    order: Order,
) -> None:
    world = World(order=order)
    world.add(3)
    world.answer = failing(2)
    begun_ms = world.clock.ms
    world.run(world.settled)
    tries = [at_ms for at_ms, seqs in world.received if seqs == [2]]
    assert len(tries) == DELIVERY_ATTEMPTS == 10
    assert 2.5 * DAY_MS < tries[-1] - begun_ms < 3.5 * DAY_MS
    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert waits == sorted(waits)
    assert world.arrived == [1, 3]
    assert world.progress.passed_over == 1
    [given_up], _ = world.deliveries.given_up("acme", ID, "", 10)
    assert (given_up.seq, given_up.attempt, given_up.status) == (2, 10, 500)
    assert world.kept.active


def test_a_hundred_that_fail_stand_beside_the_cursor_and_then_it_waits() -> None:
    world = World()
    world.add(300)
    world.answer = lambda seqs: OK if seqs[0] % 2 else REFUSED
    world.run(lambda: len(world.progress.failing) == MAX_FAILING_DELIVERIES, days=1)
    assert world.progress.through_seq == 200
    assert max(world.arrived) == 199
    world.answer = failing()
    world.run(world.settled)
    assert sorted(world.arrived) == list(range(1, 301))


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_one_that_wants_to_be_left_alone_is(status: int) -> None:
    world = World()
    world.add(20)
    world.answer = lambda _: Answer(status, 10, retry_after_ms=600_000)
    world.deliver()
    assert len(world.received) == 1
    begun_ms = world.clock.ms
    world.answer = failing()
    world.run(world.settled)
    assert world.received[1][0] - begun_ms >= 600_000
    assert sorted(world.arrived) == list(range(1, 21))


def test_a_dead_receiver_is_asked_ever_more_seldom() -> None:
    world = World()
    world.add(1_000)
    world.answer = lambda _: Answer(0, 15_000, "timeout")
    with pytest.raises(AssertionError):
        world.run(world.settled, days=1)
    assert len(world.received) < 24 * 12 + 50, "about one in five minutes"


def test_a_receiver_that_is_gone_pauses_its_endpoint_and_that_is_told() -> None:
    world = World()
    world.add(3)
    world.answer = lambda _: Answer(410, 10, excerpt="gone")
    report = world.deliver()
    assert len(world.received) == 1
    assert (world.kept.status, len(report.paused)) == (Status.PAUSED, 1)
    [told] = world.told("tocsin.endpoint_paused")
    assert told["data"] == {
        "endpoint_id": ID,
        "reason": "its receiver answered 410 Gone",
        "event_id": told["data"]["event_id"],
        "event_type": "tool_call",
        "failed_seq": 1,
        "attempts": 1,
        "answer": {"status": 410, "error": "", "excerpt": "gone"},
    }
    world.answer = failing()
    world.deliver()
    assert len(world.received) == 1, "a paused endpoint is sent nothing"
    world.endpoint(status=Status.ACTIVE, resumed_at_ms=world.clock.ms)
    world.deliver()
    assert sorted(world.arrived) == [1, 2, 3]


def test_one_at_which_nothing_succeeds_for_five_days_is_paused() -> None:
    world = World()
    world.add(1_000)
    world.answer = lambda _: REFUSED
    begun_ms = world.clock.ms
    world.run(lambda: not world.kept.active)
    assert 0 <= world.clock.ms - begun_ms - PAUSE_AFTER_FAILING_DAYS * DAY_MS < DAY_MS
    assert len(world.told("tocsin.endpoint_paused")) == 1


def test_a_failure_long_after_one_that_was_given_up_pauses_nothing() -> None:
    world = World()
    world.add(1)
    world.answer = failing(1, 2)
    world.run(world.settled)
    world.clock.ms += 10 * DAY_MS
    world.add(1)
    world.deliver()
    assert world.kept.active


def test_who_resumes_may_leave_out_what_was_missed() -> None:
    world = World(status=Status.PAUSED)
    world.add(10)
    world.endpoint(status=Status.ACTIVE, resumed_at_ms=world.clock.ms, resumed_after_seq=10)
    world.deliver()
    assert world.received == []
    assert world.progress.through_seq == 10
    world.add(1)
    world.deliver()
    assert world.arrived == [11]


def test_a_name_that_can_t_be_resolved_is_no_failure_of_the_endpoint() -> None:
    world = World(order=Order.STRICT)
    world.add(2)
    world.answer = lambda _: Answer(0, 10, "unresolved")
    with pytest.raises(AssertionError):
        world.run(world.settled, days=6)
    assert world.kept.active
    assert len(world.received) < 6 * 24 * 6 + 100
    world.answer = failing()
    world.run(world.settled)
    assert world.arrived == [1, 2]


def test_what_it_does_not_want_costs_next_to_no_writes() -> None:
    world = World(wanted=Wanted(types=frozenset({"approval.created"})))
    delivering, changes = world.delivering(), set[str]()
    for _ in range(50):
        world.add(10)
        delivering("acme", ID, Report(), slow=True)
        changes.add(world.progress.change)
    assert len(changes) == 1
    world.add(1_000)
    delivering("acme", ID, Report(), slow=True)
    assert world.progress.through_seq == 1_500
    world.add(1)
    for _ in range(2):
        delivering("acme", ID, Report(), slow=True)
    assert world.progress.through_seq == 1_501, "nothing came since"
    assert world.received == []


def test_one_that_is_slow_is_passed_on_and_holds_up_nobody() -> None:
    world = World()
    world.add(2)
    world.answer = lambda _: Answer(200, 5_000)
    world.deliver(slow=False)
    assert world.received[0][1] == [1]
    world.add(1)
    before = len(world.received)
    world.wakes.sent.clear()
    world.deliver(slow=False)
    assert len(world.received) == before
    assert world.wakes.sent == [("acme", ID, 0, True)]
    world.deliver(slow=True)
    assert world.arrived == [1, 2, 3]


def test_when_the_time_is_over_another_call_goes_on() -> None:
    world = World()
    world.add(100)
    world.answer = lambda _: Answer(200, 1_000)
    world.deliver()
    assert 20 < len(world.arrived) < 40
    assert not world.progress.lease
    assert world.wakes.sent == [("acme", ID, 0, True)]
    world.run(world.settled)
    assert world.arrived == list(range(1, 101))


def test_one_that_has_more_than_there_is_time_for_goes_on_beside_the_quick() -> None:
    world = World()
    world.add(100)
    world.answer = lambda _: Answer(200, 500)
    world.deliver(slow=False)
    assert world.arrived == [1, 2, 3, 4, 5, 6]
    assert not world.progress.lease
    assert world.wakes.sent == [("acme", ID, 0, True)]
    world.run(world.settled)
    assert world.arrived == list(range(1, 101))


def test_without_an_order_several_are_sent_at_once() -> None:
    world = World(order=Order.NONE)
    world.add(100)
    world.answer = failing(7, 50)
    world.deliver()
    assert sorted(world.arrived) == [n for n in range(1, 101) if n not in (7, 50)]
    world.answer = failing()
    world.run(world.settled)
    assert sorted(world.arrived) == list(range(1, 101))


def test_what_is_not_kept_any_more_is_passed_over_and_counted() -> None:
    world = World()
    for _ in range(3):
        world.add(10)
        world.clock.ms += 10 * DAY_MS
    world.retention = Retention(world.clock.ms, 15)
    for key in list(world.journal.batches)[:2]:
        del world.journal.batches[key]
    world.deliver()
    assert world.arrived == list(range(21, 31))
    assert world.progress.passed_over == 20


def test_what_fails_until_it_is_not_kept_any_more_is_passed_over() -> None:
    world = World()
    world.add(1)
    world.answer = failing(1)
    world.deliver()
    world.clock.ms += 2 * DAY_MS
    world.add(1)
    world.retention = Retention(world.clock.ms, 1)
    del world.journal.batches[next(iter(world.journal.batches))]
    world.deliver()
    assert (world.arrived, world.progress.passed_over) == ([2], 1)
    assert world.settled()


def test_nothing_is_sent_of_what_does_not_verify() -> None:
    world = World()
    world.add(5)
    world.add(5)
    key = list(world.journal.batches)[1]
    stored = world.journal.batches[key]
    assert isinstance(stored, Batch)
    forged = stored.entries[0].replace(b"tool-0", b"tool-9")
    world.journal.batches[key] = replace(stored, entries=(forged, *stored.entries[1:]))
    report = world.deliver()
    assert world.arrived == [1, 2, 3, 4, 5]
    [error] = report.broken.values()
    assert isinstance(error, IntegrityError)
    assert error.seq == 6
    assert not world.progress.lease
    world.journal.batches[key] = stored
    world.deliver()
    assert world.arrived == list(range(1, 11))


def test_a_part_of_the_ledger_is_sent_once_more() -> None:
    world = World()
    world.add(20)
    world.deliver()
    world.endpoints.add_replay("acme", ID, Replay("r1", 5, 8))
    world.add(1)
    world.answer = failing(6)
    world.deliver()
    assert world.arrived[20:] == [21, 5, 7, 8]
    assert world.endpoints.replays["acme", ID] == {}
    world.answer = failing()
    world.run(world.settled)
    assert world.arrived[24:] == [6]


def test_a_replay_of_what_is_still_to_come_is_sent_once() -> None:
    world = World()
    world.add(5)
    world.deliver()
    world.add(5)
    world.endpoints.add_replay("acme", ID, Replay("r1", 4, 10))
    world.deliver()
    assert sorted(world.arrived) == sorted([*range(1, 11), 4, 5])
    assert world.endpoints.replays["acme", ID] == {}


@pytest.mark.parametrize("format", [Format.SPLUNK])
def test_a_run_that_may_have_arrived_is_sent_again_as_the_same_run(format: Format) -> None:
    world = World(format=format)
    world.add(700)
    world.answer = lambda _: Answer(0, 10, "timeout")
    world.deliver()
    first = world.received[0][1]
    world.add(300)
    world.answer = failing()
    world.run(world.settled)
    runs = [tuple(seqs) for _, seqs in world.received]
    assert runs.count(tuple(first)) == 2
    assert sorted(seq for run in set(runs) for seq in run) == list(range(1, 1_001))


def test_a_store_that_is_busy_is_tried_again_and_one_endpoint_holds_up_no_other() -> None:
    world = World()
    world.add(1)

    def busy(*_: object, **__: object) -> Any:
        raise Busy("later")

    world.deliveries.put = busy  # type: ignore[method-assign]
    assert set(world.deliver().failed) == {("acme", ID)}


def test_what_stands_before_an_event_that_does_not_verify_is_sent_without_an_order_too() -> None:
    world = World(order=Order.NONE)
    world.add(5)
    world.add(5)
    _damage(world, 1)
    report = world.deliver()
    assert sorted(world.arrived) == [1, 2, 3, 4, 5]
    assert list(report.broken) == [("acme", ID)]


@pytest.mark.parametrize("order", [Order.RELAXED, Order.NONE])
def test_a_replay_that_meets_what_does_not_verify_sends_nothing_again_and_again(
    order: Order,
) -> None:
    world = World(order=order)
    world.add(5)
    world.add(5)
    world.deliver()
    mend = _damage(world, 1)
    world.endpoints.add_replay("acme", ID, Replay("r1", 3, 8))
    for _ in range(3):
        world.deliver()
    assert sorted(world.arrived[10:]) == [3, 4, 5]
    world.add(1)
    world.deliver()
    assert world.arrived[13:] == [11], "the endpoint goes on beside it"
    mend()
    world.deliver()
    assert sorted(world.arrived[14:]) == [6, 7, 8]


def _damage(world: World, number: int) -> Callable[[], None]:
    """Change an event of a batch; return what mends it."""
    key = list(world.journal.batches)[number]
    stored = world.journal.batches[key]
    assert isinstance(stored, Batch)
    forged = stored.entries[0].replace(b"tool-0", b"tool-9")
    world.journal.batches[key] = replace(stored, entries=(forged, *stored.entries[1:]))
    return lambda: world.journal.batches.update({key: stored})


def test_several_replays_end_though_the_store_is_busy_when_one_has_ended() -> None:
    world = World()
    world.add(300)
    world.deliver()
    world.endpoints.add_replay("acme", ID, Replay("r0", 1, 2))
    world.endpoints.add_replay("acme", ID, Replay("r1", 3, 250))
    save, calls = world.endpoints.save_replay, count()

    def busy(org: str, id: str, replay: Replay) -> None:
        if next(calls) == 0:
            raise Busy("later")
        save(org, id, replay)

    world.endpoints.save_replay = busy  # type: ignore[method-assign]
    first, second = world.deliver(), world.deliver()
    assert (set(first.failed), first.broken) == ({("acme", ID)}, {})
    assert not second.failed | second.broken
    assert world.endpoints.replays["acme", ID] == {}
    assert world.arrived[300:] == list(range(1, 251))


def test_a_run_that_failed_and_is_replayed_is_one() -> None:
    world = World(format=Format.SPLUNK)
    world.add(10)
    world.answer = lambda _: REFUSED
    world.deliver()
    world.endpoints.add_replay("acme", ID, Replay("r1", 1, 10))
    world.clock.ms += MINUTE_MS
    world.deliver()
    assert len(world.progress.failing) == 1
    assert world.progress.failing[0].attempts > 1
    world.answer = failing()
    world.run(world.settled)
    assert world.arrived == list(range(1, 11))


def test_a_run_that_is_not_all_of_what_was_missed_is_not_left_out() -> None:
    world = World(format=Format.SPLUNK)
    world.add(5)
    world.answer = lambda _: REFUSED
    world.deliver()
    world.endpoint(resumed_at_ms=world.clock.ms, resumed_after_seq=3)
    world.answer = failing()
    world.deliver()
    assert set(world.arrived) >= {4, 5}


@pytest.mark.parametrize("format", [Format.S3, Format.PARQUET])
@pytest.mark.parametrize("hours", [-5, 5])
def test_a_run_waits_no_longer_than_it_should_though_a_clock_was_wrong(
    hours: int, format: Format
) -> None:
    world = World(format=format, url="s3://archive/")
    received: list[int] = []
    world.answer = lambda _: OK
    world.clock.ms += hours * 60 * MINUTE_MS
    world.add(3)
    world.clock.ms -= hours * 60 * MINUTE_MS
    begun_ms = world.clock.ms
    world.run(lambda: world.progress.delivered == 1, days=1)
    assert world.clock.ms - begun_ms <= 10 * MINUTE_MS, received


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_clock_that_jumps_while_something_is_sent_ends_the_turn(hours: int) -> None:
    world = World(order=Order.STRICT)
    world.add(300)

    def jump(seqs: list[int]) -> Answer:
        if seqs == [50]:
            world.clock.ms += hours * 60 * MINUTE_MS
        return OK

    world.answer = jump
    world.deliver()
    assert len(world.received) <= 51
    assert world.progress.through_seq >= 49, "what was sent is written"
    assert not world.progress.lease
    world.answer = failing()
    world.run(world.settled, days=1)
    assert world.arrived == list(range(1, 301))


def test_what_was_sealed_by_a_clock_that_was_wrong_is_swept_for() -> None:
    world = World()
    world.clock.ms += 5 * 60 * MINUTE_MS
    world.add(1)
    world.clock.ms -= 5 * 60 * MINUTE_MS
    assert world.sweep() == 1


def test_what_is_wanted_from_now_on_is_sent_though_somebody_was_sending_just_then() -> None:
    world = World(wanted=Wanted(tool_name="tool-7"))
    world.add(8)

    def change(_: list[int]) -> Answer:
        if len(world.received) == 0:
            world.endpoint(wanted=Wanted())
            world.add(3)
        return OK

    world.answer = change
    world.deliver()
    assert world.arrived == [8, 9, 10, 11]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_what_is_wanted_from_now_on_is_sent_whoever_looks_meanwhile(data: st.DataObject) -> None:
    order = data.draw(st.sampled_from(list(Order)))
    format = data.draw(st.sampled_from([Format.TOCSIN, Format.SPLUNK]))
    world = World(order=order, format=format, wanted=Wanted(tool_name="tool-1"))
    world.pool = OneByOne
    world.add(data.draw(st.integers(1, 3)))
    tool = data.draw(st.sampled_from(["tool-0", "tool-2"]))
    wanted: list[int] = []

    def changes(gate: Gate) -> object:
        gate(world.clock).now_ms()
        world.endpoint(wanted=Wanted(tool_name=tool))
        gate(world.clock).now_ms()
        events = world.add(3)
        wanted.append(events[int(tool[-1])].seq)
        return world.deliver(gate)

    delivering = world.delivering()
    delivering("acme", ID, Report(), slow=True)
    interleave(
        [world.deliver, changes, world.deliver],
        lambda waiting: (data.draw(st.integers(0, waiting - 1)), Move.GO_ON),
    )
    assert set(world.arrived) >= set(wanted)


moves = st.sampled_from([Move.GO_ON] * 15 + [Move.CRASH_BEFORE, Move.CRASH_AFTER])
faults = st.sampled_from([Move.GO_ON] * 40 + [each for each in Move if each is not Move.GO_ON])
jumps = st.sampled_from([0] * 60 + [-3, -1, 1, 3])


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whoever_is_killed_nothing_is_lost_and_order_is_kept(data: st.DataObject) -> None:
    order = data.draw(st.sampled_from([Order.RELAXED, Order.STRICT]))
    format = data.draw(st.sampled_from([Format.TOCSIN, Format.TOCSIN, Format.SPLUNK]))
    world = World(order=order, format=format)
    killed, clean = count(), data.draw(st.booleans())
    one = st.sampled_from([OK] * 7 + [REFUSED, REFUSED, Answer(503, 10)])
    answers = cycle(data.draw(st.lists(one, min_size=1, max_size=20)))

    def choose(waiting: int) -> tuple[int, Move]:
        move = Move.GO_ON if clean else data.draw(moves)
        if move is not Move.GO_ON:
            next(killed)
        return data.draw(st.integers(0, waiting - 1)), move

    world.answer = lambda _: next(answers)
    for _ in range(data.draw(st.integers(1, 4))):
        world.add(data.draw(st.integers(1, 6)))
        runs: list[Callable[[Gate], object]] = [world.deliver] * data.draw(st.integers(1, 3))
        interleave(runs, choose)
        world.clock.ms += data.draw(st.sampled_from([0, 5_000, 2 * LEASE_MS]))
    kills = next(killed)
    world.clock.ms += 2 * LEASE_MS
    world.answer = lambda _: OK
    world.run(world.settled, days=4)
    head = world.ledger.head("acme").seq
    given_up = {each.seq for each in world.deliveries.given_up("acme", ID, "", 99)[0]}
    assert set(world.arrived) | given_up == set(range(1, head + 1)), "something was lost"
    if not kills:
        assert len(world.arrived) == len(set(world.arrived)), "doubled without a reason"
    if order is Order.STRICT:
        first = list(dict.fromkeys(seq for _, seqs in world.received for seq in seqs))
        assert first == sorted(first)
        arrived = list(dict.fromkeys(world.arrived))
        assert arrived == sorted(arrived)
    for report in world.reports:
        assert not report.broken


def test_a_lone_event_is_two_looks_at_the_ledger_and_one_at_its_endpoint() -> None:
    world = World()
    calls = list[str]()

    class Counting:
        def __init__(self, port: Any) -> None:
            self.port = port

        def __getattr__(self, name: str) -> Any:
            calls.append(name)
            return getattr(self.port, name)

    world.add(1)
    world.deliver(Counting)
    assert world.arrived == [1]
    assert [calls.count(name) for name in ("segments", "get", "save")] == [2, 2, 2]
    del calls[:]
    world.deliver(Counting)  # a message that comes twice
    assert [calls.count(name) for name in ("segments", "get", "save")] == [1, 1, 0]


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("latency_ms", [10, 2_500, 4_000])
@pytest.mark.parametrize("slow", [False, True])
def test_what_comes_while_a_lone_event_is_sent_is_sent_as_well(
    order: Order, latency_ms: int, slow: bool
) -> None:
    world = World(order=order)
    world.add(1)
    came = iter((1, 3, 0, 0, 0))

    def more(_: list[int]) -> Answer:
        for _count in range(next(came)):
            world.add(1)
        return Answer(200, latency_ms)

    world.answer = more
    world.deliver(slow=slow)
    while world.progress.through_seq < 5:
        assert [slowly for *_, slowly in world.wakes.sent] == [True]  # it is passed on
        world.wakes.sent.clear()
        world.deliver(slow=True)
    assert sorted(world.arrived) == [1, 2, 3, 4, 5]  # without an order several are sent at once


@pytest.mark.parametrize("latency_ms", [2_500, 4_000])
def test_a_slow_answer_to_a_lone_event_passes_nothing_on(latency_ms: int) -> None:
    world = World()
    world.add(1)
    world.answer = lambda _: Answer(200, latency_ms)
    world.deliver(slow=False)
    assert (world.arrived, world.wakes.sent) == ([1], [])
    world.add(1)
    world.deliver(slow=False)
    assert [slowly for *_, slowly in world.wakes.sent] == [True]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_wake_is_lost_that_comes_while_another_sends(data: st.DataObject) -> None:
    world = World()
    world.add(1)
    sealed: list[int] = []

    def arrives(gate: Gate) -> object:
        gate(world.clock).now_ms()
        sealed.extend(event.seq for event in world.add(1))
        return world.deliver(gate)

    def read(gate: Gate) -> object:
        gate(world.clock).now_ms()
        sealed.extend(event.seq for event in world.add(1))
        return world.deliver_read(gate)

    interleave(
        [world.deliver, arrives, data.draw(st.sampled_from([arrives, read])), read],
        lambda waiting: (data.draw(st.integers(0, waiting - 1)), Move.GO_ON),
    )
    assert sorted(world.arrived) == [1, 2, 3, 4]


@settings(max_examples=150, deadline=None)
@given(before=st.integers(0, 12), between=st.integers(0, 12), read=st.booleans())
def test_no_wake_is_lost_that_comes_while_another_passes_over_what_is_not_wanted(
    before: int, between: int, read: bool
) -> None:
    world = World(wanted=Wanted(tool_name="other"))
    world.add(1_000)  # so many are noted

    def arrives(gate: Gate) -> object:
        gate(world.clock).now_ms()
        world.add(1, tool_name="other")
        return (world.deliver_read if read else world.deliver)(gate)

    order = iter([*[0] * before, *[1] * between, 0, *[1] * 99])
    interleave(
        [world.deliver, arrives], lambda waiting: (min(next(order), waiting - 1), Move.GO_ON)
    )
    assert world.arrived == [1_001]


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_whatever_fails_meanwhile_nothing_is_lost_and_order_is_kept(data: st.DataObject) -> None:
    """Kills, stores that are busy, answers that are lost, clocks that jump, replays, changes."""
    order = data.draw(st.sampled_from(list(Order)))
    format = data.draw(st.sampled_from([Format.TOCSIN, Format.TOCSIN, Format.SPLUNK]))
    world = World(order=order, format=format)
    world.pool = OneByOne
    one = st.sampled_from([OK] * 7 + [REFUSED, REFUSED, Answer(503, 10), Answer(0, 9_000, "reset")])
    answers = cycle(data.draw(st.lists(one, min_size=1, max_size=20)))
    faulty, replays = 0, list[tuple[int, range]]()

    def choose(waiting: int) -> tuple[int, Move]:
        nonlocal faulty
        move, hours = data.draw(faults), data.draw(jumps)
        world.clock.ms += hours * 60 * MINUTE_MS
        faulty += move is not Move.GO_ON or hours != 0
        return data.draw(st.integers(0, waiting - 1)), move

    def change(gate: Gate) -> object:
        gate(world.clock).now_ms()
        world.endpoint(description=f"changed {len(world.received)}")
        return world.deliver(gate)

    def read(gate: Gate) -> object:
        return world.deliver_read(gate)

    def replay(gate: Gate) -> object:
        gate(world.clock).now_ms()
        replays.append((len(world.arrived), range(first, last + 1)))
        world.endpoints.add_replay("acme", ID, Replay(f"r{len(replays)}", first, last))
        return world.deliver(gate)

    world.answer = lambda _: next(answers)
    for _ in range(data.draw(st.integers(1, 4))):
        world.add(data.draw(st.integers(1, 6)))
        runs: list[Callable[[Gate], object]] = [world.deliver] * data.draw(st.integers(1, 3))
        runs += data.draw(st.sampled_from([[], [], [change], [replay], [read], [read, read]]))
        first = data.draw(st.integers(1, world.ledger.head("acme").seq))
        last = data.draw(st.integers(first, world.ledger.head("acme").seq))
        interleave(runs, choose)
        world.clock.ms += data.draw(st.sampled_from([0, 5_000, 2 * LEASE_MS]))
    world.clock.ms += 2 * LEASE_MS
    world.answer = lambda _: OK
    replayed = world.endpoints.replays["acme", ID]
    world.run(lambda: world.settled() and not replayed, days=4)
    head = world.ledger.head("acme").seq
    given_up = {each.seq for each in world.deliveries.given_up("acme", ID, "", 99)[0]}
    assert set(world.arrived) | given_up == set(range(1, head + 1)), "something was lost"
    for since, wanted in replays:
        assert set(world.arrived[since:]) | given_up >= set(wanted), "a replay lost something"
    if not faulty and not replays:
        assert len(world.arrived) == len(set(world.arrived)), "doubled without a reason"
    if order is Order.STRICT:
        arrived = list(dict.fromkeys(world.arrived))
        assert arrived == sorted(arrived)
    if format is Format.SPLUNK and not replays:
        sent = sorted({tuple(seqs) for _, seqs in world.received})
        assert all(before[-1] < after[0] for before, after in pairwise(sent)), "runs overlap"
    for report in world.reports:
        assert not report.broken
