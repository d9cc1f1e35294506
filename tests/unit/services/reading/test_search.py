"""What is searched by summaries: always what a look at everything finds, for less."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.stores import FakeJournal, FakeLedger, FakeProjections, FakeSummaries
from fakes.tenant import Tenant
from tocsin.domain import stretches
from tocsin.domain.errors import IntegrityError
from tocsin.domain.limits import MAX_SUMMARY_BYTES
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.domain.segment import SealedEvent
from tocsin.domain.stretches import Made, seqs_of, touched, whole, widest
from tocsin.domain.times import iso_ms
from tocsin.services.reading import search
from tocsin.services.reading.past import Past
from tocsin.services.reading.search import Search
from tocsin.services.sealing.project import Projector
from tocsin.services.sealing.summaries import Summariser
from tocsin.wire import summary
from tocsin.wire.filters import Filter
from tocsin.wire.summary import Bounds, Gathered, Summary, Wanted, decode, encode

START_MS = 1_774_000_000_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


class CountingLedger(FakeLedger):
    """Counts how often it is asked where a segment is."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors = 0

    def segments_before(self, org: str, until_seq: int, limit: int) -> Any:
        self.anchors += limit == 1
        return super().segments_before(org, until_seq, limit)


class CountingJournal(FakeJournal):
    """Counts the batches that it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def get(self, org: str, batch_ids: Any) -> Any:
        self.asked += len(batch_ids)
        return super().get(org, batch_ids)


class World(Tenant):
    """An org with summaries of stretches of four events, of which three are one above."""

    def __init__(self) -> None:
        super().__init__(ledger=CountingLedger(), journal=CountingJournal())
        self.summaries = FakeSummaries()
        self.events: list[SealedEvent] = []

    def put(self, *counts: int, **fields: object) -> None:
        self.events += self.add(*counts, **fields)

    def summariser(self, retention: Retention = KEEPS_ALL) -> Summariser:
        return Summariser(
            ledger=self.ledger,
            journal=self.journal,
            summaries=self.summaries,
            retention=lambda: retention,
        )

    def summarise(self, retention: Retention = KEEPS_ALL) -> None:
        make, head = self.summariser(retention), self.ledger.head("acme").seq
        while make("acme", head):
            pass

    def past(self, looks_at: int | None = None, retention: Retention = KEEPS_ALL) -> Past:
        return Past(self.ledger, self.journal, "acme", retention, looks_at, self.summaries)

    def search(
        self,
        wanted: Wanted,
        span: range | None = None,
        *,
        looks_at: int | None = None,
        forwards: bool = False,
        retention: Retention = KEEPS_ALL,
    ) -> list[int]:
        """Return the seqs that are found, over as many requests as it takes."""
        span = range(1, len(self.events) + 1) if span is None else span
        found: list[int] = []
        while True:
            past = self.past(looks_at, retention)
            looking = Search(past, wanted, [span] if span else [], forwards=forwards)
            found += [event.seq for events in looking for event in events]
            if (at := looking.goes_on) is None:
                return found
            rest = range(at + 1, span.stop) if forwards else range(span.start, at)
            assert len(rest) < len(span)
            span = rest

    def expected(self, wanted: Wanted, span: range, *, forwards: bool) -> list[int]:
        """Return the seqs that a look at everything finds."""
        seqs = [event.seq for event in self.events if event.seq in span and wanted.lets(event)]
        return seqs if forwards else seqs[::-1]


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretches, "STRETCH_EVENTS", 4)
        patch.setattr(stretches, "STRETCHES_TOGETHER", 3)
        patch.setattr("tocsin.services.sealing.summaries.STRETCHES_TOGETHER", 3)
        patch.setattr(search, "_SUMMARIES_PER_READ", 2)
        yield


fields = st.fixed_dictionaries(
    {
        "agent_id": st.sampled_from(["a", "b", "c"]),
        "tool_name": st.sampled_from(["exec", "read", "\N{SNOWMAN}/%2F" + "x" * 200]),
        "timestamp": st.integers(0, 30).map(lambda day: iso_ms(START_MS + day * DAY_MS)),
    },
    optional={
        "action": st.sampled_from(["deny", "allow"]),
        "type": st.sampled_from(["custom", "vendor.x"]),
        "session_id": st.sampled_from(["s1", "s2"]),
        "trace_id": st.uuids().map(str),
        "tool_call_id": st.sampled_from(["call_1", "call_2", "call_3"]),
        "metadata": st.sampled_from(["call_1", "msg_1"]).map(lambda id: {"response_id": id}),
    },
)
batches = st.lists(st.tuples(st.lists(st.integers(1, 5), min_size=1, max_size=3), fields))
filters = st.builds(
    Filter,
    types=st.none() | st.sets(st.sampled_from(["tool_call", "custom", "vendor.x"])).map(frozenset),
    agent_id=st.sampled_from([None, None, "a", "b", "nobody"]),
    action=st.sampled_from([None, "deny", "allow", "log"]),
    tool_name=st.sampled_from([None, None, "exec", "read"]),
    session_id=st.sampled_from([None, None, "s1"]),
    call_id=st.sampled_from([None, None, None, "call_1", "msg_1", "nothing"]),
)
days = st.none() | st.integers(-1, 31).map(lambda day: START_MS + day * DAY_MS)
damages = st.sampled_from(["whole", "gone", "cut", "flipped", "another's", "empty"])


@settings(max_examples=200, deadline=None)
@given(
    batches,
    filters,
    days,
    days,
    st.booleans(),
    st.none() | st.integers(1, 9),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(150, 400),
    st.data(),
)
def test_a_search_finds_what_a_look_at_everything_finds(
    shape: list[tuple[list[int], dict[str, Any]]],
    filter: Filter,
    from_ms: int | None,
    to_ms: int | None,
    forwards: bool,
    looks_at: int | None,
    start: int,
    length: int,
    size_bytes: int,
    data: st.DataObject,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summary, "MAX_SUMMARY_BYTES", size_bytes)
        world = World()
        made = data.draw(st.integers(0, len(shape)))
        for place, (counts, each) in enumerate(shape):
            world.put(*counts, **each)
            if place == made:
                world.summarise()
        for key in sorted(world.summaries.stored):
            world.summaries.stored[key] = damaged(world, key, data.draw(damages))
        span = common(range(start, start + length), range(1, len(world.events) + 1))
        wanted = Wanted(filter, from_ms, to_ms)
        patch.setattr(search, "MAX_SUMMARIES_LOOKED_AT", data.draw(st.sampled_from([16, 2_048])))
        assert world.search(wanted, span, looks_at=looks_at, forwards=forwards) == world.expected(
            wanted, span, forwards=forwards
        )


def common(one: range, other: range) -> range:
    return range(max(one.start, other.start), min(one.stop, other.stop))


def damaged(world: World, key: tuple[str, int, int], how: str) -> bytes:
    stored, (_, level, number) = world.summaries.stored, key
    match how:
        case "gone" | "empty":
            return b""
        case "cut":
            return stored[key][:-20]
        case "flipped":
            return stored[key][:70] + bytes([stored[key][70] ^ 1]) + stored[key][71:]
        case "another's":  # whole, but of a ledger that holds nothing that is looked for
            bounds = Bounds(b"b" * 32, b"a" * 32, START_MS)
            return encode(Gathered().summary(bounds), "acme", level, number)
    return stored[key]


def rare(world: World, stretches: int) -> None:
    """Seal some stretches of four events, of which the second has what is rare."""
    for number in range(stretches):
        world.put(4, agent_id="rare" if number == 1 else "a")


def test_what_cannot_match_is_not_read_however_long_the_ledger_is() -> None:
    asked = []
    for length in (30, 300):
        world = World()
        rare(world, length)
        world.summarise()
        assert isinstance(world.journal, CountingJournal)
        assert isinstance(world.ledger, CountingLedger)
        for forwards in (False, True):
            world.journal.asked = world.ledger.anchors = 0
            assert world.search(Wanted(Filter(agent_id="rare")), forwards=forwards) == (
                [5, 6, 7, 8] if forwards else [8, 7, 6, 5]
            )
            asked.append((world.journal.asked, forwards or world.ledger.anchors))
        world.journal.asked = 0
        assert world.search(Wanted(Filter(tool_name="never"))) == []
        assert world.journal.asked == 0
    assert asked == [(1, 1), (1, True)] * 2  # the ledger is asked for one hash, going backwards


def test_an_action_with_a_tool_is_told_from_either_alone() -> None:
    world = World()
    for _ in range(9):
        world.put(2, action="deny", tool_name="read")
        world.put(2, action="allow", tool_name="exec")
    world.put(1, action="deny", tool_name="exec")
    world.put(3, action="deny", tool_name="read")
    world.summarise()
    world.journal.asked = 0  # type: ignore[attr-defined]
    assert world.search(Wanted(Filter(action="deny", tool_name="exec"))) == [37]
    assert world.journal.asked == 2  # type: ignore[attr-defined]


def test_where_every_stretch_may_match_and_no_event_does_each_request_is_bounded() -> None:
    """As whoever writes events can have it: both names are everywhere, on the same event nowhere,
    and so is every time, by the timestamps that senders give."""
    world = World()
    for _ in range(60):
        world.put(1, agent_id="a", tool_name="read", timestamp="1970-01-01T00:00:00.000Z")
        world.put(1, agent_id="b", tool_name="exec", timestamp="2999-01-01T00:00:00.000Z")
        world.put(2, agent_id="c", tool_name="exec")
    world.summarise()
    for wanted in (
        Wanted(Filter(agent_id="a", tool_name="exec")),
        Wanted(Filter(agent_id="b"), START_MS, START_MS + DAY_MS),
    ):
        for forwards in (False, True):
            span, asked, requests = range(1, 241), 0, 0
            while True:
                world.journal.asked = 0  # type: ignore[attr-defined]
                search = Search(world.past(20), wanted, [span], forwards=forwards)
                assert not [event for events in search for event in events]
                assert world.journal.asked <= 20  # type: ignore[attr-defined]
                asked, requests = asked + world.journal.asked, requests + 1  # type: ignore[attr-defined]
                if (at := search.goes_on) is None:
                    break
                span = range(at + 1, 241) if forwards else range(1, at)
            assert requests == 12
            assert asked <= 240


def test_a_time_in_which_there_is_nothing_costs_summaries_alone() -> None:
    world = World()
    for day in range(60):
        world.put(4, timestamp=iso_ms(START_MS + day * DAY_MS))
    world.summarise()
    world.journal.asked = 0  # type: ignore[attr-defined]
    year_ms = 365 * DAY_MS
    for wanted in (
        Wanted(Filter(), None, START_MS),  # before the first
        Wanted(Filter(), START_MS + year_ms, START_MS + 2 * year_ms),
        Wanted(Filter(), 2**62, None),
        Wanted(Filter(), None, -(2**62)),
    ):
        assert world.search(wanted) == world.search(wanted, forwards=True) == []
    assert world.journal.asked == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_a_stretch_that_the_retention_cuts_is_searched_as_far_as_it_is_kept(kept: int) -> None:
    world = World()
    world.put(4, agent_id="a")
    world.put(4 - kept, agent_id="a")
    world.clock.ms += 2 * DAY_MS
    world.put(kept, agent_id="a")
    world.put(4, agent_id="b")
    world.summarise()
    retention, expected = Retention(world.clock.ms, 1), list(range(9 - kept, 9))
    for made in (True, False):
        for forwards in (True, False):
            wanted = Wanted(Filter(agent_id="a"))
            found = world.search(wanted, forwards=forwards, retention=retention)
            assert sorted(found) == expected
        if made:
            world.summaries.stored.clear()


def test_what_came_late_is_of_its_timestamps_month() -> None:
    world = World()
    for day in range(60):
        world.put(4, timestamp=iso_ms(START_MS + day * DAY_MS))
    world.put(3)
    world.put(1, timestamp=iso_ms(START_MS + 3 * DAY_MS))
    world.summarise()
    world.journal.asked = 0  # type: ignore[attr-defined]
    wanted = Wanted(Filter(), START_MS + 3 * DAY_MS, START_MS + 4 * DAY_MS)
    assert world.search(wanted) == [244, 16, 15, 14, 13]
    assert world.journal.asked <= 4  # type: ignore[attr-defined]


def test_summaries_of_a_ledger_that_was_restored_hide_nothing() -> None:
    """From the fork on the ledger is another, and summaries of before link to each other."""
    world, other = World(), World()
    for each in (world, other):
        for _ in range(3):
            each.put(4)
    for _ in range(9):
        other.put(4, agent_id="gone")
        world.put(4, agent_id="wanted")
    other.summarise()
    world.summaries = other.summaries
    for forwards in (False, True):
        found = world.search(Wanted(Filter(agent_id="wanted")), forwards=forwards)
        assert sorted(found) == list(range(13, 49))
    world.put(4, agent_id="wanted")
    world.summarise()  # which notices that they are of another, and makes them anew
    world.journal.asked = 0  # type: ignore[attr-defined]
    assert world.search(Wanted(Filter(agent_id="gone"))) == []
    assert world.journal.asked == 0  # type: ignore[attr-defined]


def test_a_stretch_of_which_events_were_dropped_may_hold_anything() -> None:
    world = World()
    for number in range(12):
        world.put(2, 2, agent_id="wanted" if number == 6 else "a")
    lost = world.segment(25).references[1]
    batch = world.journal.batches.pop(("acme", lost.batch_id))
    world.clock.ms += 2 * DAY_MS
    world.summarise(Retention(world.clock.ms, 1))
    world.journal.batches["acme", lost.batch_id] = batch
    assert world.search(Wanted(Filter(agent_id="wanted"))) == [28, 27, 26, 25]


def test_what_is_older_than_the_retention_is_neither_found_nor_looked_for() -> None:
    for made in (True, False):
        world = World()
        for _ in range(100):
            world.put(4, agent_id="a")
        world.clock.ms += 2 * DAY_MS
        for _ in range(5):
            world.put(3, agent_id="a")
        if made:
            world.summarise()
        retention = Retention(world.clock.ms, 1)
        wanted = Wanted(Filter(agent_id="a"))
        for forwards in (False, True):
            world.journal.asked = 0  # type: ignore[attr-defined]
            found = world.search(wanted, forwards=forwards, retention=retention)
            assert sorted(found) == list(range(401, 416))
            assert world.journal.asked <= 20  # type: ignore[attr-defined]


@pytest.mark.parametrize("first_seq", [9, 13, 17, 21, 25, 10_001])
def test_what_only_says_that_it_is_old_ends_no_search(first_seq: int) -> None:
    """Nothing in a segment itself ties when it was sealed, nor one put behind the head."""
    world = World()
    world.put(3, agent_id="a")
    world.put(1, agent_id="a")
    world.clock.ms += 2 * DAY_MS
    for _ in range(6):
        world.put(4, agent_id="a")
    retention, segments = Retention(world.clock.ms, 1), world.ledger.by_org["acme"]
    forged = replace(segments.get(first_seq, segments[1]), first_seq=first_seq)
    segments[first_seq] = replace(forged, sealed_at_ms=segments[1].sealed_at_ms)
    span = range(1, forged.last_seq + 1)
    with pytest.raises(IntegrityError):
        world.search(Wanted(Filter(agent_id="a")), span, retention=retention)


def test_what_was_changed_where_a_search_looks_is_not_served() -> None:
    world = World()
    rare(world, 30)
    world.summarise()
    [reference] = world.segment(5).references
    batch: Any = world.journal.batches["acme", reference.batch_id]
    world.journal.batches["acme", reference.batch_id] = type(batch)(
        batch.org,
        batch.id,
        (batch.entries[0].replace(b"tool-", b"fool-"), *batch.entries[1:]),
        batch.key_id,
        batch.received_at_ms,
    )
    with pytest.raises(IntegrityError, match="seq 5"):
        world.search(Wanted(Filter(agent_id="rare")))


def test_summaries_follow_the_projections_in_steps_and_heal() -> None:
    world = World()
    projector = Projector(
        ledger=world.ledger,
        journal=world.journal,
        projections=FakeProjections(),
        summariser=world.summariser(),
    )
    for _ in range(60):  # as an older version left it
        world.put(1, 2)
    lengths = []
    for _ in range(4):
        assert not projector(["acme"]).broken
        lengths.append(world.summaries.made("acme").stretches)
    assert lengths == [16, 32, 45, 45]
    levels = [level for _, level, _ in world.summaries.stored]
    assert [levels.count(level) for level in range(5)] == [45, 15, 5, 1, 0]
    wholly = dict(world.summaries.stored)
    world.summaries.set_made("acme", Made(45, world.summaries.made("acme").hash, version=0))
    world.summaries.stored.clear()
    world.summarise()  # those of another version are made anew
    assert world.summaries.stored == wholly
    del world.summaries.stored["acme", 0, 7]
    world.summariser().again("acme", 180)
    assert world.summaries.stored == wholly


def test_one_that_is_missing_has_none_above_it_and_its_neighbours_are_used() -> None:
    world = World()
    rare(world, 11)
    world.summarise()
    del world.summaries.stored["acme", 0, 10]
    rare(world, 1)
    world.summarise()
    assert ("acme", 1, 3) not in world.summaries.stored
    world.journal.asked = 0  # type: ignore[attr-defined]
    assert world.search(Wanted(Filter(tool_name="never"))) == []
    assert world.journal.asked == 1  # type: ignore[attr-defined]


def test_two_that_make_summaries_at_once_make_the_same() -> None:
    world = World()
    rare(world, 30)
    late = world.summaries.made("acme")
    world.summarise()
    before = dict(world.summaries.stored)
    world.summaries.set_made("acme", Made(late.stretches, late.hash, summary.VERSION))
    world.summarise()
    assert world.summaries.stored == before


def events(count: int, **fields: object) -> Gathered:
    gathered, tenant = Gathered(), Tenant()
    for number in range(count):
        values = {name: f"{value}-{number}" for name, value in fields.items()}
        for event in tenant.add(1, **values):
            gathered.add(event)
    return gathered


BOUNDS = Bounds(b"b" * 32, b"a" * 32, START_MS)


@pytest.mark.parametrize("count", [0, 1, 1_024])
def test_a_summary_is_bounded_whatever_events_say(count: int) -> None:
    names = ("agent_id", "session_id", "trace_id", "user_id", "tool_name", "model", "provider")
    made = events(count, **dict.fromkeys(names, "x")).summary(BOUNDS)
    stored = encode(made, "acme", 0, 3)
    assert len(stored) <= MAX_SUMMARY_BYTES
    assert decode(stored, "acme", 0, 3) == made
    if count:
        assert Wanted(Filter(agent_id="x-0")).may_be_in(made)
    assert not Wanted(Filter(action="deny")).may_be_in(made)
    assert Summary.of_all([made, made]).columns == made.columns


@pytest.mark.parametrize(
    "of",
    [
        ("beta", 0, 3),
        ("acme", 1, 3),
        ("acme", 0, 4),
    ],
)
def test_a_summary_holds_for_its_own_stretch_alone(of: tuple[str, int, int]) -> None:
    stored = encode(events(3, agent_id="a").summary(BOUNDS), "acme", 0, 3)
    assert decode(stored, *of) is None


@given(st.binary(max_size=200))
def test_bytes_that_are_no_summary_are_none(data: bytes) -> None:
    assert decode(data, "acme", 0, 0) is None


@given(st.binary(max_size=200))
def test_bytes_with_a_checksum_that_are_no_summary_break_nothing(data: bytes) -> None:
    body = bytes([summary.VERSION]) + data
    found = decode(body + summary._checksum(body, "acme", 0, 0), "acme", 0, 0)
    assert found is None or Wanted(Filter(agent_id="a")).may_be_in(found) in (True, False)


@pytest.mark.parametrize("by", [-1, 1])
def test_one_of_another_version_is_ignored(monkeypatch: pytest.MonkeyPatch, by: int) -> None:
    monkeypatch.setattr(summary, "VERSION", summary.VERSION + by)
    stored = encode(events(3, agent_id="a").summary(BOUNDS), "acme", 0, 3)
    assert decode(stored, "acme", 0, 3) is None


def test_few_others_are_taken_for_what_is_there() -> None:
    made = events(300, agent_id="a", user_id="u").summary(BOUNDS)
    others = [f"b-{number}" for number in range(10_000)]
    assert sum(Wanted(Filter(agent_id=each)).may_be_in(made) for each in others) < 10


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_the_widest_stretches_have_each_seq_once(head: int, start: int, stop: int) -> None:
    covered = [
        seq for level, numbers in widest(head) for each in numbers for seq in seqs_of(level, each)
    ]
    assert covered == list(range(1, whole(0, head) * 4 + 1))
    span = range(start + 1, stop + 1)
    for level in (0, 1, 2):
        seqs = {seq for each in touched(level, span) for seq in seqs_of(level, each)}
        assert seqs.issuperset(span)
