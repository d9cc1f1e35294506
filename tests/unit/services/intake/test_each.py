"""Events with an identity: however requests are cut, repeated, raced or killed, each is once."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.ingestion import World
from fakes.interleave import Gate, Move, interleave
from fakes.stores import FakeJournal, FakeLedger
from tocsin.domain.batch import Batch
from tocsin.domain.errors import Busy, OutcomeUnknown, QuotaExhausted, Refused, TooLarge
from tocsin.domain.ids import batch_time_ms
from tocsin.domain.keys import Scope, mint
from tocsin.domain.limits import MAX_EVENTS_PER_BATCH, SETTLED_MS
from tocsin.domain.org import event_source
from tocsin.ports.intake import MOST_TOGETHER
from tocsin.services.intake.ingest import IngestRequest
from tocsin.wire.intake.cloudevents.formats import BATCHED, STRUCTURED, format_of

DAY_MS = 24 * 3_600_000


def event(id: object, **more: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": str(id), "source": "/s", "type": "a.b", **more}


def request(world: World, *events: Any, alone: bool | None = None, **changes: Any) -> IngestRequest:
    single = len(events) == 1 if alone is None else alone
    content_type = STRUCTURED if single else BATCHED
    body = events[0] if single else list(events)
    return world.request(body, content_type=content_type, **changes)


def post(world: World, *events: Any, **changes: Any) -> dict[str, Any]:
    asked = request(world, *events, **changes)
    told: dict[str, Any] = json.loads(world.ingest(asked, format_of(asked.content_type, ())))
    return {**told["data"], **told["meta"]}


def ids(world: World) -> list[str]:
    return sorted(each["source_id"] for each in world.stored)


@pytest.fixture
def world() -> World:
    return World()


def test_an_event_is_stored_once_alone_and_in_batches(world: World) -> None:
    assert post(world, event(1)) == {
        "ingested": 1,
        "duplicates": 0,
        "rejected": 0,
        "remainingQuota": 99,
    }
    assert post(world, event(1))["duplicates"] == 1
    told = post(world, event(1), event(2), event(3), event(2))
    assert (told["ingested"], told["duplicates"], told["remainingQuota"]) == (2, 2, 97)
    told = post(world, event(3), event(2))
    assert (told["ingested"], told["duplicates"], told["remainingQuota"]) == (0, 2, 97)
    assert post(world, event(3))["duplicates"] == 1
    told = post(world, event(3), event(4), event(1))
    assert (told["ingested"], told["duplicates"], told["remainingQuota"]) == (1, 2, 96)
    assert ids(world) == ["1", "2", "3", "4"]
    assert world.used == 4


def test_another_source_is_another_event(world: World) -> None:
    post(world, event(1), event(1, source="/other"))
    post(world, event("1/s", source="/"), event("s1", source="/"))
    assert len(world.stored) == 4


def test_the_first_stands_whatever_a_later_one_says(world: World) -> None:
    post(world, event(1, data="first"), event(1, data="second"))
    post(world, event(1, data="third"))
    post(world, event(1, data="fourth"), event(2))
    assert [each.get("data") for each in world.stored] == ["first", None]


def test_an_idempotency_key_changes_nothing(world: World) -> None:
    post(world, event(1), idempotency_key="k")
    assert post(world, event(1), idempotency_key="other")["duplicates"] == 1
    assert post(world, event(2), idempotency_key="k")["ingested"] == 1


def test_an_agent_s_key_can_not_take_the_ids_of_others(world: World) -> None:
    token, key = mint("acme", frozenset({Scope.INGEST}), "n", 1, agent="rogue")
    world.keys.put(key)
    post(world, event(1), event(2), authorization=f"Bearer {token}")
    post(world, event(3), authorization=f"Bearer {token}")
    assert post(world, event(1), event(2), event(3))["ingested"] == 3


def test_after_24_hours_an_identity_is_free(world: World) -> None:
    post(world, event(1), event(2))
    world.clock.ms += DAY_MS
    assert post(world, event(1), event(2))["ingested"] == 2


def test_more_than_a_transaction_holds_comes_in_several(world: World) -> None:
    world = World(limit=2_000)
    events = [event(at) for at in range(MAX_EVENTS_PER_BATCH)]
    assert post(world, *events)["ingested"] == MAX_EVENTS_PER_BATCH
    assert [each["source_id"] for each in world.stored] == [str(at) for at in range(1_000)]
    told = post(world, *events[500:], event("x"))
    assert (told["ingested"], told["duplicates"]) == (1, 500)
    assert told["remainingQuota"] == 2_000 - world.used == 999


def test_nothing_of_a_request_is_stored_that_holds_what_can_not_be(world: World) -> None:
    events = [event(at) for at in range(2 * MOST_TOGETHER)]
    with pytest.raises(TooLarge):
        post(world, *events, event("large", data="x" * 300_000))
    assert world.stored == []
    assert world.used == 0
    told = post(world, *events[:90], event("large", data="x" * 300_000), partial=True)
    assert (told["ingested"], told["rejected"], told["errors"][0]["index"]) == (90, 1, 90)


def test_a_repetition_is_answered_though_the_quota_is_used_up(world: World) -> None:
    world = World(limit=3)
    events = [event(at) for at in range(3)]
    post(world, *events)
    assert post(world, *events)["duplicates"] == 3
    assert post(world, events[0])["duplicates"] == 1
    with pytest.raises(QuotaExhausted):
        post(world, *events, event("new"))
    with pytest.raises(QuotaExhausted):
        post(world, *events, event("new"), event("newer"))
    assert world.used == len(world.stored) == 3


def test_what_is_new_fits_though_all_would_not(world: World) -> None:
    world = World(limit=4)
    events = [event(at) for at in range(4)]
    post(world, *events[:2])
    assert post(world, *events)["ingested"] == 2
    assert world.used == len(world.stored) == 4


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


@pytest.mark.parametrize("age_ms", [0, 60_000, SETTLED_MS, 5 * SETTLED_MS])
def test_what_a_lone_event_s_writer_did_not_store_a_batch_does(age_ms: int) -> None:
    journal = Failing()
    world = World(journal=journal)
    journal.error = Busy("throttled")
    with pytest.raises(Busy):
        post(world, event(1))
    world.clock.ms += age_ms
    post(world, event(1), event(2), event(3))
    assert ids(world) == ["1", "2", "3"]
    assert world.used == 3


@pytest.mark.parametrize("stores", [False, True])
def test_a_lost_answer_alone(stores: bool) -> None:
    journal = Failing()
    journal.stores = stores
    world = World(journal=journal)
    journal.error = OutcomeUnknown("no answer")
    with pytest.raises(OutcomeUnknown):
        post(world, event(1))
    post(world, event(1))
    assert ids(world) == ["1"]


class Sealed(FakeLedger):
    """Knows where these batches begin."""

    def __init__(self, sealed: dict[str, int]) -> None:
        super().__init__()
        self.sealed = sealed

    def first_seqs(self, org: str, batch_ids: Iterable[str]) -> dict[str, int]:
        return {id: self.sealed[id] for id in batch_ids if id in self.sealed}


def test_an_org_s_own_events_do_not_come_back_to_it(world: World) -> None:
    """An endpoint that sends an org's events to where they came from would never end."""
    post(world, event(1))
    [sealed] = world.stored
    batch_id = next(iter(world.journal.batches))[1]
    world.ledger = Sealed({batch_id: 1})
    world.ingest = world.service()
    ours = event(sealed["id"], source=event_source("acme"))
    assert post(world, ours)["duplicates"] == 1
    assert post(world, ours, event(2))["ingested"] == 1
    for other in (
        event(sealed["id"], source=event_source("beta")),
        event("evt_01km5a7k0000000000000yyy01", source=event_source("acme")),  # of a namesake
        event("other", source=event_source("acme")),
    ):
        assert post(world, other)["ingested"] == 1


