"""Projections are what one fold over the ledger gives, however runs are cut and broken off."""

import json
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any
from zlib import compress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.events import batch
from fakes.interleave import Gate, Move, interleave
from fakes.projected import figures_of
from fakes.stores import FakeProjections, FakeSessionStates
from fakes.tenant import Tenant
from tocsin.domain.batch import Batch
from tocsin.domain.errors import Busy, IntegrityError
from tocsin.domain.limits import MAX_NAMES_PER_DAY
from tocsin.domain.projection import CALLS, Change, Changes, Item, Projected
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.domain.runs import BOOKKEEPING, settled
from tocsin.domain.sessions import SessionState, SessionStatus
from tocsin.services.reading import replay, verification
from tocsin.services.sealing import project
from tocsin.services.sealing.project import Projector
from tocsin.services.sealing.rebuild import Rebuild
from tocsin.services.sealing.seal import seal_batches
from tocsin.services.sessions.beginning import Beginning

DAY_MS = 86_400_000


def following(item: Item) -> Item:
    """Return what follows from the events alone, without what is 0."""
    return {name: value for name, value in item.items() if value and name not in BOOKKEEPING}


def told(change: Change) -> Item:
    """Return the item that a change alone makes."""
    return following(
        {
            "first_seq": change.first_seq,
            "first_timestamp": change.first_timestamp,
            "last_seq": change.last_seq,
            "last_timestamp": change.last_timestamp,
            **change.counters,
            **change.texts,
        }
    )


class World(Tenant):
    """An org with projections."""

    def __init__(self) -> None:
        super().__init__()
        self.projections = FakeProjections()
        self.states = FakeSessionStates(self.journal)

    def event(self, **fields: object) -> None:
        """Seal an event, which Tocsin itself may have written."""
        if fields.pop("source", "client") == "client":
            self.add(1, **fields)
            return
        self.batches += 1
        one = batch(self.org, 1, self.clock.ms, self.batches, **fields)
        entries = tuple(each.replace(b'"client"', b'"tocsin"') for each in one.entries)
        own = Batch(self.org, one.id, entries, one.key_id, one.received_at_ms)
        self.journal.batches[self.org, own.id] = own
        seal_batches(self.org, [own], self.ledger, self.clock)

    def projector(self, gate: Callable[[Any], Any] = lambda port: port) -> Projector:
        return Projector(
            ledger=self.ledger,
            journal=self.journal,
            projections=gate(self.projections),
            begin=Beginning(gate(self.states), self.clock),
        )

    def told(self) -> list[str]:
        """Return the sessions that were told to begin, as often as they were."""
        found = []
        for each in self.journal.batches.values():
            assert isinstance(each, Batch)
            for event in map(json.loads, each.entries):
                if event["type"] == "session_update":
                    assert (event["source"], event["status"]) == ("tocsin", "active")
                    found.append(event["session_id"])
        return sorted(found)

    def begun(self) -> list[str]:
        """Return the sessions that senders' events name."""
        events = replay.read(self.ledger, self.journal, "acme", 0, limit=100_000)
        parsed = [each.parse() for each in events]
        return sorted({each["session_id"] for each in parsed if each["source"] == "client"})

    def rebuild(self, gate: Callable[[Any], Any] = lambda port: port) -> Rebuild:
        return Rebuild(
            ledger=self.ledger,
            journal=self.journal,
            projections=gate(self.projections),
            projector=self.projector(gate),
        )

    def items(self) -> dict[tuple[str, str], Item]:
        """Return what is served, without what depends on where runs ended and what is 0."""
        generation = self.projections.cursor("acme").generation
        served = self.projections.by_key["acme", generation]
        return {key: following(item) for key, item in served.items() if key[0] != CALLS}

    def expected(self) -> dict[tuple[str, str], Item]:
        """Return what one fold over the whole ledger gives."""
        found = Changes()
        for event in replay.read(self.ledger, self.journal, "acme", 0, limit=100_000):
            found.add(event)
        return {(each.kind, each.id): told(each) for each in settled(found.items(), {})}

    def check(self) -> None:
        assert self.items() == self.expected()
        at = self.projections.cursor("acme")
        assert at.through_seq == at.until_seq == self.ledger.head("acme").seq
        kinds = [kind for kind, _ in self.items()]
        for kind in ("session", "agent"):
            assert at.counts.get(kind, 0) == kinds.count(kind)
            listed = self.projections.newest("acme", kind, "", 1_000, at.generation)
            assert len(listed) == kinds.count(kind)
        verification.verify(self.ledger, self.journal, "acme", projections=self.projections)


