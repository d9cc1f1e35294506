"""Ingestion that waits: the places that it tells are the ledger's, or it tells none."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from fakes.ingestion import EVENT, World
from fakes.stores import FakeLedger
from tocsin.domain.batch import Batch
from tocsin.domain.errors import Busy, IntegrityError, TocsinError
from tocsin.domain.limits import WAIT_SEALED_SECONDS
from tocsin.domain.org import Org
from tocsin.domain.segment import SealedEvent, seal
from tocsin.services.intake import sealed


class Time:
    """Time that passes where somebody sleeps; ``then`` happens after so many pauses."""

    def __init__(self, then: Mapping[int, Callable[[], object]]) -> None:
        self.now, self.pauses, self.then = 0.0, list[float](), then

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)
        self.then.get(len(self.pauses), lambda: None)()

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def world() -> World:
    return World()


def waits(
    world: World, monkeypatch: pytest.MonkeyPatch, then: Mapping[int, Callable[[], object]]
) -> Time:
    time = Time(then)
    monkeypatch.setattr(sealed, "time", time)
    return time


def seal_all(world: World, *ids: str) -> list[SealedEvent]:
    """Seal what is stored, in one segment, as the fan-out does; or only these batches."""
    found: Iterable[Any] = world.journal.batches.values()
    batches = [each for each in found if isinstance(each, Batch) and (not ids or each.id in ids)]
    head = world.ledger.head("acme")
    segment, events = seal("acme", head, batches, world.clock.ms)
    world.ledger.commit(segment, head)
    return events


def told(answer: dict[str, Any]) -> list[Any]:
    return [(event["seq"], event["hash"]) for event in answer["data"]["events"]]


def test_places_are_told_once_they_are_known(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.post({"events": [EVENT] * 3})
    events: list[SealedEvent] = []
    time = waits(world, monkeypatch, {3: lambda: events.extend(seal_all(world))})
    answer = world.post({"events": [EVENT, EVENT]}, wait=True)
    assert answer["data"] | {"events": ...} == {
        "ingested": 2,
        "rejected": 0,
        "sealed": True,
        "events": ...,
    }
    assert told(answer) == [(event.seq, event.hash.hex()) for event in events[3:]]
    ids = [event["id"] for event in answer["data"]["events"]]
    assert ids == [event["id"] for event in world.stored[3:]]
    assert time.pauses == [0.03, 0.06, 0.12]


def test_what_is_not_sealed_in_time_is_stored_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = waits(world, monkeypatch, {})
    answer = world.post({"events": [EVENT, EVENT]}, wait=True)
    assert (answer["data"]["ingested"], answer["data"]["sealed"]) == (2, False)
    assert told(answer) == [(None, None)] * 2
    assert len(world.stored) == 2
    assert WAIT_SEALED_SECONDS - 0.25 <= time.now <= WAIT_SEALED_SECONDS


def test_a_repetition_is_told_the_places_of_the_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = waits(world, monkeypatch, {1: lambda: seal_all(world)})
    first = world.post(EVENT, idempotency_key="k", wait=True)
    again = world.post(EVENT, idempotency_key="k", wait=True)
    assert first == again
    assert first["data"]["sealed"]
    assert len(time.pauses) == 1
    assert "events" not in world.post(EVENT, idempotency_key="k")["data"]  # not asked for


def test_what_is_left_out_has_no_place(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waits(world, monkeypatch, {1: lambda: seal_all(world)})
    body = {"events": [EVENT, {"type": "nope"}, EVENT]}
    answer = world.post(body, partial=True, wait=True)
    assert [seq for seq, _ in told(answer)] == [1, 2]
    assert answer["data"]["errors"][0]["index"] == 1
    nothing = world.post({"events": [{"type": "nope"}]}, partial=True, wait=True)
    assert nothing["data"].keys() == {"ingested", "rejected", "errors"}


@pytest.mark.parametrize(
    "error", [Busy("throttled"), IntegrityError("acme", 1, "broken"), TocsinError("else")]
)
def test_a_ledger_that_does_not_answer_is_no_error(
    world: World, monkeypatch: pytest.MonkeyPatch, error: TocsinError
) -> None:
    class Broken(FakeLedger):
        def first_seqs(self, org: str, batch_ids: Iterable[str]) -> Mapping[str, int]:
            raise error

    world.ledger = Broken()
    time = waits(world, monkeypatch, {})
    answer = world.post(EVENT, wait=True)
    assert (answer["data"]["ingested"], told(answer)) == (1, [(None, None)])
    assert time.now == 0
    assert world.used == 1


def test_other_events_under_the_same_id_are_not_taken_for_these(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.post({"events": [EVENT, EVENT]})
    (stored,) = (each for each in world.journal.batches.values() if isinstance(each, Batch))
    seal_all(world)
    entries = (stored.entries[0], stored.entries[1].replace(b'"t"', b'"u"'))
    places = sealed.places(world.ledger, "acme", stored.id, entries)
    assert [place.seq for place in places] == [None, None]
    places = sealed.places(world.ledger, "acme", stored.id, stored.entries)
    assert [place.seq for place in places] == [1, 2]


def test_many_places_and_percent_signs_fit_in_the_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.orgs.put(Org("acme", 10_000))
    waits(world, monkeypatch, {1: lambda: seal_all(world)})
    body = {"events": [EVENT | {"%s%d": 1}] * 1_000}
    answer = world.post(body, wait=True)
    assert [seq for seq, _ in told(answer)] == list(range(1, 1_001))
    assert answer["meta"]["ignoredFields"] == ["%s%d"]