class Late(FakeJournal):
    """Knows the time, and takes nothing late."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def put(self, batch: Batch, packed: bytes) -> None:
        assert self.world.clock.ms - batch_time_ms(batch.id) < SETTLED_MS
        super().put(batch, packed)


moves = st.sampled_from(
    [Move.GO_ON] * 7
    + [Move.CRASH_BEFORE, Move.CRASH_AFTER, Move.BUSY, Move.LOST_BEFORE, Move.LOST_AFTER]
)
waits_ms = st.sampled_from([0, 1, 60_000, SETTLED_MS - 90_000, SETTLED_MS - 1, SETTLED_MS, 10**7])
cuts = st.lists(st.sampled_from("abcde"), min_size=1, max_size=4)


@given(data=st.data())
def test_each_is_stored_once_whatever_happens(data: st.DataObject) -> None:
    world = World(limit=10**6)
    world.journal = Late(world)
    sent, told, faults = set[str](), set[str](), 0

    def run_of(cut: Sequence[str]) -> Callable[[Gate], object]:
        asked = request(world, *map(event, cut))

        def run(gate: Gate) -> None:
            sent.update(cut)
            try:
                answer = json.loads(world.service(gate)(asked, format_of(asked.content_type, ())))
            except Busy:
                return
            counted = answer["data"]["ingested"] + answer["data"]["duplicates"]
            assert counted == len(cut)
            told.update(cut)

        return run

    def choose(waiting: int) -> tuple[int, Move]:
        nonlocal faults
        world.clock.ms += data.draw(st.integers(0, 1_000))  # a function ends after 29 s
        move = data.draw(moves)
        faults += move is not Move.GO_ON
        return data.draw(st.integers(0, waiting - 1)), move

    for _ in range(data.draw(st.integers(1, 4))):
        interleave(
            [run_of(cut) for cut in data.draw(st.lists(cuts, min_size=1, max_size=3))], choose
        )
        assert told <= set(ids(world))
        world.clock.ms += data.draw(waits_ms)
    world.clock.ms += SETTLED_MS
    interleave([run_of(sorted(sent))], lambda _: (0, Move.GO_ON))
    assert ids(world) == sorted(sent) == sorted(told)
    assert len(sent) <= world.used <= len(sent) + 4 * faults


def test_a_request_that_is_refused_takes_no_identity(world: World) -> None:
    with pytest.raises(Refused):
        post(world, event(1), event(2, time="yesterday"))
    assert post(world, event(1), event(2))["ingested"] == 2


def test_a_quota_that_ends_within_a_large_request(world: World) -> None:
    events = [event(at) for at in range(MOST_TOGETHER + 20)]
    for _ in range(2):
        with pytest.raises(QuotaExhausted):
            post(world, *events)
        assert world.used == len(world.stored) == MOST_TOGETHER
    world.clock.ms += 31 * DAY_MS  # by when the first ones' receipts have expired
    assert post(world, *events[MOST_TOGETHER:])["ingested"] == 20
