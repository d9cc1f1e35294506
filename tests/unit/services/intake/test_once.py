"""Idempotency keys: however a request is repeated, raced or killed, its events are stored once."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.ingestion import EVENT, World
from fakes.interleave import Gate, Move, interleave
from fakes.stores import FakeJournal, FakeReceipts
from tocsin.domain import batch as batches
from tocsin.domain.batch import Batch
from tocsin.domain.errors import (
    Busy,
    Conflict,
    Invalid,
    Malformed,
    OutcomeUnknown,
    QuotaExhausted,
    Refused,
    TooLarge,
)
from tocsin.domain.ids import batch_time_ms
from tocsin.domain.keys import Scope, mint
from tocsin.domain.limits import SETTLED_MS
from tocsin.domain.org import Org
from tocsin.domain.receipt import Receipt
from tocsin.services.intake.stamp import _SAMPLE_ID, Draft
from tocsin.wire.intake.raw import parse

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
OTHER = EVENT | {"toolName": "other"}


class Failing(FakeJournal):
    """Raises ``error`` once, before or after it has stored."""

    error: Busy | None = None
    stores = False

    def put(self, batch: Batch, packed: bytes) -> None:
        error, self.error = self.error, None
        if error is None or self.stores:
            super().put(batch, packed)
        if error is not None:
            raise error


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def journal() -> Failing:
    return Failing()


@pytest.fixture
def failing(journal: Failing) -> World:
    return World(journal=journal)


def test_a_repetition_is_answered_the_same_and_stored_once(world: World) -> None:
    first = world.post(EVENT, idempotency_key="k")
    world.post(EVENT)
    assert world.post(EVENT, idempotency_key="k") == first
    assert len(world.stored) == world.used == 2


def test_a_repetition_of_a_partial_request_names_the_same_rejections(world: World) -> None:
    body = {"events": [EVENT | {"colour": 1}, {"type": "custom"}]}
    first = world.post(body, idempotency_key="k", partial=True)
    world.clock.ms += 60 * MINUTE_MS
    assert world.post(body, idempotency_key="k", partial=True) == first
    assert first["data"]["rejected"] == 1 and first["meta"]["ignoredFields"] == ["colour"]


def test_another_body_is_409(world: World) -> None:
    world.post(EVENT, idempotency_key="k")
    with pytest.raises(Conflict):
        world.post(OTHER, idempotency_key="k")
    with pytest.raises(Conflict):
        world.post(EVENT, idempotency_key="k", partial=True)
    assert len(world.stored) == world.used == 1


def test_a_compressed_repetition_is_the_same_body(world: World) -> None:
    body = json.dumps(EVENT).encode()
    first = world.post(body, idempotency_key="k")
    again = world.post(gzip.compress(body), idempotency_key="k", content_encoding="gzip")
    assert again == first


def test_after_24_hours_the_key_is_free(world: World) -> None:
    world.post(EVENT, idempotency_key="k")
    world.clock.ms += DAY_MS
    world.post(OTHER, idempotency_key="k")
    assert len(world.stored) == 2


def test_orgs_do_not_share_keys(world: World) -> None:
    token, key = mint("beta", frozenset({Scope.INGEST}), "n", 1)
    world.keys.put(key)
    world.orgs.put(Org("beta", 5))
    world.post(EVENT, idempotency_key="k")
    answer = world.post(EVENT, idempotency_key="k", authorization=f"Bearer {token}")
    assert answer["meta"]["remainingQuota"] == 4


@pytest.mark.parametrize("key", ["", " x", "é", "x" * 256, "a\nb"])
def test_what_cannot_be_a_key(world: World, key: str) -> None:
    with pytest.raises(Malformed, match="Idempotency-Key"):
        world.post(EVENT, idempotency_key=key)


def test_a_request_that_is_refused_leaves_its_key_free(world: World) -> None:
    with pytest.raises(Invalid):
        world.post({"type": "tool_call"}, idempotency_key="k")
    with pytest.raises(QuotaExhausted):
        world.post({"events": [EVENT] * 101}, idempotency_key="k")
    world.post(EVENT, idempotency_key="k")
    assert len(world.stored) == world.used == 1


def test_a_repetition_is_answered_though_the_quota_is_used_up(world: World) -> None:
    events = {"events": [EVENT] * 100}
    first = world.post(events, idempotency_key="k")
    assert world.post(events, idempotency_key="k") == first
    with pytest.raises(Conflict):
        world.post(OTHER, idempotency_key="k")
    with pytest.raises(QuotaExhausted):
        world.post(OTHER, idempotency_key="another")
    assert len(world.stored) == world.used == 100


def test_a_repetition_is_answered_though_it_packs_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    """How small a batch packs depends a little on its id: one just fits, with others it doesn't."""
    world, body = World(limit=10**6), {"events": [EVENT] * 50}
    answers = {key: world.post(body, idempotency_key=key) for key in map(str, range(30))}

    def packed_bytes(key: str) -> int:
        found = world.journal.batches["acme", world.receipts.receipts["acme", key].batch_id]
        assert isinstance(found, Batch)
        return len(batches.pack(found.entries))

    best = min(answers, key=packed_bytes)
    monkeypatch.setattr(batches, "MAX_PACKED_BYTES", packed_bytes(best))
    for _ in range(30):
        assert world.post(body, idempotency_key=best) == answers[best]
    with pytest.raises(TooLarge):
        for key in range(100, 130):
            world.post(body, idempotency_key=str(key))


