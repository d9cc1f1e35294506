"""Detection tells what one pass over the ledger finds, however runs are cut and broken off."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.events import batch
from fakes.interleave import Crash, Gate, Move, interleave
from fakes.stores import FakeAnomalies, FakeDetections, FakeJournal, FakeSessionStates
from fakes.tenant import Tenant
from tocsin.domain.batch import Batch, StoredBatch
from tocsin.domain.detect.agenda import MOST_WATCHED, Agenda
from tocsin.domain.detect.anomaly import Anomaly
from tocsin.domain.detect.cursor import Cursor
from tocsin.domain.detect.fold import AGENDA
from tocsin.domain.detect.kinds import Kind, Severity
from tocsin.domain.detect.org import MOST_ALERTS, Org
from tocsin.domain.detect.packing import split
from tocsin.domain.detect.said import SET
from tocsin.domain.detect.settings import Settings
from tocsin.domain.detect.states import Agent
from tocsin.domain.errors import Busy, Conflict, IntegrityError, OutcomeUnknown
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.domain.sessions import SessionStatus
from tocsin.services.detect import detecting
from tocsin.services.detect.detecting import Detector
from tocsin.services.detect.shelves import Shelves
from tocsin.services.intake.stamp import new_id
from tocsin.services.sealing.seal import seal_batches
from tocsin.services.sessions.deciding import Deciding

MINUTE_MS = 60_000
MONDAY_MS = 1_773_619_200_000  # 2026-03-16, 00:00 UTC


class Port:
    """A port that a test may put another in place of."""

    def __init__(self, port: Any) -> None:
        self.port = port

    def __getattr__(self, name: str) -> Any:
        return lambda *args: getattr(self.port, name)(*args)


class AllSealed(FakeJournal):
    """The journal, of which all is sealed: what detection itself tells is, within a second."""

    def __init__(self, journal: FakeJournal) -> None:
        super().__init__(journal.batches)

    def between(self, *_: object) -> Sequence[StoredBatch]:
        return ()


@dataclass
class Slow:
    """A clock by which each look at it takes four seconds."""

    ms: int

    def now_ms(self) -> int:
        self.ms += 4_000
        return self.ms


@dataclass
class World(Tenant):
    """An org that is watched."""

    detections: FakeDetections = field(init=False)

    def __post_init__(self) -> None:
        self.detections = FakeDetections(FakeAnomalies(self.journal))
        self.states = FakeSessionStates(self.journal)

    def detector(
        self,
        detections: Any = None,
        *,
        suspend: Callable[[str, str, str], object] | None = None,
        retention: Retention = KEEPS_ALL,
        **ports: Any,
    ) -> Detector:
        deciding = Deciding(self.states, self.clock)

        def suspended(org: str, session: str, reason: str) -> None:
            deciding.set(org, "tocsin:detection", session, SessionStatus.SUSPENDED, reason)

        return Detector(
            ledger=ports.get("ledger", self.ledger),
            journal=ports.get("journal", AllSealed(self.journal)),
            detections=detections or self.detections,
            clock=ports.get("clock", self.clock),
            suspend=suspend or suspended,  # type: ignore[arg-type]
            settings=ports.get("settings", lambda _: Settings()),
            retention=lambda: retention,
        )

    def set(self, **given: Any) -> None:
        """Seal the event that tells of an org's settings."""
        self.own(type=SET, tool_name=None, agent_id=None, data=Settings(**given).as_data())

    def own(self, **fields: Any) -> None:
        """Seal an event that Tocsin wrote."""
        self.batches += 1
        one = batch(self.org, 1, self.clock.ms, self.batches, **fields)
        entries = tuple(each.replace(b'"client"', b'"tocsin"') for each in one.entries)
        made = Batch(self.org, one.id, entries, one.key_id, one.received_at_ms)
        self.journal.batches[self.org, made.id] = made
        seal_batches(self.org, [made], self.ledger, self.clock)

    def begin(self) -> None:
        """Have detection begin: what is told depends on when that was."""
        self.add(1, tool_name="drop_table", agent_id="first")
        assert self.detector()([self.org]).found == 1

    def told(self) -> list[dict[str, Any]]:
        """Return the anomalies' events, as often as they were told."""
        batches = [each for each in self.journal.batches.values() if isinstance(each, Batch)]
        events = [json.loads(entry) for each in batches for entry in each.entries]
        return [each for each in events if each["type"] == "anomaly"]

    def settled(self, detector: Detector) -> None:
        """Look until all that is known is written."""
        for _ in range(2):
            assert detector([self.org]).broken == {}
            self.clock.ms += detecting._KEPT_MS + 1


