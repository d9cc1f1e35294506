"""What every implementation of the stores' ports does."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from fakes.events import batch
from support.databases import Stores
from tocsin.domain import batch as batches
from tocsin.domain import chain, passes
from tocsin.domain.batch import Batch, UnreadableBatch
from tocsin.domain.errors import HeadMoved
from tocsin.domain.keys import Scope, mint
from tocsin.domain.org import Org, OrgStatus
from tocsin.domain.passes import Kind
from tocsin.domain.projection import Change, Projected
from tocsin.domain.receipt import Receipt
from tocsin.domain.segment import Head, Segment, seal
from tocsin.domain.set_aside import SetAsideItem
from tocsin.domain.stretches import Made
from tocsin.ports.intake import MOST_TOGETHER

in_sqlite_too = pytest.mark.parametrize("on", ["dynamodb", "fake", "sqlite"], indirect=True)


def put(on: Stores, each: Batch) -> None:
    on.journal.put(each, batches.pack(each.entries))


def commit(on: Stores, *each: Batch, now_ms: int = 1_774_000_000_000) -> Segment:
    head = on.ledger.head("acme")
    segment, _ = seal("acme", head, each, now_ms)
    assert len(segment.references) == len(each)
    on.ledger.commit(segment, head)
    return segment


def between(on: Stores, after_id: str, until_id: str, limit: int) -> list[Batch | UnreadableBatch]:
    found = on.journal.between("acme", after_id, until_id, limit)
    unpacked = [each.unpack() for each in found]
    assert [(each.org, each.id) for each in found] == [(each.org, each.id) for each in unpacked]
    return unpacked


@in_sqlite_too
class TestJournal:
    def test_a_batch_comes_back_as_it_was_put(self, on: Stores) -> None:
        one = batch(count=3)
        put(on, one)
        assert on.journal.get("acme", [one.id, "01km5a7k000000000000zzzz00"]) == {one.id: one}

    def test_of_two_batches_with_one_id_the_first_is_kept(self, on: Stores) -> None:
        one, other = batch(salt=1), batch(salt=1, tool_name="other")
        assert one.id == other.id
        put(on, one)
        put(on, other)
        assert between(on, "", "z", 10) == [one]

    def test_an_org_sees_only_its_own(self, on: Stores) -> None:
        one = batch("acme")
        put(on, one)
        assert on.journal.get("beta", [one.id]) == {}
        assert on.journal.between("beta", "", "z", 10) == []

    def test_between_is_open_below_and_closed_above(self, on: Stores) -> None:
        four = [batch(salt=salt) for salt in range(1, 5)]
        for each in reversed(four):
            put(on, each)
        assert between(on, four[0].id, four[2].id, 10) == four[1:3]
        assert between(on, "", "z", 2) == four[:2]

    def test_more_batches_than_one_call_returns(self, on: Stores) -> None:
        many = [batch(salt=salt) for salt in range(60)]
        for each in many:
            put(on, each)
        assert on.journal.get("acme", [each.id for each in many]) == {e.id: e for e in many}

    def test_batches_far_apart_and_such_as_are_not_there(self, on: Stores) -> None:
        many = [batch(salt=salt, count=salt % 3 + 1) for salt in range(40)]
        for each in many:
            put(on, each)
        wanted = [many[39], many[1], many[20], many[1]]
        missing = batch(salt=50).id
        found = on.journal.get("acme", [*(each.id for each in wanted), missing])
        assert found == {each.id: each for each in wanted}


class TestReceipts:
    NOW_MS = 1_774_000_000_000
    FIRST = Receipt("acme", "key", b"f" * 32, "01km5a7k000000000000000000", 7, 1_774_000_060)

    def test_the_first_is_kept_and_told_to_all(self, on: Stores) -> None:
        other = replace(self.FIRST, fingerprint=b"g" * 32, batch_id="01km5a7k0000000000000zzz00")
        assert on.receipts.find("acme", "key", self.NOW_MS) is None
        assert on.receipts.put(self.FIRST, self.NOW_MS) == self.FIRST
        assert on.receipts.put(other, self.NOW_MS) == self.FIRST
        assert on.receipts.put(self.FIRST, self.NOW_MS) == self.FIRST
        assert on.receipts.find("acme", "key", self.NOW_MS) == self.FIRST
        assert on.receipts.find("beta", "key", self.NOW_MS) is None

    def test_an_expired_one_makes_room(self, on: Stores) -> None:
        on.receipts.put(self.FIRST, self.NOW_MS)
        later_ms = 1_774_000_060_000
        assert on.receipts.find("acme", "key", later_ms - 1) == self.FIRST
        assert on.receipts.find("acme", "key", later_ms) is None
        again = replace(self.FIRST, quota_left=6, expires_at=1_774_000_120)
        assert on.receipts.put(again, later_ms - 1) == self.FIRST
        assert on.receipts.put(again, later_ms) == again
        assert on.receipts.find("acme", "key", later_ms) == again

    def test_one_of_two_replaces_a_batch_that_nobody_stored(self, on: Stores) -> None:
        on.receipts.put(self.FIRST, self.NOW_MS)
        one = replace(self.FIRST, batch_id="01km5a7k0000000000000zzz00")
        two = replace(self.FIRST, batch_id="01km5a7k0000000000000yyy00")
        assert on.receipts.put(one, self.NOW_MS, instead_of=self.FIRST.batch_id) == one
        assert on.receipts.put(two, self.NOW_MS, instead_of=self.FIRST.batch_id) == one

    def test_twins_are_told_the_same(self, on: Stores) -> None:
        twins = [batch(salt=salt).id for salt in range(8)]
        with ThreadPoolExecutor(8) as pool:
            told = set(
                pool.map(
                    lambda id: on.receipts.put(replace(self.FIRST, batch_id=id), self.NOW_MS),
                    twins,
                )
            )
        assert len(told) == 1

    def some(self, of: Batch, *keys: str) -> list[Receipt]:
        return [replace(self.FIRST, key=key, batch_id=of.id) for key in keys]

    def test_receipts_are_kept_with_their_batch_or_neither_is(self, on: Stores) -> None:
        first, second = batch(salt=1, count=2), batch(salt=2, count=2)
        one, two = self.some(first, "1", "2"), self.some(second, "2", "3")
        assert on.receipts.put_with(one, first, batches.pack(first.entries), self.NOW_MS)
        assert not on.receipts.put_with(two, second, batches.pack(second.entries), self.NOW_MS)
        assert on.receipts.find_all("acme", ["1", "2", "3", "4"], self.NOW_MS) == {
            each.key: each for each in one
        }
        assert on.receipts.find_all("beta", ["1"], self.NOW_MS) == {}
        assert on.receipts.find_all("acme", [], self.NOW_MS) == {}
        assert on.journal.get("acme", [first.id, second.id]) == {first.id: first}
        assert on.receipts.put(two[0], self.NOW_MS) == one[1]

    def test_expired_ones_make_room_for_those_with_a_batch(self, on: Stores) -> None:
        first, second = batch(salt=1), batch(salt=2)
        later_ms = 1_774_000_060_000
        on.receipts.put(self.some(first, "1")[0], self.NOW_MS)
        again = [replace(self.some(second, "1")[0], expires_at=1_774_000_120)]
        packed = batches.pack(second.entries)
        assert not on.receipts.put_with(again, second, packed, later_ms - 1)
        assert on.receipts.put_with(again, second, packed, later_ms)
        assert on.receipts.find_all("acme", ["1"], later_ms) == {"1": again[0]}

    def test_as_many_are_written_together_as_fit_a_transaction(self, on: Stores) -> None:
        whole = batch(count=MOST_TOGETHER)
        keys = [f" {at}" for at in range(MOST_TOGETHER)]
        packed = batches.pack(whole.entries)
        assert on.receipts.put_with(self.some(whole, *keys), whole, packed, self.NOW_MS)
        assert set(on.receipts.find_all("acme", keys, self.NOW_MS)) == set(keys)

    def test_of_twins_with_a_batch_each_one_is_stored(self, on: Stores) -> None:
        twins = [batch(salt=salt) for salt in range(4)]

        def put(one: Batch) -> bool:
            packed = batches.pack(one.entries)
            return on.receipts.put_with(self.some(one, "1", one.id), one, packed, self.NOW_MS)

        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(put, twins))
        assert done.count(True) == 1
        stored = on.journal.get("acme", [each.id for each in twins])
        assert set(stored) == {each.id for each, was in zip(twins, done, strict=True) if was}


@in_sqlite_too
class TestLedger:
    def test_an_empty_ledger_begins_at_genesis(self, on: Stores) -> None:
        assert on.ledger.head("acme") == Head(0, chain.genesis("acme"), 0)
        assert on.ledger.segments("acme", 1, 10) == []

    def test_segments_come_back_in_order_from_the_one_that_holds_a_seq(self, on: Stores) -> None:
        first = commit(on, batch(count=3, salt=1), batch(count=2, salt=2))
        second = commit(on, batch(count=1_000, salt=3))
        third = commit(on, batch(salt=4))
        assert (second.first_seq, third.first_seq) == (6, 1_006)
        assert on.ledger.head("acme") == third.head
        assert on.ledger.segments("acme", 1, 10) == [first, second, third]
        assert on.ledger.segments("acme", 5, 2) == [first, second]
        assert on.ledger.segments("acme", 1_005, 10) == [second, third]
        assert on.ledger.segments("acme", 1_006, 1) == [third]
        assert on.ledger.segments("acme", 1_007, 10) == []
        assert on.ledger.segments("beta", 1, 10) == []

    def test_segments_come_back_newest_first_from_the_one_that_holds_a_seq(
        self, on: Stores
    ) -> None:
        first = commit(on, batch(count=3, salt=1), batch(count=2, salt=2))
        second = commit(on, batch(count=1_000, salt=3))
        third = commit(on, batch(salt=4))
        assert on.ledger.segments_before("acme", 1_006, 10) == [third, second, first]
        assert on.ledger.segments_before("acme", 9_999, 1) == [third]
        assert on.ledger.segments_before("acme", 1_005, 2) == [second, first]
        assert on.ledger.segments_before("acme", 5, 2) == [first]
        assert on.ledger.segments_before("acme", 0, 2) == []
        assert on.ledger.segments_before("beta", 5, 2) == []

    def test_the_second_of_two_commits_at_one_head_is_refused(self, on: Stores) -> None:
        head = on.ledger.head("acme")
        one, other = batch(salt=1), batch(salt=2)
        segment, _ = seal("acme", head, [one], 1)
        rival, _ = seal("acme", head, [other], 1)
        on.ledger.commit(segment, head)
        with pytest.raises(HeadMoved):
            on.ledger.commit(rival, head)
        assert on.ledger.first_seqs("acme", [one.id, other.id]) == {one.id: 1}

    def test_a_commit_is_refused_when_a_marker_was_added_since_they_were_read(
        self, on: Stores
    ) -> None:
        at_ms = 1_774_000_000_000
        one, other, third = (batch(at_ms=at_ms + step, salt=step) for step in range(3))
        counts = on.ledger.markers("acme", [one.id]).counts
        assert counts == {}
        first, _ = seal("acme", on.ledger.head("acme"), [one], 1)
        on.ledger.commit(first, on.ledger.head("acme"), counts)
        second, _ = seal("acme", on.ledger.head("acme"), [other], 1)
        if on.ledger.markers("acme", [other.id]).counts:  # those of a file need none
            with pytest.raises(HeadMoved):
                on.ledger.commit(second, first.head, counts)
        on.ledger.commit(second, first.head, on.ledger.markers("acme", [other.id]).counts)
        again, _ = seal("acme", on.ledger.head("acme"), [third, one], 1)
        if not on.ledger.markers("acme", [one.id]).counts:
            with pytest.raises(HeadMoved):  # a batch has one marker there
                on.ledger.commit(again, second.head, {})
        assert on.ledger.head("acme") == second.head
        marked = {one.id: 1, other.id: 2}
        assert on.ledger.markers("acme", [one.id, third.id, other.id]).first_seqs == marked
        assert sorted(on.ledger.all_markers("acme")) == sorted(marked.items())
        assert list(on.ledger.all_marks("acme")) == []
        assert list(on.ledger.all_markers("beta")) == []

    def test_all_marks_ascend(self, on: Stores) -> None:
        for salt in range(3):
            commit(on, batch(salt=salt), now_ms=60_000 * (salt + 1))
        assert list(on.ledger.all_marks("acme")) == [(1, 1), (2, 2), (3, 3)]

    def test_a_segment_keeps_how_long_its_batches_are_kept(self, on: Stores) -> None:
        if type(on.ledger).__name__ == "SqliteLedger":
            return  # its journal drops nothing
        segment, _ = seal("acme", on.ledger.head("acme"), [batch()], 1, 30)
        on.ledger.commit(segment, on.ledger.head("acme"))
        assert on.ledger.segments("acme", 1, 1) == [segment]
        assert segment.kept_days == 30

    def test_markers_lead_from_batches_to_seqs(self, on: Stores) -> None:
        times = [1_774_000_000_000, 1_774_000_000_999, 1_774_000_001_000, 1_774_000_050_000]
        four = [batch(count=2, at_ms=at_ms, salt=at_ms % 7) for at_ms in times]
        commit(on, *four[:2])
        commit(on, *four[2:])
        expected = {each.id: 1 + 2 * place for place, each in enumerate(four)}
        unsealed = batch(salt=9)
        assert on.ledger.first_seqs("acme", [*expected, unsealed.id]) == expected
        assert on.ledger.first_seqs("beta", expected) == {}
        assert on.ledger.first_seqs("acme", []) == {}

    def test_marks_lead_from_minutes_to_seqs(self, on: Stores) -> None:
        minute = 1_774_000_000_000 // 60_000
        times = [0, 59_999, 60_000, 60_001, 300_000]
        for salt, after_ms in enumerate(times):
            commit(on, batch(count=2, salt=salt), now_ms=minute * 60_000 + after_ms)
        found = [on.ledger.first_sealed("acme", minute + after) for after in range(-1, 7)]
        assert found == [1, 1, 5, 9, 9, 9, 9, None]
        assert on.ledger.first_sealed("acme", 0) == 1
        assert on.ledger.first_sealed("beta", minute) is None

    def test_a_segment_of_many_small_batches(self, on: Stores) -> None:
        many = [batch(at_ms=1_774_000_000_000 + salt, salt=salt) for salt in range(1_024)]
        commit(on, *many)
        first_seqs = on.ledger.first_seqs("acme", [each.id for each in many])
        assert sorted(first_seqs.values()) == list(range(1, 1_025))


class TestState:
    def test_keys_are_found_by_org_and_id(self, on: Stores) -> None:
        scopes = frozenset({Scope.READ, Scope.INGEST})
        _, key = mint("acme", scopes, "laptop", 5)
        _, newer = mint("acme", scopes, "ci", 6)
        on.keys.put(newer)
        on.keys.put(key)
        assert on.keys.get("acme", key.id) == key
        assert on.keys.get("beta", key.id) is None
        assert on.keys.all("acme") == [key, newer]
        on.keys.put(key.revoked(9))
        assert on.keys.get("acme", key.id) == key.revoked(9)

    def test_keys_keep_the_types_their_streams_may_show(self, on: Stores) -> None:
        _, key = mint("acme", frozenset({Scope.READ}), "soc", 5)
        for types in (frozenset({"anomaly", "approval.created"}), frozenset[str](), None):
            on.keys.put(replace(key, types=types))
            assert on.keys.get("acme", key.id) == replace(key, types=types)

    def test_orgs_and_how_far_they_are_swept(self, on: Stores) -> None:
        on.orgs.put(Org("beta", 10))
        on.orgs.put(Org("acme"))
        on.orgs.put(Org("acme", 7))
        assert on.orgs.all() == [Org("acme", 7), Org("beta", 10)]
        assert (on.orgs.get("beta"), on.orgs.get("zeta")) == (Org("beta", 10), None)
        assert on.orgs.swept_until("acme") == ""
        on.orgs.set_swept_until("acme", "01")
        assert on.orgs.swept_until("acme") == "01"

    def test_an_org_is_changed_from_where_it_was(self, on: Stores) -> None:
        first, more = Org("acme", 7), Org("acme", 8)
        assert on.orgs.change(first, None)
        assert not on.orgs.change(more, None)
        assert not on.orgs.change(more, more)
        assert on.orgs.change(more, first)
        was = more
        for at, status in enumerate(OrgStatus):
            now = Org("acme", 8, status, at)
            assert on.orgs.change(now, was)
            assert on.orgs.get("acme") == now
            for other in (first, replace(now, since_ms=99), replace(now, status=OrgStatus.ACTIVE)):
                if other != now:
                    assert not on.orgs.change(first, other)
            was = now
        held = replace(was, held_since_ms=7)
        assert on.orgs.change(held, was)
        assert not on.orgs.change(was, was)
        assert on.orgs.get("acme") == held
        assert on.orgs.change(was, held)
        assert on.orgs.all() == [was]

    def test_quota_is_taken_only_as_far_as_the_limit(self, on: Stores) -> None:
        assert on.quota.reserve("acme", "2026-11", 11, 10) is None
        assert on.quota.reserve("acme", "2026-11", 4, 10) == 6
        assert on.quota.reserve("acme", "2026-11", 6, 10) == 0
        assert on.quota.reserve("acme", "2026-11", 1, 10) is None
        on.quota.release("acme", "2026-11", 6)
        assert on.quota.used("acme", "2026-11") == 4
        assert on.quota.used("acme", "2026-12") == 0
        assert on.quota.reserve("acme", "2026-12", 10, 10) == 0

    def test_quota_holds_under_concurrency(self, on: Stores) -> None:
        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(lambda _: on.quota.reserve("acme", "2026-11", 3, 100), range(50)))
        assert sum(left is not None for left in taken) == 33
        assert on.quota.used("acme", "2026-11") == 99

    def test_the_set_aside_list(self, on: Stores) -> None:
        item = SetAsideItem("acme", "b1", "why", 3)
        assert on.set_aside.add(item)
        assert not on.set_aside.add(SetAsideItem("acme", "b1", "why again", 4))
        assert on.set_aside.all("acme") == [item]
        assert on.set_aside.all("beta") == []


class TestPasses:
    @pytest.mark.parametrize("kind", Kind)
    def test_a_pass_is_found_by_its_kind_org_and_token(self, on: Stores, kind: Kind) -> None:
        token, one = a_pass(kind)
        on.passes.put(one)
        claimed = passes.claim(kind, token)
        assert claimed
        assert on.passes.get(kind, *claimed) == one
        org, digest = claimed
        (other,) = set(Kind) - {kind}
        assert on.passes.get(other, org, digest) is None
        assert on.passes.get(kind, "beta", digest) is None
        assert on.passes.take(kind, "beta", digest) is None
        assert on.passes.get(kind, org, digest[::-1]) is None

    def test_a_pass_is_taken_once(self, on: Stores) -> None:
        _, one = a_pass(Kind.TICKET)
        _, other = a_pass(Kind.TICKET)
        on.passes.put(one)
        on.passes.put(other)
        with ThreadPoolExecutor(8) as pool:
            take = [pool.submit(on.passes.take, one.kind, one.org, one.digest) for _ in range(24)]
            taken = [each.result() for each in take]
        assert [each for each in taken if each] == [one]
        assert on.passes.get(one.kind, one.org, one.digest) is None
        assert on.passes.get(other.kind, other.org, other.digest) == other


def a_pass(kind: Kind) -> tuple[str, passes.Pass]:
    """Make one that the emulator, which has a clock of its own, does not expire meanwhile."""
    _, key = mint("acme", frozenset({Scope.READ}), "n", 1)
    return passes.mint(kind, key, int(time.time() * 1_000) + 3_600_000)


class TestSummaries:
    def test_those_that_are_there_are_found_by_level_and_number(self, on: Stores) -> None:
        for number in (0, 1, 9, 10, 100, 10**9):
            on.summaries.put("acme", 0, number, b"%d" % number)
        on.summaries.put("acme", 1, 1, b"above")
        on.summaries.put("acme", 10, 1, b"far above")
        on.summaries.put("beta", 0, 2, b"another's")
        on.summaries.put("acme", 0, 9, b"again")
        assert on.summaries.get("acme", 0, range(0, 64)) == {
            **{0: b"0", 1: b"1"},
            **{9: b"again", 10: b"10"},
        }
        assert on.summaries.get("acme", 0, range(10**9, 10**9 + 1)) == {10**9: b"1000000000"}
        assert on.summaries.get("acme", 1, range(0, 64)) == {1: b"above"}
        assert on.summaries.get("acme", 2, range(0, 64)) == {}
        assert on.summaries.get("acme", 0, range(5, 5)) == {}

    def test_how_far_they_are_made_is_remembered(self, on: Stores) -> None:
        assert on.summaries.made("acme") == Made()
        for made in (Made(7, b"hash", 1), Made(0, b"", 2)):
            on.summaries.set_made("acme", made)
            assert on.summaries.made("acme") == made
        assert on.summaries.made("beta") == Made()


class TestProjections:
    def test_a_run_counts_once_in_an_item(self, on: Stores) -> None:
        first, second = Projected(0, 2), Projected(2, 3)
        change = Change("session", "s1", 1, "t1", 2, "t2", {"events": 2, "cost_nano_usd": 0})
        later = Change("session", "s1", 3, "t3", 3, "t3", {"events": 1, "cost_nano_usd": 5})
        for run, each in [(first, change), (first, change), (second, later), (first, change)]:
            on.projections.apply("acme", run, each)
        assert on.projections.get("acme", "session", "s1") == {
            "through_seq": 3,
            "first_seq": 1,
            "first_timestamp": "t1",
            "last_seq": 3,
            "last_timestamp": "t3",
            "events": 3,
            "cost_nano_usd": 5,
        }
        assert on.projections.get("acme", "agent", "s1") is None

    def test_a_run_is_claimed_once_and_ends_once(self, on: Stores) -> None:
        start = on.projections.cursor("acme")
        assert start == Projected(0, 0)
        run = Projected(0, 5)
        assert on.projections.claim("acme", start, run)
        assert not on.projections.claim("acme", start, Projected(0, 9))
        assert on.projections.cursor("acme") == run
        on.projections.advance("acme", run)
        assert on.projections.cursor("acme") == Projected(5, 5)
        following = Projected(5, 7)
        assert on.projections.claim("acme", Projected(5, 5), following)
        on.projections.advance("acme", run)  # by one who was slow
        assert on.projections.cursor("acme") == following
        on.projections.advance("acme", following)
        assert on.projections.cursor("acme").through_seq == 7
        assert on.projections.cursor("beta") == Projected()

    def test_a_claim_says_when_it_was_made(self, on: Stores) -> None:
        assert on.projections.cursor("acme").claimed_at_ms == 0
        run = Projected(0, 5, claimed_at_ms=1_774_000_000_000)
        assert on.projections.claim("acme", Projected(0, 0), run)
        late = Projected(0, 5, claimed_at_ms=1_774_000_000_001)
        assert not on.projections.claim("acme", Projected(0, 0), late)
        for _ in range(2):
            assert on.projections.cursor("acme").claimed_at_ms == run.claimed_at_ms
            on.projections.advance("acme", run)

    def test_an_item_may_change_without_counting(self, on: Stores) -> None:
        on.projections.apply("acme", Projected(0, 1), Change("agent", "a", 1, "t", 1, "t"))
        counted = Change(
            "agent", "a", 2, "t", 2, "t", {"events": 1}, {"last_model": "", "seen": ""}
        )
        on.projections.apply("acme", Projected(1, 2), counted)
        item = on.projections.get("acme", "agent", "a")
        assert item is not None
        assert (item["first_seq"], item["events"], item["last_model"]) == (1, 1, "")

    def test_items_are_found_by_their_keys(self, on: Stores) -> None:
        long = "\N{GRINNING FACE}" * 250
        keys = [("agent", f"a{n}") for n in range(120)] + [("session", "a1"), ("day-tool", long)]
        for kind, id in keys[:2] + keys[-2:]:
            on.projections.apply("acme", Projected(0, 1), Change(kind, id, 1, "t", 1, "t"))
        assert on.projections.items("acme", keys, 0).keys() == {*keys[:2], *keys[-2:]}
        assert on.projections.items("acme", keys, 1) == {}
        assert on.projections.items("acme", [], 0) == {}

    def test_a_list_is_of_the_newest_and_has_each_where_it_was_last(self, on: Stores) -> None:
        def see(run: Projected, id: str, first_seq: int, was: str, now: str) -> None:
            texts = {"seen": now, "seen_before": was}
            change = Change("agent", id, run.until_seq, "t", run.until_seq, "t", {}, texts)
            change.place = f"{now}#{first_seq:016}"
            change.left = f"{was}#{first_seq:016}" if was else ""
            for _ in range(2):  # it is repeated
                on.projections.apply("acme", run, change)

        def listed(before: str = "", limit: int = 10) -> list[str]:
            return [id for id, _ in on.projections.newest("acme", "agent", before, limit, 0)]

        one, two, three, four = (f"2026-11-27T10:{minute:02}" for minute in (0, 5, 10, 15))
        see(Projected(0, 1), "a", 1, "", one)
        see(Projected(1, 2), "b", 2, "", one)
        see(Projected(2, 3), "c", 3, "", two)
        assert listed() == ["c", "b", "a"]
        assert listed(limit=2) == ["c", "b"]
        assert listed(f"{one}#{2:016}") == ["a"]
        see(Projected(3, 4), "a", 1, one, three)
        assert listed() == ["a", "c", "b"]
        see(Projected(4, 5), "a", 1, three, four)
        see(Projected(3, 4), "a", 1, one, three)  # by one who was slow
        assert listed() == ["a", "c", "b"]
        assert listed(f"{four}#{1:016}", 1) == ["c"]
        assert on.projections.newest("acme", "session", "", 10, 0) == []
        assert on.projections.newest("beta", "agent", "", 10, 0) == []

    def test_days_are_found_from_one_to_another(self, on: Stores) -> None:
        ids = ["2026-11-26#z", "2026-11-27#", "2026-11-27#\U0010ffff", "2026-11-28#a"]
        for id in ids:
            on.projections.apply("acme", Projected(0, 1), Change("day-model", id, 1, "t", 1, "t"))
        on.projections.apply("acme", Projected(0, 1), Change("day", "2026-11-27", 1, "t", 1, "t"))

        def between(kind: str, first: str, last: str) -> list[str]:
            return [id for id, _ in on.projections.between("acme", kind, first, last, 0)]

        assert between("day-model", "2026-11-27", "2026-11-27") == ids[1:3]
        assert between("day-model", "2026-11-26", "2026-11-28") == ids
        assert between("day-model", "2026-11-29", "2026-12-28") == []
        assert between("day", "2026-11-27", "2026-11-27") == ["2026-11-27"]

    def test_what_runs_kept_of_calls_is_found_from_the_last_one_on(self, on: Stores) -> None:
        seqs = range(1, 60)
        for seq in seqs:
            change = Change("calls", f"{seq:016}", seq + 1, "", seq + 1, texts={"told": str(seq)})
            on.projections.apply("acme", Projected(seq, seq + 1), change)

        def told(before_seq: int, org: str = "acme", generation: int = 0) -> list[str]:
            found = on.projections.calls(org, f"{before_seq:016}", generation)
            return [str(item["told"]) for item in found]

        assert told(99) == [str(seq) for seq in reversed(seqs)]
        assert told(3) == ["2", "1"]
        assert told(1) == told(99, "beta") == told(99, generation=1) == []
        on.projections.drop("acme", 0)
        assert told(99) == []

    def test_a_cursor_says_from_where_on_reports_of_a_call_count_once(self, on: Stores) -> None:
        assert on.projections.claim("acme", Projected(), Projected(0, 2))
        assert on.projections.cursor("acme").linked_after == 0
        on.projections.advance("acme", Projected(0, 2))
        assert on.projections.claim("acme", Projected(2, 2), Projected(2, 3))
        assert on.projections.cursor("acme").linked_after == 0

    def test_a_run_s_new_items_are_counted_once(self, on: Stores) -> None:
        run = Projected(0, 5)
        on.projections.claim("acme", Projected(), run)
        for _ in range(2):
            on.projections.advance("acme", run, b"hash", {"agent": 2, "session": 0})
        following = Projected(5, 6)
        on.projections.claim("acme", on.projections.cursor("acme"), following)
        on.projections.advance("acme", following, b"hash", {"agent": 1, "session": 1})
        at = on.projections.cursor("acme")
        assert (dict(at.counts), at.counted_after) == ({"agent": 3, "session": 1}, 0)

    def test_a_generation_is_made_beside_the_one_that_is_served(self, on: Stores) -> None:
        old, new = Projected(0, 3), Projected(0, 2, generation=1)
        change = Change("agent", "a", 1, "t", 1, "t", {"events": 1}, {"seen": "s"}, place="s#1")
        on.projections.claim("acme", Projected(), old)
        on.projections.apply("acme", old, change)
        on.projections.advance("acme", old)
        assert on.projections.remake("acme") == on.projections.remake("acme") == 1
        assert on.projections.cursor("acme", 1) == Projected(generation=1)
        assert on.projections.claim("acme", Projected(generation=1), new)
        assert not on.projections.claim("acme", Projected(generation=1), Projected(0, 9, b"", 1))
        on.projections.apply("acme", new, change)
        on.projections.advance("acme", new, b"h", {"agent": 1})
        assert on.projections.cursor("acme") == Projected(3, 3)
        on.projections.serve("acme", 2)
        assert on.projections.cursor("acme").generation == 0
        on.projections.serve("acme", 1)
        on.projections.serve("acme", 1)
        at = on.projections.cursor("acme")
        assert (at, dict(at.counts)["agent"]) == (Projected(2, 2, b"h", 1), 1)
        on.projections.drop("acme", 0)
        on.projections.drop("acme", 0)
        assert on.projections.cursor("acme") == at
        assert on.projections.cursor("acme", 0) == Projected()
        assert on.projections.get("acme", "agent", "a") is None
        assert on.projections.newest("acme", "agent", "", 9, 0) == []
        assert on.projections.get("acme", "agent", "a", 1) is not None
        assert on.projections.remake("acme") == 2

    def test_generations_are_made_of_an_org_that_has_no_projections(self, on: Stores) -> None:
        assert on.projections.remake("acme") == 1
        assert on.projections.cursor("acme") == Projected()
        assert on.projections.claim("acme", Projected(), Projected(0, 1))
        on.projections.serve("acme", 1)
        assert on.projections.cursor("acme") == Projected(generation=1)