fields = st.fixed_dictionaries(
    {},
    optional={
        "session_id": st.sampled_from(["s1", "s2"]),
        "agent_id": st.sampled_from(["a1", "a2"]),
        "model": st.sampled_from(["m1", "m2", "m" * 256, "𝔪" * 256]),
        "direction": st.sampled_from(["request", "response"]),
        "span_id": st.sampled_from(["x", "y"]),
        "tool_call_id": st.sampled_from(["toolu_01A0000000001", "call_of_another_agent", "1"]),
        "prompt_tokens": st.integers(0, 5),
        "total_tokens": st.integers(0, 9),
        "cost_usd": st.sampled_from([0, 0.25, 1e300]),
        "latency_ms": st.integers(0, 9),
        "status": st.sampled_from(["ok", "error"]),
        "action": st.sampled_from(["deny", "ask", "allow"]),
        "source": st.just("tocsin"),
        "timestamp": st.sampled_from(["2026-03-20T09:46:40.000Z", "1999-01-01T00:00:00.000Z"]),
    },
)
moves = st.sampled_from([Move.GO_ON] * 12 + [Move.CRASH_BEFORE, Move.CRASH_AFTER])


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_runs_that_are_broken_off_and_repeated_give_what_one_fold_gives(
    data: st.DataObject,
) -> None:
    world = World()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(project, "_RUN_ITEMS", data.draw(st.integers(1, 12)))
        for _ in range(data.draw(st.integers(1, 3))):
            for each in data.draw(st.lists(fields, min_size=1, max_size=6)):
                world.clock.ms += data.draw(st.sampled_from([0, 400_000]))
                world.event(**each)

            def run(gate: Gate) -> object:
                return world.projector(gate)(["acme"])

            def rebuild(gate: Gate) -> object:
                return world.rebuild(gate)("acme")

            assert len(set(world.told())) == len(world.told())
            tasks: list[Callable[[Gate], object]] = data.draw(
                st.lists(st.sampled_from([run, run, rebuild]), max_size=3)
            )
            interleave(
                tasks,
                lambda waiting: (data.draw(st.integers(0, waiting - 1)), data.draw(moves)),
            )
        assert world.projector()(["acme"]).broken == {}
        world.check()
        world.rebuild()("acme")
        world.check()
    told = world.told()
    assert len(set(told)) == len(told)
    assert set(told) == set(world.begun())
    seal_batches("acme", world.journal.batches.values(), world.ledger, world.clock)  # type: ignore[arg-type]
    assert world.projector()(["acme"]).broken == {}
    assert world.told() == told, "what Tocsin tells begins no session"


def test_names_beyond_a_day_s_first_hundred_are_counted_together() -> None:
    world = World()
    for n in range(MAX_NAMES_PER_DAY + 20):
        world.add(1, agent_id=f"a{n}", model=f"m{n % 3}")
        if n % 7 == 0:
            world.projector()(["acme"])
    world.add(1, agent_id="a0")
    world.add(1, agent_id=f"a{MAX_NAMES_PER_DAY + 1}")
    world.projector()(["acme"])
    world.check()
    day = "2026-03-20"
    own = list(world.projections.between("acme", "day-agent", day, day, 0))
    assert len(own) == MAX_NAMES_PER_DAY + 1
    assert own[0][0] == f"{day}#"
    assert own[0][1]["events"] == 21
    assert sum(int(item["events"]) for _, item in own) == MAX_NAMES_PER_DAY + 22


