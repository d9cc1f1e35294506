"""From ingestion to the reader: what is said of a person can be read, and erased for everybody."""

import json
import random
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.ingestion import World
from fakes.interleave import Gate, Move, interleave
from fakes.stores import FakeJournal, FakeOrgs, FakeSubjects
from tocsin.domain.batch import Batch
from tocsin.domain.errors import Busy, Conflict, IntegrityError, NotFound, OutcomeUnknown, TooLarge
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.domain.limits import MAX_EVENT_BYTES
from tocsin.domain.org import Org
from tocsin.domain.privacy import Pii, Privacy
from tocsin.domain.segment import SealedEvent
from tocsin.domain.subjects import KeptSubject, SubjectKey
from tocsin.services.access.remembered import REMEMBERED_MS
from tocsin.services.intake.protecting import Protecting
from tocsin.services.privacy.erasing import Erasing
from tocsin.services.reading import replay
from tocsin.services.reading.opening import OpenedJournal
from tocsin.services.sealing.seal import seal_batches
from tocsin.wire.entries import line

NOBODY = {"type": "audit", "data": "of nobody"}
SAID = {"type": "tool_call", "toolName": "search", "userId": "u", "data": {"q": "my illness"}}


class House:
    """An org whose setting is ``erasable``, and somebody who reads it."""

    def __init__(self) -> None:
        self.world = World(privacy=Privacy(erasable=True), limit=10_000)
        self.reader = OpenedJournal(self.world.journal, self.world.subjects, self.world.clock)
        _, key = mint("acme", frozenset({Scope.ADMIN}), "ada", 1)
        self.admin: ApiKey = replace(key, person="ada")

    def post(self, *events: dict[str, Any], **changes: Any) -> dict[str, Any]:
        self.world.clock.ms += 1
        return self.world.post({"events": list(events)}, **changes)

    def erase(self, key: ApiKey, user: str, reason: str = "") -> KeptSubject:
        self.world.clock.ms += 1
        return Erasing(self.world.subjects, self.world.orgs, self.world.clock)(key, user, reason)

    def sealed(self) -> list[SealedEvent]:
        world = self.world
        batches = [each for each in world.journal.batches.values() if isinstance(each, Batch)]
        seal_batches("acme", batches, world.ledger, world.clock)
        return replay.read(world.ledger, self.reader, "acme", 0)

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(event.entry) for event in self.sealed()]

    def everything(self) -> str:
        return str(self.world.journal.batches) + str(self.world.ledger.by_org)

    def later(self) -> None:
        self.world.clock.ms += REMEMBERED_MS


@pytest.fixture
def house() -> House:
    return House()


def test_off_by_default_all_is_in_clear() -> None:
    world = World()
    world.post(SAID)
    assert world.stored[0]["data"] == SAID["data"]
    assert not world.subjects.subjects


def test_what_is_stored_is_ciphertext_and_what_is_read_is_what_came(house: House) -> None:
    house.post(SAID, NOBODY)
    assert "illness" not in house.everything()
    first, second = house.read()
    assert first["data"] == SAID["data"]
    assert first["tool_name"] == "search"
    assert "protected" not in first
    assert second["data"] == "of nobody"


def test_each_event_is_under_its_own_person_s_key(house: House) -> None:
    house.post(*[SAID | {"userId": f"u{at}", "data": at} for at in range(5)])
    house.erase(house.admin, "u3")
    house.later()
    assert [event.get("data") for event in house.read()][:5] == [0, 1, 2, None, 4]


def test_erased_it_is_read_nowhere_and_the_hashes_hold(house: House) -> None:
    house.post(SAID)
    before = house.sealed()
    assert house.erase(house.admin, "u").erased_by == "ada"
    house.later()
    after = house.sealed()
    assert [(each.hash, each.hashed) for each in after][:1] == [
        (each.hash, each.hashed) for each in before
    ]
    erased, told = house.read()
    assert erased["erased"] is True
    assert "data" not in erased
    assert erased["user_id"] == "u"
    assert told["type"] == "tocsin.user_erased"
    assert told["data"]["user_id"] == "u"
    assert told["user_id"] == "ada"
    assert told["data"]["key"] in line(after[0]).decode()
    assert told["source"] == "tocsin"


def test_for_half_a_minute_a_reader_may_remember_and_no_longer(house: House) -> None:
    house.post(SAID)
    house.read()
    house.erase(house.admin, "u")
    house.world.clock.ms += REMEMBERED_MS - 1
    house.read()
    house.world.clock.ms += 1
    assert house.read()[0]["erased"] is True