def found(detections: FakeDetections) -> list[Anomaly]:
    """Return the alerts in their order, without what each try makes anew."""
    kept = sorted(detections.anomalies.anomalies.values(), key=lambda each: (each.at_ms, each.id))
    return sorted(
        (replace(each, id="", change="") for each in kept), key=lambda each: (each.at_ms, str(each))
    )


def states_of(detections: FakeDetections, org: str = "acme") -> dict[str, bytes]:
    """Return the states by their keys, wherever they are kept."""
    places = detections.cursor(org).shelves.values()
    shelves = [split(detections.known[org, place]) for place in places]
    return {
        key.decode(): state
        for parts in shelves
        for key, state in zip(parts[::2], parts[1::2], strict=True)
    }


def keep(detections: FakeDetections, states: Mapping[str, bytes], org: str = "acme") -> None:
    """Put states where they are kept."""
    cursor = detections.cursor(org)
    shelves = Shelves(lambda places: detections.states(org, places), cursor.shelves)
    change = new_id(1)
    places, _ = shelves.write(
        states, change, lambda place, shelf: detections.put(org, place, shelf, 1)
    )
    detections.cursors[org] = replace(cursor, shelves=places)


def known(detections: FakeDetections, org: str = "acme") -> tuple[object, ...]:
    """Return all that is known of an org."""
    cursor = detections.cursor(org)
    return cursor.through_seq, cursor.hash, cursor.state, states_of(detections, org)


def in_one_pass(world: World, since: FakeDetections) -> FakeDetections:
    """Return what a detector finds that nothing disturbs, from a state on."""
    alone = deepcopy(since)
    alone.anomalies.journal = FakeJournal()
    world.settled(world.detector(alone, suspend=lambda *_: None))
    return alone


CALLS = st.fixed_dictionaries(
    {"tool_name": st.sampled_from(["read", "drop_table", "ls", "delete_user"])},
    optional={
        "agent_id": st.sampled_from(["a1", "a2", "a/\U0001f600"]),
        "model": st.sampled_from(["m1", "m2"]),
        "session_id": st.sampled_from(["s1", "s2"]),
        "action": st.just("deny"),
        "request": st.just({"path": "x"}),
        "tool_call_id": st.sampled_from(["1", "toolu_01A0000000001"]),
        "latency_ms": st.sampled_from([1, 50_000]),
        "status": st.just("error"),
    },
)
SETS = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "kinds": st.just(frozenset({Kind.DESTRUCTIVE_PATTERN, Kind.SILENCE})),
        "suspend_from": st.sampled_from([Severity.WARNING, Severity.CRITICAL]),
    },
)
MOVES = st.sampled_from([Move.GO_ON] * 12 + [Move.CRASH_BEFORE, Move.CRASH_AFTER])


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_runs_that_are_broken_off_and_repeated_find_what_one_pass_finds(
    data: st.DataObject,
) -> None:
    world = World()
    world.begin()
    start = deepcopy(world.detections)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detecting, "_MOST_TOUCHED", data.draw(st.integers(1, 9)))
        patch.setattr(detecting, "_MOST_FOUND", data.draw(st.integers(1, 3)))
        patch.setattr(detecting, "_EVENTS_A_CALL", data.draw(st.integers(1, 40)))
        ports = [Port(world.detections) for _ in range(2)]
        detectors = [world.detector(port) for port in ports]

        def task(place: int, sweep: bool) -> Callable[[Gate], object]:
            def run(gate: Gate) -> object:
                ports[place].port = gate(world.detections)
                try:
                    each = detectors[place]
                    return each.sweep() if sweep else each(["acme"])
                except Crash:  # another process begins, and remembers nothing
                    detectors[place] = world.detector(ports[place])
                    raise

            return run

        for _ in range(data.draw(st.integers(1, 4))):
            for _ in range(data.draw(st.integers(0, 5))):
                world.clock.ms += data.draw(st.sampled_from([0, 400, 20_000, 7 * MINUTE_MS]))
                if data.draw(st.integers(0, 7)):
                    world.add(data.draw(st.sampled_from([1, 3, 12])), **data.draw(CALLS))
                else:
                    world.set(**data.draw(SETS))
            world.clock.ms += data.draw(st.sampled_from([100, 6_000, detecting._KEPT_MS + 1]))
            places = data.draw(st.lists(st.integers(0, 1), max_size=2, unique=True))
            interleave(
                [task(place, data.draw(st.booleans())) for place in places],
                lambda waiting: (data.draw(st.integers(0, waiting - 1)), data.draw(MOVES)),
            )
            for port in ports:
                port.port = world.detections
    for detector in (*detectors, world.detector()):
        world.settled(detector)
    alone = in_one_pass(world, start)
    assert found(world.detections) == found(alone)
    assert known(world.detections) == known(alone)
    assert len(world.told()) == len(world.detections.anomalies.anomalies)


