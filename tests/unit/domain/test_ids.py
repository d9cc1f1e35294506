"""Ids: consecutive within a batch, and leading back to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from tocsin.domain.ids import (
    batch_of,
    batch_time_ms,
    event_ids,
    from_bytes,
    is_batch_id,
    is_name,
    new_batch_id,
    to_bytes,
)


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10), st.integers(1, 1_000))
def test_event_ids_are_consecutive_ulids_of_their_batch(at_ms: int, random: bytes, n: int) -> None:
    batch_id = new_batch_id(at_ms, random)
    assert is_batch_id(batch_id) and batch_time_ms(batch_id) == at_ms
    assert to_bytes(batch_id) == ULID.from_str(batch_id).bytes
    assert from_bytes(to_bytes(batch_id)) == batch_id
    ids = event_ids(batch_id, n)
    first = int(ULID.from_str(batch_id))
    assert [int(ULID.from_str(each.removeprefix("evt_"))) for each in ids] == list(
        range(first, first + n)
    )
    assert [batch_of(each) for each in ids] == [(batch_id, place) for place in range(n)]


@given(st.binary(min_size=16, max_size=16))
def test_bytes_are_written_as_ulids_are(ulid: bytes) -> None:
    assert from_bytes(ulid) == str(ULID.from_bytes(ulid)).lower()


@given(st.binary(max_size=20).filter(lambda ulid: len(ulid) != 16))
def test_other_bytes_are_refused(ulid: bytes) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        from_bytes(ulid)


@given(st.text())
def test_other_texts_are_no_event_ids(text: str) -> None:
    assert batch_of(text) is None


def test_names() -> None:
    assert is_name("acme-7") and is_name("a" * 64)
    assert not any(map(is_name, ["", "A", "a_b", "a" * 65, "a\n", "é"]))