def test_a_run_touches_a_bounded_number_of_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "_RUN_ITEMS", 50)
    world = World()
    for n in range(60):
        world.add(1, agent_id=f"a{n}", session_id=f"s{n}", model=f"m{n}", tool_name=f"t{n}")
    applied: list[tuple[Projected, Change]] = []
    apply = world.projections.apply

    def noted(org: str, run: Projected, change: Change) -> None:
        applied.append((run, change))
        apply(org, run, change)

    monkeypatch.setattr(world.projections, "apply", noted)
    world.projector()(["acme"])
    runs = [run.through_seq for run, _ in applied]
    assert max(map(runs.count, runs)) <= 50 + 8
    world.check()


def test_what_tocsin_wrote_is_found_and_not_counted() -> None:
    world = World()
    world.event(agent_id="a1", session_id="s1", total_tokens=5)
    world.event(agent_id="a1", session_id="s1", total_tokens=5, source="tocsin", status="error")
    world.event(agent_id="a2", session_id="s2", source="tocsin", status="error")
    world.projector()(["acme"])
    items = world.items()
    assert items["session", "s1"]["events"] == items["agent", "a1"]["events"] == 1
    assert (items["agent", "a1"]["last_seq"], items["agent", "a2"]["first_seq"]) == (2, 3)
    assert items["usage", "2026-03"]["events"] == items["day", "2026-03-20"]["events"] == 1
    assert not items["agent", "a2"].keys() & {"events", "errors", "last_error_at", "calls"}


def test_items_of_an_older_version_are_counted_on_and_rebuilt_whole() -> None:
    """They have the counters of then, no days, and no place in a list."""
    world = World()
    world.add(2, agent_id="a1", session_id="s1")
    old: dict[str, int | str] = {
        "through_seq": 2,
        "first_seq": 1,
        "first_timestamp": "t",
        "last_seq": 2,
    }
    for key in (("agent", "a1"), ("session", "s1"), ("usage", "2026-03")):
        item = {**old, "last_timestamp": "t", "events": 2, "total_tokens": 4}
        world.projections.by_key["acme", 0][key] = item
    world.projections.cursors["acme", 0] = Projected(2, 2, counted_after=2)
    world.add(1, agent_id="a1", session_id="s1", cost_usd=1)
    assert world.projector()(["acme"]).broken == {}
    agent = world.items()["agent", "a1"]
    assert (agent["events"], agent["calls"], agent["total_tokens"]) == (3, 1, 6)
    assert [id for id, _ in world.projections.newest("acme", "agent", "", 9, 0)] == ["a1"]
    verification.verify(world.ledger, world.journal, "acme", projections=world.projections)
    world.rebuild()("acme")
    world.check()
    assert not world.projections.by_key["acme", 0]


def test_what_an_older_version_projected_is_taken_for_a_call_each() -> None:
    world = World()
    world.add(2, agent_id="a1", tool_call_id="toolu_01A0000000001")
    world.projections.cursors["acme", 0] = Projected(0, 2, linked_after=2)  # it died in its run
    assert world.projector()(["acme"]).broken == {}
    world.add(2, agent_id="a1", tool_call_id="toolu_01A0000000001")
    assert world.projector()(["acme"]).broken == {}
    assert world.items()["agent", "a1"]["calls"] == 3
    verification.verify(world.ledger, world.journal, "acme", projections=world.projections)
    world.rebuild()("acme")
    assert world.items()["agent", "a1"]["calls"] == 1
    world.check()


@pytest.mark.parametrize("text", ["", "not base64", "AAAA", b64encode(compress(b"1")).decode()])
def test_what_was_kept_of_calls_and_is_damaged_stops_nothing(text: str) -> None:
    world = World()
    world.add(1, tool_call_id="toolu_01A0000000001")
    assert world.projector()(["acme"]).broken == {}
    for (kind, _), item in world.projections.by_key["acme", 0].items():
        if kind == CALLS:
            item["told"] = text
    world.add(1, tool_call_id="toolu_01A0000000001")
    assert world.projector()(["acme"]).broken == {}
    assert world.projections.cursor("acme").through_seq == 2