class Gone(BaseException):
    """The process is killed."""


@dataclass
class Deadly:
    """A port whose ``left``-th call is the process's last, before or after it is carried out."""

    port: Any
    left: int
    after: bool = False

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Gone
            result = getattr(self.port, name)(*args, **kwargs)
            if self.left == 0:
                raise Gone
            return result

        return call


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_call_to_the_store_nothing_is_told_twice_or_lost(
    monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    monkeypatch.setattr(detecting, "_MOST_TOUCHED", 4)
    for step in count(1):
        world = World()
        world.begin()
        start = deepcopy(world.detections)
        world.set(suspend_from=Severity.CRITICAL)
        for n in range(12):
            world.clock.ms += 1_000
            world.add(2, agent_id=f"a{n}", tool_name="delete_file", session_id=f"s{n}")
        deadly = Deadly(world.detections, step, after)
        with suppress(Gone):
            world.detector(deadly)(["acme"])
        ended = deadly.left > 0
        world.settled(world.detector())
        alone = in_one_pass(world, start)
        assert len(world.told()) == len(world.detections.anomalies.anomalies) == 13
        assert known(world.detections) == known(alone)
        assert world.states.suspended("acme") == {f"s{n}" for n in range(12)}
        if ended:
            assert step > 5
            return


@dataclass
class Lossy:
    """Carries out what it is asked to, and loses the answers of the first transactions."""

    port: FakeDetections
    lost: int
    carried_out: bool = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.port, name)

    def advance(self, *args: Any, **kwargs: Any) -> bool:
        self.lost -= 1
        if self.lost >= 0:
            if self.carried_out:
                self.port.advance(*args, **kwargs)
            raise OutcomeUnknown("no answer")
        return self.port.advance(*args, **kwargs)


@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_answer_is_found_out(lost: int, carried_out: bool) -> None:
    world = World()
    world.begin()
    detector = world.detector(Lossy(world.detections, lost, carried_out))
    for n in range(3):
        world.add(1, tool_name="drop_table", agent_id=f"a{n}")
        report = detector(["acme"])
        assert (report.failed.keys() == {"acme"}) is (n < lost)
    assert report.broken == {}
    world.settled(detector)
    assert len(world.told()) == len(world.detections.anomalies.anomalies) == 4


