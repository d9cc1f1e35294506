"""Who is woken by what was sealed, and when projections follow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import override

import pytest
from botocore.exceptions import ClientError

from fakes.events import batch
from fakes.notify import FakeWakes
from fakes.stores import FakeClock, FakeJournal, FakeLedger, FakeProjections, FakeTails
from tocsin.domain.errors import Busy, IntegrityError
from tocsin.domain.projection import Change, Projected
from tocsin.domain.retention import Retention
from tocsin.services.sealing import project, waking
from tocsin.services.sealing.project import Projector
from tocsin.services.sealing.seal import seal_batches
from tocsin.services.sealing.waking import Expected, Following, Waking

EVERY = 30
LEFT_MS = 60_000


class Tails(FakeTails):
    """Tails that fail while ``error`` is set."""

    error: Exception | None = None

    @override
    def set(self, org: str, delay_seconds: int) -> None:
        if self.error:
            raise self.error
        super().set(org, delay_seconds)


class Projections(FakeProjections):
    """Projections that count what is written, take their time, and fail for some orgs."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock
        self.writes: list[str] = []
        self.takes_ms = 0
        self.errors: dict[str, Exception] = {}

    @override
    def claim(self, org: str, cursor: Projected, run: Projected) -> bool:
        if org in self.errors:
            raise self.errors[org]
        self.writes.append(f"claim {org}")
        return super().claim(org, cursor, run)

    @override
    def apply(self, org: str, run: Projected, change: Change) -> None:
        self.writes.append(f"apply {org}")
        super().apply(org, run, change)

    @override
    def advance(self, org: str, run: Projected, *rest: object) -> None:
        self.writes.append(f"advance {org}")
        self.clock.ms += self.takes_ms
        super().advance(org, run, *rest)  # type: ignore[arg-type]


@dataclass
class Process:
    """One execution environment: what it knows, and clocks of its own."""

    world: "World"
    seconds: float = 0.0
    expected: Expected = field(init=False)

    def __post_init__(self) -> None:
        world = self.world
        self.expected = Expected(world.tails, world.clock, lambda: self.seconds)
        self.wake = Waking(world.find, world.wakes, self.expected, project_seconds=EVERY, threads=4)
        projector = Projector(
            ledger=world.ledger,
            journal=world.journal,
            projections=world.projections,
            retention=lambda: Retention(world.clock.ms, None),
        )
        self.follow = Following(projector, self.expected, world.clock, project_seconds=EVERY)

    def later(self, seconds: float) -> None:
        """Let both clocks go on."""
        self.seconds += seconds
        self.world.clock.ms += round(seconds * 1_000)


@dataclass
class World:
    """The stores, and the messages that were sent."""

    clock: FakeClock = field(default_factory=FakeClock)
    tails: Tails = field(default_factory=Tails)
    wakes: FakeWakes = field(default_factory=FakeWakes)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    journal: FakeJournal = field(default_factory=FakeJournal)
    active: dict[str, Sequence[str] | Exception] = field(default_factory=dict)
    projections: Projections = field(init=False)
    batches: int = 0

    def __post_init__(self) -> None:
        self.projections = Projections(self.clock)

    def find(self, org: str) -> Sequence[str]:
        found = self.active.get(org, ())
        if isinstance(found, Exception):
            raise found
        return found

    def seal(self, org: str, events: int = 1) -> None:
        self.batches += 1
        made = batch(org, at_ms=self.clock.ms, count=events, salt=self.batches)
        self.journal.put(made, b"")
        seal_batches(org, [made], self.ledger, self.clock)

    def projected(self, org: str) -> int:
        return self.projections.cursor(org).through_seq


@pytest.fixture
def world() -> World:
    return World()


def test_active_endpoints_are_woken_and_a_tail_is_set(world: World) -> None:
    world.active = {"acme": ["ep_1", "ep_2"], "beta": []}
    report = Process(world).wake(["acme", "beta"])
    assert (report.failed, report.broken) == ({}, {})
    assert world.wakes.sent == [("acme", "ep_1", 0, False), ("acme", "ep_2", 0, False)]
    assert sorted(world.tails.sent) == [("acme", EVERY), ("beta", EVERY)]


