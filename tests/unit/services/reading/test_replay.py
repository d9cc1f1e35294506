from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.stores import FakeJournal, FakeLedger
from fakes.tenant import Tenant
from tocsin.domain import chain
from tocsin.domain.batch import Batch, UnreadableBatch
from tocsin.domain.errors import IntegrityError
from tocsin.domain.retention import Retention
from tocsin.domain.segment import SealedEvent, Segment
from tocsin.services.reading import replay, verification

HOUR_MS = 3_600_000
segments = st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=6), max_size=8)


def filled(shape: list[list[int]], **fields: object) -> tuple[Tenant, list[SealedEvent]]:
    tenant = Tenant()
    return tenant, [event for counts in shape for event in tenant.add(*counts, **fields)]


def read(tenant: Tenant, after_seq: int = 0, **bounds: Any) -> list[SealedEvent]:
    return replay.read(tenant.ledger, tenant.journal, tenant.org, after_seq, **bounds)


def change(tenant: Tenant, seq: int) -> None:
    """Change one stored entry."""
    for (org, id), found in tenant.journal.batches.items():
        assert isinstance(found, Batch)
        first = tenant.ledger.first_seqs(org, [id])[id]
        if first <= seq < first + found.count:
            entries = list(found.entries)
            entries[seq - first] = entries[seq - first].replace(b"tool-", b"fool-")
            tenant.journal.batches[org, id] = replace(found, entries=tuple(entries))
            return


def drop(tenant: Tenant, seq: int) -> None:
    """Lose the batch of an event."""
    for org, id in tenant.journal.batches:
        found = tenant.journal.batches[org, id]
        assert isinstance(found, Batch)
        first = tenant.ledger.first_seqs(org, [id])[id]
        if first <= seq < first + found.count:
            del tenant.journal.batches[org, id]
            return


@given(segments, st.data())
def test_steps_of_any_size_give_every_event_once_in_order(
    shape: list[list[int]], data: st.DataObject
) -> None:
    tenant, events = filled(shape)
    start = data.draw(st.integers(0, len(events)))
    seen, cursor = [], start
    while True:
        limit = data.draw(st.integers(1, 50))
        step = read(tenant, cursor, limit=limit, max_bytes=data.draw(st.integers(1, 10_000)))
        if not step:
            break
        assert len(step) <= limit
        seen += step
        cursor = step[-1].seq
    assert seen == events[start:]


def test_a_read_ends_soon_after_its_bytes_are_reached() -> None:
    tenant, _ = filled([[1] * 20] * 5, metadata={"text": "x" * 1_000})
    size_bytes = sum(len(event.entry) for event in read(tenant, max_bytes=10_000))
    assert 10_000 <= size_bytes < 12_000


class Counting(FakeJournal):
    fetched = 0

    def get(self, org: str, batch_ids: Sequence[str]) -> dict[str, Batch | UnreadableBatch]:
        self.fetched += len(batch_ids)
        return dict(super().get(org, batch_ids))


def test_only_what_is_wanted_is_fetched() -> None:
    tenant = Tenant(journal=Counting())
    for _ in range(10):
        tenant.add(*[10] * 10)
    assert len(read(tenant, 500, limit=25)) == 25
    assert isinstance(tenant.journal, Counting)
    assert tenant.journal.fetched == 3


@given(segments.filter(bool), st.data())
def test_a_changed_event_is_named_and_what_is_before_it_is_served(
    shape: list[list[int]], data: st.DataObject
) -> None:
    tenant, events = filled(shape)
    bad = data.draw(st.integers(1, len(events)))
    change(tenant, bad)
    batch_first = max(
        seq
        for s in tenant.ledger.by_org["acme"].values()
        for seq in s.first_seqs.values()
        if seq <= bad
    )
    cursor = 0
    with pytest.raises(IntegrityError) as caught:
        while step := read(tenant, cursor):
            cursor = step[-1].seq
    assert caught.value.seq == bad
    assert cursor == batch_first - 1
    with pytest.raises(IntegrityError, match=f"seq {bad}:"):
        verification.verify(tenant.ledger, tenant.journal, "acme")