class Gone(BaseException):
    """The process is killed."""


class Deadly:
    """A port whose ``left``-th call is the process's last; it is not carried out."""

    def __init__(self, port: Any, left: int) -> None:
        self._port = port
        self._left = left

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                raise Gone
            return getattr(self._port, name)(*args, **kwargs)

        return call


def test_a_rebuild_killed_at_any_step_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "_RUN_ITEMS", 6)
    for step in count(1):
        world = World()
        for n in range(4):
            world.add(1, agent_id=f"a{n}", direction=("request", "response")[n % 2])
        world.projector()(["acme"])
        with suppress(Gone):
            world.rebuild(partial(Deadly, left=step))("acme")
            assert step > 40
            return
        assert world.items() == world.expected()  # the old ones or the new ones, whole
        world.add(1, agent_id="a9")
        world.projector()(["acme"])
        world.check()
        world.rebuild()("acme")
        world.check()


def test_a_response_whose_run_is_killed_at_any_step_takes_its_request_back_once() -> None:
    for step in count(1):
        world = World()
        world.add(1, direction="request", total_tokens=5, model="m1")
        world.add(1, direction="request", total_tokens=6, model="m2")
        world.projector()(["acme"])
        world.clock.ms += 3_600_000  # the place in the list is another, too
        world.add(1, direction="response", total_tokens=7, model="m1")
        try:
            world.projector(partial(Deadly, left=step))(["acme"])
        except Gone:
            world.add(1, direction="response", total_tokens=8)
            world.projector()(["acme"])
            world.check()
            usage = world.items()["usage", "2026-03"]
            assert (usage["total_tokens"], usage["calls"]) == (15, 2)
        else:
            assert step > 8
            return


def test_events_that_come_while_projections_are_exchanged_are_in_the_new_ones() -> None:
    world = World()
    world.add(1)
    world.projector()(["acme"])

    class Late(FakeProjections):
        def serve(self, org: str, generation: int) -> None:
            world.add(1, agent_id="late")
            world.projector()([org])  # into those that are still served
            super().serve(org, generation)

    late = Late()
    late.__dict__.update(world.projections.__dict__)
    world.projections = late
    world.rebuild()("acme")
    world.check()
    assert ("agent", "late") in world.items()


def test_what_has_expired_is_told_before_it_is_lost() -> None:
    world = World()
    world.add(3)
    world.clock.ms += 100 * DAY_MS
    world.add(2)
    now = Retention(world.clock.ms, 90)
    assert world.rebuild().expired("acme", now) == 0  # the journal still has it
    world.journal.batches.pop(("acme", world.segment(1).references[0].batch_id))
    assert world.rebuild().expired("acme", now) == 3
    assert world.rebuild().expired("beta", KEEPS_ALL) == 0


def test_a_store_that_is_busy_leaves_the_old_ones() -> None:
    world = World()
    world.add(1)
    world.projector()(["acme"])

    class Throttled(FakeProjections):
        def claim(self, org: str, cursor: Projected, run: Projected) -> bool:
            raise Busy("throttled")

    throttled = Throttled()
    throttled.__dict__.update(world.projections.__dict__)
    world.projections = throttled
    with pytest.raises(Busy):
        world.rebuild()("acme")
    assert world.items() == world.expected()


def test_a_day_has_its_hours() -> None:
    world = World()
    world.add(1, agent_id="a1", total_tokens=3, cost_usd=0.5, latency_ms=7)
    world.projector()(["acme"])
    item = dict(world.items()["day-agent", "2026-03-20#a1"])
    counters = {name: value for name, value in item.items() if isinstance(value, int)}
    assert figures_of(counters) == {"calls": 1, "total_tokens": 3, "cost_nano_usd": 500_000_000}


def test_a_session_that_was_decided_about_before_is_not_told_to_begin() -> None:
    world = World()
    state = SessionState(org="acme", id="s1", status=SessionStatus.SUSPENDED, by="m", change="c")
    world.states.states["acme", "s1"] = state
    world.add(1, session_id="s1")
    world.add(1, session_id="s2")
    world.projector()(["acme"])
    assert world.told() == ["s2"]
    assert world.states.states["acme", "s1"] == state