def test_a_write_that_failed_is_made_good_by_the_next_request(
    failing: World, journal: Failing
) -> None:
    began_ms, journal.error = failing.clock.ms, Busy("throttled")
    with pytest.raises(Busy):
        failing.post(EVENT, idempotency_key="k")
    assert failing.stored == []
    failing.clock.ms += 5 * MINUTE_MS
    assert failing.post(EVENT, idempotency_key="k")["meta"] == {"remainingQuota": 99}
    ((_, batch_id),) = journal.batches
    assert batch_time_ms(batch_id) == began_ms  # the id in the receipt, and its time
    assert failing.stored[0]["received_at"] == failing.stored[0]["timestamp"]
    assert failing.used == 1


@pytest.mark.parametrize("stores", [False, True])
def test_a_write_whose_answer_was_lost(failing: World, journal: Failing, stores: bool) -> None:
    journal.error, journal.stores = OutcomeUnknown("no answer"), stores
    with pytest.raises(OutcomeUnknown):
        failing.post(EVENT, idempotency_key="k")
    assert failing.post(EVENT, idempotency_key="k")["meta"] == {"remainingQuota": 99}
    assert len(failing.stored) == failing.used == 1


@pytest.mark.parametrize(("error", "kept"), [(Busy("no"), 0), (OutcomeUnknown("?"), 1)])
def test_a_receipt_that_was_not_written_gives_the_quota_back(error: Busy, kept: int) -> None:
    class Refusing(FakeReceipts):
        def put(self, receipt: Receipt, now_ms: int, *, instead_of: str = "") -> Receipt:
            raise error

    world = World(receipts=Refusing())
    with pytest.raises(Busy):
        world.post(EVENT, idempotency_key="k")
    assert (world.used, world.stored) == (kept, [])


def test_hours_later_the_events_come_as_of_then(failing: World, journal: Failing) -> None:
    """So that the sweeper, which looks back ten minutes, can't miss them."""
    journal.error = Busy("throttled")
    with pytest.raises(Busy):
        failing.post(EVENT, idempotency_key="k")
    failing.clock.ms += SETTLED_MS - 30_000
    with pytest.raises(Busy) as caught:  # the first may be storing it as this looks
        failing.post(EVENT, idempotency_key="k")
    assert failing.stored == []
    failing.clock.ms += 1_000 * (caught.value.retry_after_seconds or 0)
    for hours in (0, 3, 20):
        failing.clock.ms += hours * 60 * MINUTE_MS
        assert failing.post(EVENT, idempotency_key="k")["meta"] == {"remainingQuota": 99}
        ((_, batch_id),) = journal.batches
        assert batch_time_ms(batch_id) == 1_774_000_000_000 + SETTLED_MS + 30_000
    assert failing.used == 1


def test_a_repetition_counts_in_the_month_that_it_is_stored_in() -> None:
    world = World(journal=Failing(), limit=10)
    world.clock.ms = 1_775_001_300_000  # 2026-03-31T23:55Z
    events = {"events": [EVENT] * 10}
    world.journal.error = Busy("throttled")  # type: ignore[attr-defined]
    with pytest.raises(Busy):
        world.post(events, idempotency_key="k")
    world.clock.ms += SETTLED_MS
    assert world.post(events, idempotency_key="k")["meta"] == {"remainingQuota": 0}
    assert world.stored[0]["received_at"].startswith("2026-04")
    with pytest.raises(QuotaExhausted):
        world.post(EVENT)
    assert world.post(events, idempotency_key="k")["meta"] == {"remainingQuota": 0}
    assert world.quota.taken["acme", "2026-04"] == len(world.stored) == 10