def test_what_is_in_memory_alone_is_found_again_by_another() -> None:
    world = World()
    world.begin()
    start = deepcopy(world.detections)
    one, other = world.detector(), world.detector()
    for _ in range(9):
        world.clock.ms += 2_000
        world.add(1, tool_name="read", request={"path": "x"})
        assert one(["acme"]).found == 0
    assert world.detections.cursors == start.cursors
    world.clock.ms += 2_000
    world.add(1, tool_name="read", request={"path": "x"})  # the tenth time: a loop
    assert other(["acme"]).found == 1
    assert one(["acme"]).found == 0
    world.clock.ms += 2_000
    world.add(1, tool_name="read", request={"path": "x"})
    assert one(["acme"]).found == 0
    world.clock.ms += detecting._KEPT_MS
    world.add(1, tool_name="ls")
    assert one(["acme"]).found == 0
    assert world.detections.cursor("acme").through_seq == world.ledger.head("acme").seq
    assert [each.kind for each in found(world.detections)][1:] == [Kind.REPEATED_CALL]


def test_one_org_s_trouble_holds_up_no_other_and_what_came_before_it_is_told() -> None:
    world = World()
    world.begin()
    beta = World(org="beta", ledger=world.ledger, journal=world.journal, clock=world.clock)
    world.add(1, tool_name="delete_x", agent_id="a")
    segment = world.segment(world.ledger.head("acme").seq)
    world.add(1, tool_name="delete_y", agent_id="b")
    broken = world.segment(segment.last_seq + 1)
    world.ledger.by_org["acme"][broken.first_seq] = replace(broken, leaves=(b"x" * 32,))
    beta.add(1, tool_name="drop_table")
    detector = world.detector()
    for _ in range(2):
        report = detector(["acme", "beta"])
        assert isinstance(report.broken["acme"], IntegrityError)
        assert report.failed == {}
    assert [each["tool_name"] for each in world.told()] == ["drop_table", "delete_x", "drop_table"]
    assert world.detections.cursor("beta").through_seq == 1


def test_a_ledger_whose_end_was_cut_off_is_told() -> None:
    world = World()
    world.begin()
    world.add(3, tool_name="drop_table", agent_id="a")
    detector = world.detector()
    assert detector(["acme"]).found
    del world.ledger.by_org["acme"][2]
    for each in (detector, world.detector()):
        assert isinstance(each(["acme"]).broken["acme"], IntegrityError)


def test_a_store_that_is_busy_is_asked_again_and_holds_up_no_other() -> None:
    class Busily(FakeDetections):
        def cursor(self, org: str) -> Cursor:
            if org == "acme":
                raise Busy("later")
            return super().cursor(org)

    world = World()
    beta = World(org="beta", ledger=world.ledger, journal=world.journal, clock=world.clock)
    world.add(1)
    beta.add(1, tool_name="drop_table")
    report = world.detector(Busily(FakeAnomalies(world.journal)))(["acme", "beta"])
    assert report.failed.keys() == {"acme"} and report.broken == {} and report.found == 1


def test_who_is_overtaken_again_and_again_is_asked_later() -> None:
    class Overtaken(FakeDetections):
        def advance(self, *args: Any, **kwargs: Any) -> bool:
            return False

    world = World()
    world.add(1, tool_name="drop_table")
    report = world.detector(Overtaken(FakeAnomalies(world.journal)))(["acme"])
    assert report.failed.keys() == {"acme"} and world.told() == []