@pytest.mark.parametrize("error", [Busy("throttled"), IntegrityError("cursed", 1, "damaged")])
def test_one_org_s_trouble_is_its_own_and_its_projections_follow(
    world: World, error: Exception
) -> None:
    world.active = {"cursed": error, "acme": ["ep_1"]}
    report = Process(world).wake(["cursed", "acme"])
    assert (report.failed | report.broken) == {"cursed": error}
    assert ("cursed" in report.failed) is isinstance(error, Busy)
    assert world.wakes.sent == [("acme", "ep_1", 0, False)]
    assert sorted(org for org, _ in world.tails.sent) == ["acme", "cursed"]


def test_a_tail_that_is_not_set_is_tried_again(world: World) -> None:
    process = Process(world)
    world.tails.error, world.active["acme"] = Busy("throttled"), ["ep_1"]
    assert process.wake(["acme"]).failed == {"acme": world.tails.error}
    assert world.wakes.sent == [("acme", "ep_1", 0, False)]  # whoever waits for it need not
    world.tails.error = None
    assert process.wake(["acme"]).failed == {}
    assert world.tails.sent == [("acme", EVERY)]


def test_no_tail_is_set_while_one_is_to_come(world: World) -> None:
    process = Process(world)
    for seconds in (0, 1, 1, 10, 16):
        process.later(seconds)
        process.wake(["acme"])
    assert len(world.tails.sent) == 1
    process.later(1)  # it may come now, and what was sealed since then be too late for it
    process.wake(["acme"])
    assert len(world.tails.sent) == 2


@pytest.mark.parametrize("jump", [-60, 60])
def test_a_clock_that_jumps_costs_a_message_and_no_event(world: World, jump: int) -> None:
    process = Process(world)
    process.wake(["acme"])
    world.clock.ms += jump * 1_000
    process.wake(["acme"])
    assert len(world.tails.sent) == 2


def test_a_clock_that_stands_still_while_the_process_is_frozen_costs_no_event(
    world: World,
) -> None:
    process = Process(world)
    process.wake(["acme"])
    world.clock.ms += EVERY * 1_000  # and the process' own seconds do not go on
    process.wake(["acme"])
    assert len(world.tails.sent) == 2


def test_how_many_tails_are_remembered_is_bounded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking, "MAX_EXPECTED", 3)
    process = Process(world)
    for n in range(4):
        process.wake([f"org-{n}"])
    process.wake(["org-3"])
    assert len(world.tails.sent) == 4
    process.wake(["org-0"])
    assert len(world.tails.sent) == 5


def test_a_tail_brings_projections_to_the_head(world: World) -> None:
    process = Process(world)
    world.seal("acme", 3)
    assert process.wake(["acme"]).failed == {}
    assert world.projections.writes == []
    process.later(EVERY)
    world.seal("acme")
    report = process.follow(["acme"], LEFT_MS)
    assert (report.failed, report.broken, report.later) == ({}, {}, {})
    assert world.projected("acme") == 4
    assert len(world.tails.sent) == 1


def test_a_message_that_comes_a_second_early_need_not_come_again(world: World) -> None:
    process = Process(world)
    for _ in range(3):
        world.seal("acme")
        assert process.follow(["acme"], LEFT_MS).later == {}
        process.later(EVERY - 1)
    assert world.projected("acme") == 3


def test_many_tails_write_no_more_than_one(world: World) -> None:
    """As of processes that do not know of each other, or when SQS delivers twice."""
    processes = [Process(world) for _ in range(3)]
    for _ in range(10):
        world.seal("acme")
        for process in processes:
            process.follow(["acme"], LEFT_MS)
        world.clock.ms += 1_000
        for process in processes:
            process.seconds += 1
    assert world.projections.writes.count("claim acme") == 1
    assert world.tails.sent == [("acme", EVERY - 2)] * len(processes)  # for the rest
    world.clock.ms += EVERY * 1_000
    processes[0].follow(["acme"], LEFT_MS)
    assert world.projected("acme") == 10


