"""Summaries held to the ledger: none hides from searches what is there, or verification says so."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.domain.errors import IntegrityError
from tocsin.domain.retention import Retention
from tocsin.domain.stretches import seqs_of
from tocsin.services.reading.verification import verify, verify_some
from tocsin.wire.filters import Filter
from tocsin.wire.summary import Gathered, Summary, Wanted, decode, encode
from unit.services.reading.test_search import (
    DAY_MS,
    START_MS,
    World,
    batches,
    damaged,
    damages,
    rare,
    small,
)

pytestmark = pytest.mark.usefixtures(small.__name__)

type Key = tuple[str, int, int]


def verified(world: World, **options: Any) -> int:
    stores = world.ledger, world.journal, "acme"
    return verify(*stores, summaries=world.summaries, **options).last_seq


def by_requests(world: World, first: int, last: int) -> int:
    """Return how far requests get of which each goes on where the one before it ended."""
    while first <= last:
        *_, first = (seq + 1 for seq in verify_some(world.past(), first, last))
    return last


def read(world: World, key: Key) -> Summary:
    summary = decode(world.summaries.stored[key], *key)
    assert summary is not None
    return summary


def forge(world: World, key: Key, change: Callable[[Summary], Summary]) -> None:
    """Put another summary in the place of one, as whoever can write the table can."""
    world.summaries.stored[key] = encode(change(read(world, key)), *key)


@settings(max_examples=100, deadline=None)
@given(batches, st.integers(1, 40), st.integers(0, 40), st.data())
def test_what_is_missing_or_ignored_is_no_fault(
    shape: list[tuple[list[int], dict[str, Any]]], first: int, length: int, data: st.DataObject
) -> None:
    world, made = World(), data.draw(st.integers(0, len(shape)))
    for place, (counts, fields) in enumerate(shape):
        world.put(*counts, **fields)
        if place == made:
            world.summarise()
    for key in sorted(world.summaries.stored):
        world.summaries.stored[key] = damaged(world, key, data.draw(damages))
    assert verified(world) == len(world.events)
    last = min(first + length, len(world.events))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tocsin.services.reading.verification.VERIFIED_EVENTS", 5)
        assert by_requests(world, first, last) == last


forgeries: dict[str, Callable[[Summary], Summary]] = {
    "says that nothing is there": lambda it: Gathered().summary(it.bounds),
    "ends before": lambda it: replace(it, last_ms=it.last_ms - 1),
    "begins after": lambda it: replace(it, first_ms=it.first_ms + 1),
    "is older": lambda it: replace(it, bounds=it.bounds._replace(sealed_at_ms=0)),
    "leads to another before it": lambda it: replace(
        it, bounds=it.bounds._replace(hash_before=b"x" * 32)
    ),
    "lacks a value of each": lambda it: replace(
        it, columns=tuple(column and column[3:] for column in it.columns)
    ),
    "knows what was left out": lambda it: replace(
        it, columns=tuple(b"" if column is None else column for column in it.columns)
    ),
}


@pytest.mark.parametrize("forgery", forgeries)
def test_one_that_hides_what_is_there_is_named_by_the_first_seq_of_its_stretch(
    forgery: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.wire.summary.MAX_SUMMARY_BYTES", 220)
    world = World()
    for number in range(30):
        world.put(2, 1, agent_id=f"a{number}", tool_name=f"t{number}", trace_id=f"x{number}")
    world.summarise()
    assert None in read(world, ("acme", 1, 0)).columns
    assert verified(world) == 90
    for key, was in sorted(world.summaries.stored.items()):
        _, level, number = key
        seqs = seqs_of(level, number)
        forge(world, key, forgeries[forgery])
        if world.summaries.stored[key] != was:
            with pytest.raises(IntegrityError, match="leads searches past") as caught:
                verified(world)
            if level == 0 or forgery.startswith("leads"):
                assert caught.value.seq == seqs.start
            assert caught.value.seq in seqs
            with pytest.raises(IntegrityError, match=f"seq {caught.value.seq}:"):
                by_requests(world, seqs.start, seqs[-1])
            assert by_requests(world, seqs[-1] + 1, 90) == 90
            assert by_requests(world, 1, seqs.start - 1) == seqs.start - 1
        world.summaries.stored[key] = was


@settings(max_examples=200, deadline=None)
@given(batches.filter(bool), st.data())
def test_whatever_is_forged_is_named_or_hides_nothing(
    shape: list[tuple[list[int], dict[str, Any]]], data: st.DataObject
) -> None:
    world = World()
    for counts, fields in shape:
        world.put(*counts, **fields)
    world.summarise()
    if not world.summaries.stored:
        return
    whole = {key: read(world, key) for key in world.summaries.stored}
    keys, summaries = st.sampled_from(sorted(whole)), st.sampled_from(list(whole.values()))
    for _ in range(data.draw(st.integers(1, 3))):
        key, other, bounds = data.draw(keys), data.draw(summaries), data.draw(summaries).bounds
        forged = replace(whole[key], columns=other.columns, last_ms=other.last_ms)
        if data.draw(st.booleans()):
            forged = replace(forged, bounds=bounds)
        world.summaries.stored[key] = encode(forged, *key)
    named = len(world.events) + 1
    try:
        verified(world)
    except IntegrityError as error:
        named = error.seq
    span = range(1, len(world.events) + 1)
    for wanted in (
        *(Wanted(Filter(agent_id=agent)) for agent in ("a", "b", "c")),
        Wanted(Filter(action="deny", tool_name="exec")),
        Wanted(Filter(session_id="s1"), START_MS, START_MS + 9 * DAY_MS),
    ):
        for forwards in (True, False):
            found = world.search(wanted, forwards=forwards)
            hidden = set(world.expected(wanted, span, forwards=forwards)) - set(found)
            assert not hidden or named <= min(hidden)


def test_requests_that_follow_each_other_leave_no_stretch_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tocsin.services.reading.verification.VERIFIED_EVENTS", 7)
    world = World()
    for _ in range(20):
        world.put(3, agent_id="a")  # no segment ends where a stretch does
    world.summarise()
    assert by_requests(world, 1, 60) == by_requests(world, 6, 60) == 60
    for key, was in sorted(world.summaries.stored.items()):
        forge(world, key, forgeries["says that nothing is there"])
        with pytest.raises(IntegrityError):
            by_requests(world, 1, 60)
        world.summaries.stored[key] = was


def test_a_stretch_that_a_range_has_in_part_is_not_its_matter() -> None:
    world = World()
    rare(world, 6)
    world.summarise()
    forge(world, ("acme", 0, 1), forgeries["says that nothing is there"])  # of seqs 5 to 8
    for first, last in ((6, 24), (1, 7), (6, 7), (9, 24)):
        assert by_requests(world, first, last) == last
    with pytest.raises(IntegrityError, match="seq 5: the summary of seqs 5 to 8"):
        by_requests(world, 5, 8)


def test_what_the_journal_has_dropped_is_no_fault_and_what_is_left_is_compared() -> None:
    for before in (True, False):
        world = World()
        for _ in range(12):
            world.put(2, 2, agent_id="a")
        if before:
            world.summarise()
        for first_seq in (1, 5, 9):
            lost = world.segment(first_seq).references[0]
            del world.journal.batches["acme", lost.batch_id]
        world.clock.ms += 2 * DAY_MS
        retention = Retention(world.clock.ms, 1)
        world.summarise(retention)
        assert verified(world, retention=retention) == 48
        forge(world, ("acme", 0, 1), lambda it: Gathered().summary(it.bounds))
        with pytest.raises(IntegrityError, match="seq 5:"):
            verified(world, retention=retention)


def test_one_above_is_not_made_of_what_was_read_as_it_was_before() -> None:
    """Summaries are read without strong consistency, and may be another ledger's for a moment."""
    world, other = World(), World()
    for _ in range(3):
        other.put(4, agent_id="gone")
        world.put(4, agent_id="wanted")
    other.summarise()
    stale = other.summaries.stored["acme", 0, 1]
    get = world.summaries.get

    def late(org: str, level: int, numbers: range) -> dict[int, bytes]:
        return {
            each: stale if each == 1 else data for each, data in get(org, level, numbers).items()
        }

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.summaries, "get", late)
        world.summarise()
    assert sorted(world.summaries.stored) == [("acme", 0, number) for number in range(3)]
    assert verified(world) == 12
    assert len(world.search(Wanted(Filter(agent_id="wanted")))) == 12