def test_a_clock_that_is_set_back_does_not_prolong_it() -> None:
    house, passed = House(), [0.0]
    house.reader._known._seconds = lambda: passed[0]
    house.post(SAID)
    house.read()
    house.erase(house.admin, "u")
    house.world.clock.ms -= 3_600_000
    passed[0] += REMEMBERED_MS / 1000
    assert house.read()[0]["erased"] is True


def test_what_comes_later_is_read_and_erased_apart(house: House) -> None:
    house.post(SAID)
    house.erase(house.admin, "u")
    house.post(SAID | {"data": "new"})
    house.later()
    of_u = [each for each in house.read() if each["type"] == "tool_call"]
    assert [each.get("data") for each in of_u] == [None, "new"]
    house.erase(house.admin, "u", "again")
    house.later()
    of_u = [each for each in house.read() if each["type"] == "tool_call"]
    assert [each.get("erased") for each in of_u] == [True, True]


def test_who_asks_again_gets_the_same_answer_and_nothing_is_told_twice(house: House) -> None:
    house.post(SAID)
    first = house.erase(house.admin, "u")
    house.later()
    assert house.erase(house.admin, "u") == first
    assert len(house.read()) == 2


def test_of_whom_nothing_is_stored_nothing_is_erased(house: House) -> None:
    house.post({"type": "audit", "userId": "u"})  # which says nothing but its index fields
    with pytest.raises(NotFound):
        house.erase(house.admin, "u")
    assert len(house.read()) == 1


def test_under_a_legal_hold_nothing_is_erased(house: House) -> None:
    house.post(SAID)
    house.world.orgs.put(Org("acme", 10_000, held_since_ms=1))
    with pytest.raises(Conflict):
        house.erase(house.admin, "u")
    with pytest.raises(Conflict):
        house.erase(house.admin, "nobody")
    house.later()
    assert house.read()[0]["data"] == SAID["data"]
    house.world.orgs.put(Org("acme", 10_000))
    house.erase(house.admin, "u")


def test_a_hold_that_comes_while_it_is_erased_holds(house: House) -> None:
    house.post(SAID)

    class Held(FakeSubjects):
        def find(self, org: str, users: Any) -> Any:
            self.orgs.put(Org("acme", held_since_ms=7))
            return super().find(org, users)

    found = house.world.subjects.subjects
    subjects = Held(house.world.journal, FakeOrgs(), found)
    with pytest.raises(Busy):  # by whom it is read only before
        Erasing(subjects, house.world.orgs, house.world.clock)(house.admin, "u")
    with pytest.raises(Conflict):
        Erasing(subjects, subjects.orgs, house.world.clock)(house.admin, "u")
    assert found["acme", "u"].key


def test_another_org_s_person_of_the_same_name_is_not_touched(house: House) -> None:
    house.post(SAID)
    with pytest.raises(NotFound):
        house.erase(replace(house.admin, org="beta"), "u")
    house.later()
    assert house.read()[0]["data"] == SAID["data"]


@pytest.mark.parametrize("error", [Busy("x"), OutcomeUnknown("x")])
def test_nothing_is_stored_in_clear_while_the_keys_are_out_of_reach(
    house: House, error: Busy
) -> None:
    class Away(FakeSubjects):
        def find(self, org: str, users: Any) -> Any:
            raise error

    house.world.subjects = Away(house.world.journal)
    house.world.ingest = house.world.service()
    with pytest.raises(Busy):
        house.post(SAID)
    assert not house.world.journal.batches
    house.post(NOBODY)


def test_nothing_is_stored_under_a_damaged_key(house: House) -> None:
    class Damaged(FakeSubjects):
        def give(self, org: str, user: str, key: SubjectKey) -> SubjectKey:
            raise IntegrityError(org, 1, "damaged")

    house.world.subjects = Damaged(house.world.journal)
    house.world.ingest = house.world.service()
    with pytest.raises(IntegrityError):
        house.post(SAID)
    assert not house.world.journal.batches


def test_a_repetition_stores_the_same_bytes(house: House) -> None:
    answers = [house.post(SAID, idempotency_key="k") for _ in range(3)]
    assert [answer["data"]["ingested"] for answer in answers] == [1, 1, 1]
    assert len(house.read()) == 1


def test_a_repetition_after_an_erasure_is_the_event_that_was_stored(house: House) -> None:
    house.post(SAID, idempotency_key="k")
    house.erase(house.admin, "u")
    house.post(SAID, idempotency_key="k")
    house.later()
    assert [event["type"] for event in house.read()] == ["tool_call", "tocsin.user_erased"]
    assert house.read()[0]["erased"] is True