def test_sessions_of_before_begin_no_more() -> None:
    world = World()
    for n in range(3):
        world.add(1, session_id=f"s{n}")
    of_before = Projector(ledger=world.ledger, journal=world.journal, projections=world.projections)
    of_before(["acme"])
    world.add(1, session_id="s0")
    world.add(1, session_id="new")
    world.projector()(["acme"])
    world.rebuild()("acme")
    assert world.told() == ["new"]


def test_what_tocsin_wrote_first_does_not_keep_a_session_from_beginning() -> None:
    world = World()
    world.event(source="tocsin", session_id="s1")
    world.projector()(["acme"])
    assert world.told() == []
    world.event(session_id="s1")
    world.projector()(["acme"])
    assert world.told() == ["s1"]


def test_what_begins_during_a_rebuild_is_told_and_a_broken_projection_is_rebuilt() -> None:
    world = World()
    world.add(1, session_id="s1")
    world.rebuild()("acme")  # before anything was projected
    assert world.told() == ["s1"]
    served = world.projections.cursor("acme")
    world.projections.cursors["acme", 1] = replace(served, hash=b"another")
    with pytest.raises(IntegrityError):
        world.projector().catch_up("acme")
    world.rebuild()("acme")
    assert world.projections.cursor("acme").generation == 2


@pytest.mark.parametrize("more", [0, 3])
def test_a_ledger_that_was_written_anew_is_projected_no_further(more: int) -> None:
    """The hash where it ended is kept with the cursor, which says so without another read."""
    world, other = World(), World()
    for one, text in ((world, "one"), (other, "another")):
        for _ in range(3):
            one.add(2, session_id=text)
    world.projector()(["acme"])
    was = world.projections.cursor("acme")
    items = deepcopy(world.projections.by_key)
    for _ in range(more):
        other.add(1)
    world.ledger, world.journal = other.ledger, other.journal
    for _ in range(2):
        report = world.projector()(["acme", "beta"])
        assert isinstance(report.broken.pop("acme"), IntegrityError)
        assert not (report.broken or report.failed)  # and nothing that is to be tried again
    assert world.projections.cursor("acme") == was  # no run was claimed
    assert world.projections.by_key == items
    world.projections.cursors["acme", 0] = replace(was, hash=b"")  # as an older version left it
    assert not world.projector()(["acme"]).broken
    assert world.projections.cursor("acme").through_seq == 6 + more


def test_a_ledger_that_ends_before_what_was_projected_is_noticed() -> None:
    world, other = World(), World()
    for one, batches in ((world, 3), (other, 2)):
        for _ in range(batches):
            one.add(2)
    world.projector()(["acme"])
    for ledger in (other.ledger, World().ledger):
        world.ledger = ledger
        error = world.projector()(["acme"]).broken["acme"]
        assert isinstance(error, IntegrityError)
        assert error.seq == ledger.head("acme").seq + 1


def test_many_sessions_begin_in_few_batches() -> None:
    world = World()
    for n in range(250):
        world.add(1, session_id=f"{n:03}" + "\N{PILE OF POO}" * 253)
    world.projector()(["acme"])
    assert len(world.told()) == 250
    own = [each for each in world.journal.batches.values() if isinstance(each, Batch)]
    assert sorted(each.count for each in own if each.key_id == "tocsin") == [52, 99, 99]


def test_nothing_is_applied_of_a_run_whose_sessions_are_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.add(1, session_id="s1")

    def busy(*_: object) -> bool:
        raise Busy("not now")

    with monkeypatch.context() as patch:
        patch.setattr(world.states, "begin", busy)
        assert world.projector()(["acme"]).failed.keys() == {"acme"}
    assert world.projections.get("acme", "session", "s1") is None
    assert world.projector()(["acme"]).failed == {}
    assert world.told() == ["s1"]
    world.check()