@pytest.mark.parametrize("seq", [1, 12, 30])
def test_a_batch_that_is_gone_or_unreadable_is_an_integrity_error(seq: int) -> None:
    tenant, _ = filled([[5, 5], [5, 5], [5, 5]])
    drop(tenant, seq)
    with pytest.raises(IntegrityError, match="not in the journal"):
        verification.verify(tenant.ledger, tenant.journal, "acme")
    tenant, _ = filled([[5]])
    (key,) = tenant.journal.batches
    tenant.journal.batches[key] = UnreadableBatch("acme", key[1], "not a Zstandard frame")
    with pytest.raises(IntegrityError, match=r"seq 1: .*not a Zstandard frame"):
        read(tenant)


def tamper(tenant: Tenant, first_seq: int, **changes: object) -> None:
    segment: Segment = tenant.segment(first_seq)
    tenant.ledger.by_org["acme"][first_seq] = replace(segment, **changes)  # type: ignore[arg-type]


def test_a_segment_that_was_changed_is_found() -> None:
    leaf = chain.leaf(b"{}")
    for changes in (
        {"hash_before": leaf},
        {"hash_after": leaf},
        {"leaves": (leaf, leaf)},
        {"references": ()},
    ):
        tenant, _ = filled([[3], [2], [1]])
        tamper(tenant, 4, **changes)
        assert [event.seq for event in read(tenant)] == [1, 2, 3]
        with pytest.raises(IntegrityError) as caught:
            read(tenant, 3)
        assert caught.value.seq in (4, 6)
        with pytest.raises(IntegrityError):
            verification.verify(tenant.ledger, tenant.journal, "acme")


def test_a_ledger_must_begin_at_its_org() -> None:
    tenant, _ = filled([[3]])
    other = Tenant(org="other", ledger=tenant.ledger, journal=tenant.journal)
    other.ledger.by_org["other"] = tenant.ledger.by_org["acme"]
    with pytest.raises(IntegrityError, match="seq 1"):
        replay.read(other.ledger, other.journal, "other", 0)


def test_a_missing_segment_is_found() -> None:
    tenant, _ = filled([[3], [2], [1]])
    del tenant.ledger.by_org["acme"][4]
    assert len(read(tenant)) == 3
    with pytest.raises(IntegrityError, match="seq 4: no segment holds it"):
        read(tenant, 3)
    with pytest.raises(IntegrityError, match="seq 4: no segment holds it"):
        verification.verify(tenant.ledger, tenant.journal, "acme")


def test_a_segment_that_is_sealed_while_the_ledger_is_read_is_no_hole() -> None:
    class Growing(FakeLedger):
        def segments(self, org: str, from_seq: int, limit: int) -> Sequence[Segment]:
            found = super().segments(org, from_seq, limit)
            if from_seq == 4 and not self.asked:
                self.asked = True
                return found[1:]
            return found

        asked = False

    tenant = Tenant(ledger=Growing())
    for count in (3, 2, 1):
        tenant.add(count)
    assert [event.seq for event in read(tenant, 3)] == [4, 5, 6]


@pytest.mark.parametrize("after_seq", [3, 4])
def test_a_caller_that_knows_the_hash_before_is_told_when_it_has_changed(after_seq: int) -> None:
    tenant, events = filled([[3], [4]])
    known = events[after_seq - 1].hash
    ports = tenant.ledger, tenant.journal, "acme", after_seq
    assert replay.read(*ports, expected_hash=known) == events[after_seq:]
    with pytest.raises(IntegrityError, match=f"seq {after_seq + 1}:"):
        replay.read(*ports, expected_hash=chain.leaf(b"{}"))


def aged(shape: list[list[int]]) -> Tenant:
    """Seal one segment an hour."""
    tenant = Tenant()
    for counts in shape:
        tenant.clock.ms += HOUR_MS
        tenant.add(*counts)
    return tenant


