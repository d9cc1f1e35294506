"""Packing batches, and refusing what ingestion did not pack."""

import os
from dataclasses import replace

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from fakes.events import batch
from tocsin.domain.batch import check, pack, unpack
from tocsin.domain.errors import Poison, TooLarge
from tocsin.domain.limits import MAX_PACKED_BYTES

lines = st.binary(min_size=1).filter(lambda entry: b"\n" not in entry)


@given(st.lists(lines, min_size=1, max_size=50))
def test_entries_come_back_as_they_were(entries: list[bytes]) -> None:
    assert unpack(pack(entries), len(entries)) == tuple(entries)


@given(st.binary(), st.integers(0, 3))
def test_any_bytes_are_poison_and_nothing_worse(packed: bytes, count: int) -> None:
    with pytest.raises(Poison):
        unpack(packed, count)


@given(st.data())
def test_a_changed_byte_never_passes_unnoticed_as_other_entries(data: st.DataObject) -> None:
    one = batch(count=3)
    packed = bytearray(pack(one.entries))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        entries = unpack(bytes(packed), 3)
    except Poison:
        return
    # A frame without a checksum may still inflate: then the leaves of the ledger tell.
    assert entries != one.entries or bytes(packed) != pack(one.entries)


def test_a_single_event_shares_its_text_with_the_dictionary() -> None:
    one = batch()
    assert len(pack(one.entries)) < len(zstd.compress(one.entries[0])) * 0.7


def test_a_batch_that_does_not_fit_into_an_item_is_refused() -> None:
    noise = os.urandom(MAX_PACKED_BYTES).hex().encode()
    with pytest.raises(TooLarge, match="send fewer events"):
        pack([noise])


def test_a_frame_that_inflates_beyond_the_limit_is_poison() -> None:
    bomb = b"\x01" + zstd.compress(b"0" * 100_000_000)
    with pytest.raises(Poison):
        unpack(bomb, 1)


def test_a_batch_that_ingestion_made_passes() -> None:
    check(batch(count=5))


@pytest.mark.parametrize("entry", [b"[]", b"1", b"nonsense", b"{}", b'{"id":"evt_1"}'])
def test_an_entry_that_ingestion_did_not_make_is_poison(entry: bytes) -> None:
    with pytest.raises(Poison):
        check(replace(batch(), entries=(entry,)))


def test_entries_in_another_place_are_poison() -> None:
    one = batch(count=2)
    with pytest.raises(Poison):
        check(replace(one, entries=one.entries[::-1]))