def test_a_repetition_that_finds_the_new_month_full_is_refused() -> None:
    world = World(journal=Failing(), limit=10)
    world.clock.ms = 1_775_001_300_000
    world.journal.error = Busy("throttled")  # type: ignore[attr-defined]
    with pytest.raises(Busy):
        world.post(EVENT, idempotency_key="k")
    world.clock.ms += SETTLED_MS
    world.post({"events": [OTHER] * 10})
    with pytest.raises(QuotaExhausted):
        world.post(EVENT, idempotency_key="k")
    assert world.quota.taken["acme", "2026-04"] == len(world.stored) == 10


def test_the_answer_near_the_limit_does_not_depend_on_the_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, events = World(limit=10**6), {"events": [EVENT] * 50}
    draft = Draft(parse(json.dumps(events).encode()).events, world.key, True)
    _, packed = draft.accepted(_SAMPLE_ID)
    sample = len(packed)
    for limit, taken in ((sample, 20), (sample - 1, 0)):
        monkeypatch.setattr(batches, "MAX_PACKED_BYTES", limit)
        answers = 0
        for _ in range(20):
            try:
                world.post(events)
            except TooLarge:
                continue
            answers += 1
        assert answers == taken


def test_late_twins_agree_on_the_new_batch(failing: World, journal: Failing) -> None:
    journal.error = Busy("throttled")
    with pytest.raises(Busy):
        failing.post(EVENT, idempotency_key="k")
    failing.clock.ms += 60 * MINUTE_MS
    get = journal.get

    def overtaken(*args: Any) -> Any:
        found = get(*args)
        journal.get = get  # type: ignore[method-assign]
        failing.service()(failing.request(EVENT, idempotency_key="k"))
        return found

    journal.get = overtaken  # type: ignore[method-assign,assignment]
    failing.post(EVENT, idempotency_key="k")
    assert len(failing.stored) == failing.used == 1


class Late(FakeJournal):
    """Knows the time, and takes nothing late."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def put(self, batch: Batch, packed: bytes) -> None:
        assert self.world.clock.ms - batch_time_ms(batch.id) < SETTLED_MS
        assert batch.received_at_ms == batch_time_ms(batch.id)
        super().put(batch, packed)


moves = st.sampled_from([Move.GO_ON] * 6 + [Move.CRASH_BEFORE, Move.CRASH_AFTER])
waits_ms = st.sampled_from([0, 1, 60_000, SETTLED_MS - 90_000, SETTLED_MS - 1, SETTLED_MS, 10**7])


@given(data=st.data())
def test_a_request_is_stored_once_whatever_happens(data: st.DataObject) -> None:
    world = World()
    world.journal = Late(world)
    crashes, answers = 0, dict[str, set[bytes]]()

    def run_of(name: str) -> Callable[[Gate], object]:
        def run(gate: Gate) -> None:
            request = world.request(EVENT | {"toolName": name}, idempotency_key="k")
            try:
                answers.setdefault(name, set()).add(world.service(gate)(request))
            except Refused as error:
                assert isinstance(error, Conflict | Busy)

        return run

    def choose(waiting: int) -> tuple[int, Move]:
        nonlocal crashes
        world.clock.ms += data.draw(st.integers(0, 1_000))  # a function ends after 29 s
        move = data.draw(moves)
        crashes += move is not Move.GO_ON
        return data.draw(st.integers(0, waiting - 1)), move

    for _ in range(data.draw(st.integers(1, 4))):
        names = data.draw(st.lists(st.sampled_from(["a", "a", "b"]), min_size=1, max_size=3))
        interleave([run_of(name) for name in names], choose)
        world.clock.ms += data.draw(waits_ms)
    world.clock.ms += SETTLED_MS
    for name in ("a", "b"):
        interleave([run_of(name)], lambda _: (0, Move.GO_ON))
    (told,) = [name for name, all in answers.items() if all]
    assert [event["tool_name"] for event in world.stored] == [told]
    assert len(answers[told]) == 1
    assert 1 <= world.used <= 1 + crashes