def test_a_run_that_a_process_died_in_is_gone_on_with_when_its_time_has_come(world: World) -> None:
    world.seal("acme")
    run = Projected(0, 1, claimed_at_ms=world.clock.ms)
    world.projections.claim("acme", Projected(), run)
    process = Process(world)
    process.follow(["acme"], LEFT_MS)
    assert world.projected("acme") == 0  # perhaps whoever claimed it lives, and is at it
    assert world.tails.sent == [("acme", EVERY - 1)]
    process.later(EVERY - 1)
    process.follow(["acme"], LEFT_MS)
    assert world.projected("acme") == 1


def test_who_is_far_behind_is_brought_up_without_a_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "_RUN_EVENTS", 2)
    process = Process(world)
    world.seal("acme", 2)
    process.follow(["acme"], LEFT_MS)
    world.seal("acme", 5)
    report = process.follow(["acme"], LEFT_MS)
    assert world.projected("acme") == 7
    assert report.later == {}


def test_the_time_is_shared_and_the_rest_follows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "_RUN_EVENTS", 1)
    process = Process(world)
    world.seal("acme", 30)
    for org in ("beta", "gamma"):
        world.seal(org)
    world.projections.takes_ms = 5_000
    report = process.follow(["acme", "beta", "gamma"], LEFT_MS)
    assert world.projected("beta") == world.projected("gamma") == 1
    assert 0 < world.projected("acme") < 30
    assert report.later == {"acme": 1}
    assert world.tails.sent == [("acme", 1)]
    rounds = 0
    while world.projected("acme") < 30:
        before = world.projected("acme")
        process.later(EVERY)
        process.follow(["acme"], LEFT_MS)
        assert world.projected("acme") > before
        rounds += 1
    assert rounds > 1


def test_no_run_is_begun_that_may_not_come_to_its_end(world: World) -> None:
    world.seal("acme")
    report = Process(world).follow(["acme"], 19_999)
    assert world.projections.writes == []
    assert report.later == {"acme": 1}
    assert world.tails.sent == [("acme", 1)]


def test_a_store_that_is_busy_is_asked_again_soon(world: World) -> None:
    world.seal("acme")
    world.seal("beta")
    busy = world.projections.errors["acme"] = Busy("throttled")
    report = Process(world).follow(["acme", "beta", "acme"], LEFT_MS)
    assert (report.waiting, report.failed) == ({"acme": busy}, {})
    assert world.projected("beta") == 1
    [(org, delay)] = world.tails.sent
    assert org == "acme"
    assert 0 < delay < EVERY


def test_when_no_tail_can_be_set_the_message_comes_again(world: World) -> None:
    world.seal("acme")
    world.projections.errors["acme"] = Busy("throttled")
    busy = world.tails.error = Busy("out of reach")
    assert Process(world).follow(["acme"], LEFT_MS).failed == {"acme": busy}


@pytest.mark.parametrize("of_whom", ["projections", "tails"])
def test_what_another_try_does_not_change_is_told_and_dropped(world: World, of_whom: str) -> None:
    broken: dict[str, Callable[[], Exception]] = {
        "projections": lambda: IntegrityError("acme", 1, "damaged"),
        "tails": lambda: ClientError({"Error": {"Code": "InvalidParameterValue"}}, "SendMessage"),
    }
    error = broken[of_whom]()
    world.seal("acme")
    world.projections.errors["acme"] = error if of_whom == "projections" else Busy("throttled")
    world.tails.error = error if of_whom == "tails" else None
    report = Process(world).follow(["acme"], LEFT_MS)
    assert (report.broken, report.failed) == ({"acme": error}, {})
    assert world.tails.sent == []


def test_an_org_that_was_deleted_has_nothing_to_follow(world: World) -> None:
    report = Process(world).follow(["gone"], LEFT_MS)
    assert (report.failed, report.broken, world.projections.writes) == ({}, {}, [])