def test_what_is_older_than_the_retention_is_a_gap_that_says_where_to_go_on() -> None:
    tenant = aged([[2]] * 10)
    for seq in (1, 3, 5):
        drop(tenant, seq)
    ports = tenant.ledger, tenant.journal, "acme"
    cutoff_ms = tenant.segment(9).sealed_at_ms  # the fourth is expired, too, and not dropped yet
    with pytest.raises(replay.Expired) as caught:
        replay.read(*ports, 1, retention=Retention(cutoff_ms, 0))
    assert (caught.value.after_seq, caught.value.first_seq) == (1, 9)
    assert len(replay.read(*ports, 8, retention=Retention(cutoff_ms, 0))) == 12
    assert len(replay.read(*ports, 6, retention=Retention(cutoff_ms, 0))) == 14
    verified = verification.verify(*ports, retention=Retention(cutoff_ms, 0))
    assert verified == verification.Verified(20, tenant.ledger.head("acme").hash, 6)


def test_a_gap_always_goes_on() -> None:
    tenant = Tenant()
    tenant.add(2)  # received before the cutoff, sealed after it
    cutoff_ms = tenant.clock.ms + 1
    tamper(tenant, 1, sealed_at_ms=cutoff_ms + HOUR_MS)
    drop(tenant, 1)
    with pytest.raises(replay.Expired) as caught:
        replay.read(tenant.ledger, tenant.journal, "acme", 0, retention=Retention(cutoff_ms, 0))
    assert caught.value.first_seq == 3


def test_what_is_missing_within_the_retention_is_no_gap() -> None:
    tenant = aged([[2]] * 3)
    drop(tenant, 5)
    with pytest.raises(IntegrityError, match="seq 5"):
        cutoff_ms = tenant.segment(3).sealed_at_ms
        replay.read(tenant.ledger, tenant.journal, "acme", 4, retention=Retention(cutoff_ms, 0))


def test_an_empty_ledger_verifies() -> None:
    verified = verification.verify(FakeLedger(), FakeJournal(), "acme")
    assert verified == verification.Verified(0, chain.genesis("acme"), 0)


@given(segments)
def test_a_whole_ledger_verifies(shape: list[list[int]]) -> None:
    tenant, events = filled(shape)
    verified = verification.verify(tenant.ledger, tenant.journal, "acme")
    assert verified.last_seq == len(events)
    assert verified.hash == tenant.ledger.head("acme").hash


def test_large_batches_are_asked_for_a_few_at_a_time_and_small_ones_together() -> None:
    for size, most in ((200_000, 16), (10, 100)):
        tenant, sealed = filled([[1] * 100], metadata={"text": "x" * size})
        asked, get = list[int](), tenant.journal.get

        def counted(org: str, ids: Sequence[str], get: Any = get, asked: Any = asked) -> Any:
            asked.append(len(ids))
            return get(org, ids)

        tenant.journal.get = counted  # type: ignore[method-assign, assignment]
        assert read(tenant, max_bytes=100_000_000) == sealed
        assert max(asked) <= most
        assert sum(asked) == 100
        assert len(asked) < (20 if size > 10 else 6)


def test_an_empty_segment_is_an_error_and_ends_every_read() -> None:
    tenant, _ = filled([[1], [1]])
    whole = tenant.segment(2)
    tenant.ledger.by_org["acme"][2] = replace(
        whole, references=(), leaves=(), hash_after=whole.hash_before
    )
    with pytest.raises(IntegrityError):
        verification.verify(tenant.ledger, tenant.journal, "acme")
    with pytest.raises(IntegrityError):
        read(tenant, 1)


def test_a_ledger_that_is_sealed_on_into_a_new_minute_meanwhile_holds() -> None:
    class Growing(FakeLedger):
        """Whose last minute began after its marks were read."""

        def all_marks(self, org: str) -> Iterator[tuple[int, int]]:
            return iter([*super().all_marks(org)][:-1])

    tenant = Tenant(ledger=Growing())
    tenant.add(3)
    for _ in range(2):
        tenant.clock.ms += 60_000
        tenant.add(1)
    assert verification.verify(tenant.ledger, tenant.journal, tenant.org).last_seq == 5


def test_a_mark_that_is_not_there_is_told_all_the_same() -> None:
    tenant = Tenant()
    tenant.add(3)
    tenant.clock.ms += 60_000
    tenant.add(1)
    tenant.ledger.minutes[tenant.org].popitem()
    with pytest.raises(IntegrityError, match="mark"):
        verification.verify(tenant.ledger, tenant.journal, tenant.org)