def test_waiting_for_the_seal_tells_the_place_of_what_was_stored(house: House) -> None:
    class Sealing(FakeJournal):
        def put(self, batch: Batch, packed: bytes) -> None:
            super().put(batch, packed)
            seal_batches("acme", [batch], house.world.ledger, house.world.clock)

    house.world.journal = Sealing()
    house.world.ingest = house.world.service()
    answer = house.world.post(SAID, wait=True)
    assert answer["data"]["events"][0]["seq"] == 1


def test_masking_comes_first(house: House) -> None:
    house.world.privacy = Privacy(Pii.MASK, erasable=True)
    house.post(SAID | {"data": {"mail": "bob@example.com"}})
    assert "bob@example.com" not in json.dumps(house.read())


def test_an_event_beyond_the_limit_is_refused_as_it_came_and_as_it_is_stored(house: House) -> None:
    with pytest.raises(TooLarge):
        house.post(SAID | {"data": "x" * MAX_EVENT_BYTES})
    noise = random.Random(7).randbytes(MAX_EVENT_BYTES * 3 // 8).hex()  # noqa: S311
    house.post(SAID | {"data": noise})
    assert house.read()[0]["data"] == noise
    assert not [each for each in house.world.journal.batches if each[0] != "acme"]


def test_partial_leaves_out_what_does_not_fit(house: House) -> None:
    large = SAID | {"data": "x" * MAX_EVENT_BYTES}
    answer = house.post(SAID, large, partial=True)
    assert answer["data"]["ingested"] == 1
    assert len(house.read()) == 1


def test_a_key_that_was_taken_away_is_not_an_erasure(house: House) -> None:
    house.post(SAID)
    del house.world.subjects.subjects["acme", "u"]
    assert house.read()[0]["unreadable"] is True


def test_another_key_in_its_place_opens_nothing(house: House) -> None:
    house.post(SAID)
    other = KeptSubject(org="acme", user="u", key=SubjectKey(b"9" * 64))
    house.world.subjects.subjects["acme", "u"] = other
    assert house.read()[0]["unreadable"] is True


def test_a_read_asks_once_for_all_the_persons_of_a_batch(house: House) -> None:
    asked = []

    class Counting(FakeSubjects):
        def find(self, org: str, users: Any) -> Any:
            asked.append(len(users))
            return super().find(org, users)

    house.post(*[SAID | {"userId": f"u{at}"} for at in range(50)])
    subjects = Counting(house.world.journal, subjects=house.world.subjects.subjects)
    house.reader = OpenedJournal(house.world.journal, subjects, house.world.clock)
    house.read()
    house.read()
    assert asked == [50]


def test_lost_answers_of_an_erasure_are_found() -> None:
    house = House()

    class Losing(FakeSubjects):
        lost = 0

        def erase(self, *given: Any) -> bool:
            assert super().erase(*given)
            self.lost += 1
            raise OutcomeUnknown("lost")

    house.world.subjects = subjects = Losing(house.world.journal)
    house.world.ingest = house.world.service()
    house.post(SAID)
    erased = Erasing(subjects, house.world.orgs, house.world.clock)(house.admin, "u")
    assert erased.erased_by == "ada"
    assert subjects.lost == 1
    told = [key for key in house.world.journal.batches if key[1] == erased.change]
    assert len(told) == 1


@given(st.data())
def test_of_all_who_erase_and_send_at_once_nothing_that_is_answered_is_lost_unseen(
    data: st.DataObject,
) -> None:
    """An event is readable, or it is under a key that an event in the ledger tells of."""
    house = House()
    house.post(SAID)
    answered = []

    def send(gate: Gate) -> None:
        with suppress(Busy):
            house.world.service(gate)(house.world.request({"events": [SAID, NOBODY]}))
            answered.append(2)

    def erase(gate: Gate) -> None:
        with suppress(Busy):
            Erasing(gate(house.world.subjects), house.world.orgs, house.world.clock)(
                house.admin, "u"
            )

    def choose(waiting: int) -> tuple[int, Move]:
        house.world.clock.ms += 1
        return data.draw(st.integers(0, waiting - 1)), data.draw(st.sampled_from(Move))

    interleave([send, erase, send, erase], choose)
    house.later()
    assert len(house.read()) >= 1 + sum(answered)
    read = house.sealed()
    told = {
        json.loads(each.entry)["data"]["key"]
        for each in read
        if json.loads(each.entry)["type"] == "tocsin.user_erased"
    }
    for each in read:
        shown = json.loads(each.entry)
        assert "unreadable" not in shown
        if shown.get("erased"):
            assert json.loads(each.hashed)["protected"]["key"] in told


def test_an_event_of_an_empty_user_is_of_nobody(house: House) -> None:
    protecting = Protecting(lambda org: Privacy(erasable=True), house.world.subjects)
    assert protecting("acme", [{"type": "audit", "user_id": "", "data": 1}]) is None
    assert not house.world.subjects.subjects
