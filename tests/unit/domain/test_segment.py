"""The chain: any edit, deletion, insertion or reordering is found, and the first bad seq named."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.events import batch
from tocsin.domain.batch import Batch
from tocsin.domain.errors import IntegrityError
from tocsin.domain.segment import Head, Segment, seal, verify


def sealed(*counts: int) -> tuple[Segment, list[bytes]]:
    batches = [batch(count=count, salt=salt) for salt, count in enumerate(counts)]
    segment, _ = seal("acme", Head.empty("acme"), batches, 1)
    assert len(segment.references) == len(batches)
    return segment, [entry for each in batches for entry in each.entries]


def test_the_chain_is_what_the_design_says() -> None:
    segment, entries = sealed(2)
    zero = sha256(b"tocsin/v1/acme").digest()
    one = sha256(zero + sha256(b"\x00" + entries[0]).digest()).digest()
    two = sha256(one + sha256(b"\x00" + entries[1]).digest()).digest()
    events = verify(segment, entries, zero)
    assert [(event.seq, event.prev_hash, event.hash) for event in events] == [
        (1, zero, one),
        (2, one, two),
    ]
    assert segment.hash_after == two
    assert (
        events[1].parse() | {"seq": 2, "lineage_hash": f"sha256:{two.hex()}"} == events[1].parse()
    )


def test_what_is_sealed_is_what_is_read_back() -> None:
    batches = [batch(count=3, salt=1), batch(count=2, salt=2)]
    first, _ = seal("acme", Head.empty("acme"), [batch()], 1)
    segment, events = seal("acme", first.head, batches, 1)
    entries = [entry for each in batches for entry in each.entries]
    assert events == verify(segment, entries, first.hash_after)
    assert [event.seq for event in events] == [2, 3, 4, 5, 6]


@given(st.data())
def test_any_change_of_the_entries_is_found_at_its_first_seq(data: st.DataObject) -> None:
    segment, entries = sealed(3, 4)
    place = data.draw(st.integers(0, 6))
    changed = list(entries)
    match data.draw(st.sampled_from(["edit", "delete", "insert", "swap"])):
        case "edit":
            changed[place] = entries[place].replace(b"tool-", b"TOOL-")
        case "delete":
            del changed[place]
        case "insert":
            changed.insert(place, b"{}")
        case "swap":
            other = data.draw(st.integers(0, 6).filter(lambda other: other != place))
            changed[place], changed[other] = changed[other], changed[place]
            place = min(place, other)
    with pytest.raises(IntegrityError) as caught:
        verify(segment, changed, segment.hash_before)
    assert caught.value.seq == place + 1


@pytest.mark.parametrize(
    "change",
    [
        {"hash_before": b"x" * 32},
        {"hash_after": b"x" * 32},
        {"first_seq": 2, "hash_before": b"x" * 32},
        {"references": ()},
    ],
)
def test_a_changed_segment_is_found(change: dict[str, object]) -> None:
    segment, entries = sealed(3)
    before = segment.hash_before
    with pytest.raises(IntegrityError):
        verify(replace(segment, **change), entries, before)  # type: ignore[arg-type]


def test_a_segment_takes_whole_batches_up_to_its_limit() -> None:
    batches = [batch(count=600, salt=salt) for salt in range(3)]
    segment, events = seal("acme", Head.empty("acme"), batches, 1)
    assert (len(segment.references), segment.count, len(events)) == (1, 600, 600)


def test_a_segment_spans_no_more_seconds_than_a_transaction_has_room_for() -> None:
    spread: list[Batch] = [batch(at_ms=1_774_000_000_000 + n * 1_000) for n in range(80)]
    segment, _ = seal("acme", Head.empty("acme"), spread, 1)
    assert len(segment.references) == 60


def test_sealing_time_never_goes_back() -> None:
    first, _ = seal("acme", Head.empty("acme"), [batch(salt=1)], 5_000)
    second, _ = seal("acme", first.head, [batch(salt=2)], 4_000)
    assert second.sealed_at_ms == 5_000