def test_five_hundred_agents_fall_silent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change has 100 items at most (the fake checks it), and states are read many at a time."""
    world = World()
    world.clock.ms = MONDAY_MS  # of hours that it never saw it says nothing
    world.begin()
    for _ in range(26 * 60):
        world.clock.ms += MINUTE_MS
        world.add(1, agent_id="a0", tool_name="t")
    world.settled(world.detector())
    [(key, packed)] = [
        (key, state)
        for key, state in states_of(world.detections).items()
        if key.startswith("agent#") and Agent.unpack(state).note.name == "a0"
    ]
    agenda = Agenda.unpack(states_of(world.detections)[AGENDA])
    others = {}
    for n in range(1, MOST_WATCHED):
        other = Agent.unpack(packed)
        other.note.name = f"a{n}"
        others[f"{key}{n}"] = other.pack()
        agenda.add(agenda.next_ms, f"{key}{n}")
    assert agenda.full
    keep(world.detections, others | {AGENDA: agenda.pack()})
    start = deepcopy(world.detections)
    reads: list[Sequence[str]] = []
    states = world.detections.states

    def noted(org: str, keys: Sequence[str]) -> Mapping[str, bytes]:
        reads.append(keys)
        return states(org, keys)

    monkeypatch.setattr(world.detections, "states", noted)
    world.clock.ms += 24 * 60 * MINUTE_MS
    assert world.detections.due(world.clock.ms) == ["acme"]
    assert world.detector().sweep().broken == {}
    silent = [each for each in found(world.detections) if each.kind is Kind.SILENCE]
    assert len(silent) == MOST_ALERTS
    assert len(reads) < 10
    world.settled(world.detector())
    assert known(world.detections) == known(in_one_pass(world, start))
    assert world.detections.due(world.clock.ms) == []


def test_nobody_is_silent_whose_events_wait_to_be_sealed() -> None:
    world = World()
    world.clock.ms = MONDAY_MS
    for _ in range(26 * 60):
        world.clock.ms += MINUTE_MS
        world.add(1, agent_id="a", tool_name="t")
    detector = world.detector(journal=world.journal)
    world.settled(detector)
    told = len(world.told())
    waiting = []
    for salt in range(3 * 60):
        world.clock.ms += MINUTE_MS
        made = batch("acme", 1, world.clock.ms, 10_000 + salt, agent_id="a", tool_name="t")
        world.journal.batches["acme", made.id] = made
        waiting.append(made)
    assert detector.sweep().found == 0
    seal_batches("acme", waiting, world.ledger, world.clock)
    world.settled(detector)
    assert Kind.SILENCE not in {each["anomaly_type"] for each in world.told()[told:]}


def test_many_subjects_in_a_batch_are_not_read_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.begin()
    asked: list[Sequence[str]] = []
    states = world.detections.states

    def noted(org: str, keys: Sequence[str]) -> Mapping[str, bytes]:
        asked.append(keys)
        return states(org, keys)

    monkeypatch.setattr(world.detections, "states", noted)
    detector = world.detector()
    for _ in range(3):
        world.add(300)  # of 300 tools
        world.clock.ms += detecting._KEPT_MS
        assert detector(["acme"]).broken == {}
        assert world.detections.cursor("acme").through_seq == world.ledger.head("acme").seq
    assert len(asked) < 4


def test_catching_up_ends_in_time_and_the_schedule_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detecting, "_EVENTS_A_CALL", 100)
    world = World()
    world.begin()
    start = deepcopy(world.detections)
    for n in range(50):
        world.clock.ms += 500
        world.add(10, agent_id=f"a{n % 3}", tool_name="drop_table" if n == 49 else "read")
    calls = 0
    while world.detections.cursor("acme").through_seq < world.ledger.head("acme").seq:
        calls += 1
        world.clock.ms += MINUTE_MS
        report = world.detector().sweep() if calls > 1 else world.detector()(["acme"])
        assert report.broken == report.failed == {}
    assert calls == 5
    world.settled(world.detector())
    assert world.detections.cursor("acme").due_ms != 1
    monkeypatch.undo()
    assert found(world.detections) == found(in_one_pass(world, start))


def test_a_call_that_takes_long_ends_and_loses_nothing() -> None:
    """Lambda would kill it, and so again and again."""
    world = World()
    world.begin()
    for n in range(40):
        world.add(1, agent_id=f"a{n}")
    before = world.detections.cursor("acme")
    assert world.detector(clock=Slow(world.clock.ms))(["acme"]).broken == {}
    after = world.detections.cursor("acme")
    assert before.through_seq < after.through_seq < world.ledger.head("acme").seq
    assert world.detections.due(world.clock.ms) == ["acme"]


def test_what_was_told_is_not_told_again_by_who_ends_before_it() -> None:
    world = World()
    world.begin()
    for n in range(40):
        world.add(1, agent_id=f"a{n}", tool_name="drop_table" if n == 39 else "read")
    assert world.detector()(["acme"]).found == 1
    through_seq = world.detections.cursor("acme").through_seq
    assert world.detector(clock=Slow(world.clock.ms))(["acme"]).broken == {}
    assert through_seq < world.detections.cursor("acme").through_seq < 41
    world.settled(world.detector())
    assert len(world.told()) == 2
    world.add(1, agent_id="b", tool_name="drop_table")
    assert world.detector()(["acme"]).found == 1


def test_on_a_long_ledger_it_begins_near_the_end_and_tells_of_the_last_hour_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(detecting, "_FIRST_EVENTS", 30)
    world = World()
    for n in range(10):
        world.add(5, tool_name="drop_table", agent_id=f"a{n}")
        world.clock.ms += 20 * MINUTE_MS
    assert world.detector()(["acme"]).broken == {}
    assert {each["agent_id"] for each in world.told()} == {"a7", "a8", "a9"}
    assert len([key for key in states_of(world.detections) if key.startswith("agent#")]) == 6


def test_what_is_not_kept_any_more_is_passed_over() -> None:
    world = World()
    world.begin()
    world.add(2, tool_name="drop_table", agent_id="old")
    world.journal.batches.clear()
    world.clock.ms += 100 * 24 * 60 * MINUTE_MS
    world.add(1, tool_name="drop_table", agent_id="new")
    retention = Retention(world.clock.ms, 90)
    assert world.detector(retention=retention)(["acme"]).broken == {}
    assert [each["agent_id"] for each in world.told()] == ["new"]


@pytest.mark.parametrize("state", [b"", b"\x01", b"\x02", b"\x01\x00\x05abc", b"\xff" * 300])
def test_an_org_s_state_that_can_t_be_read_is_learned_anew(state: bytes) -> None:
    world = World()
    world.begin()
    cursor = world.detections.cursor("acme")
    world.detections.cursors["acme"] = replace(cursor, state=state)
    world.detections.known |= dict.fromkeys(world.detections.known, state)
    world.add(1, tool_name="drop_table", agent_id="a")
    assert world.detector()(["acme"]).found == 1
    Org.unpack(world.detections.cursor("acme").state)


def test_settings_of_before_hold_where_detection_begins_or_begins_anew() -> None:
    world = World()
    world.add(1, tool_name="drop_table", agent_id="a")
    off = world.detector(settings=lambda _: Settings(enabled=False))
    world.settled(off)
    assert world.told() == []
    cursor = world.detections.cursor("acme")
    world.detections.cursors["acme"] = replace(cursor, state=b"of another version")
    world.add(1, tool_name="drop_table", agent_id="b")
    world.settled(off)
    assert world.told() == []


def test_a_session_is_suspended_once_and_by_what_the_org_says() -> None:
    world = World()
    world.begin()
    world.add(1, tool_name="drop_table", agent_id="a", session_id="before")
    world.set(suspend_from=Severity.CRITICAL)
    world.add(1, tool_name="drop_table", agent_id="b", session_id="s")
    world.add(1, tool_name="drop_table", agent_id="c", session_id="denied", action="deny")
    world.set()
    world.add(1, tool_name="drop_table", agent_id="d", session_id="after")
    assert world.detector()(["acme"]).found == 4
    assert world.states.suspended("acme") == {"s"}
    state = world.states.get("acme", ["s"])["s"]
    assert (state.by, state.reason[:20]) == ("tocsin:detection", "destructive_pattern:")


def test_a_session_that_can_t_be_suspended_is_told_of_all_the_same() -> None:
    def full(org: str, session: str, reason: str) -> None:
        raise Conflict("1,000 sessions are suspended")

    world = World()
    world.begin()
    world.set(suspend_from=Severity.CRITICAL)
    world.add(1, tool_name="drop_table", agent_id="b", session_id="s")
    report = world.detector(suspend=full)(["acme"])
    assert (report.broken, report.found) == ({}, 1)


def test_an_org_that_was_deleted_is_begun_anew() -> None:
    world = World()
    world.begin()
    detector = world.detector()
    world.add(1)
    assert detector(["acme"]).broken == {}
    world.detections.cursors.clear()
    world.detections.known.clear()
    world.ledger.by_org.clear()
    assert detector(["acme"]).broken == {}
    assert world.detections.cursors == {}
