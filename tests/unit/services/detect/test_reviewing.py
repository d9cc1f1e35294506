"""What people say of alerts and settings: once each, whatever is lost, and by several at once."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from fakes.desk import key
from fakes.stores import FakeAnomalies, FakeClock, FakeDetectionSettings, FakeJournal
from tocsin.domain.detect.anomaly import Anomaly, Status
from tocsin.domain.detect.finding import Subject
from tocsin.domain.detect.kept import KeptSettings
from tocsin.domain.detect.kinds import Kind, Severity
from tocsin.domain.detect.said import SET, said_of
from tocsin.domain.detect.settings import Settings
from tocsin.domain.errors import Conflict, NotFound, OutcomeUnknown
from tocsin.domain.ids import event_ids, new_batch_id
from tocsin.domain.keys import Scope
from tocsin.services.detect.reviewing import Reviewing
from tocsin.services.intake.setting import Setting
from tocsin.wire.reviews import Page

MARIA = key(Scope.APPROVE, person="maria")
HOUR_MS = 3_600_000


class Room:
    def __init__(self) -> None:
        self.clock, self.journal = FakeClock(), FakeJournal()
        self.store = FakeAnomalies(self.journal)
        self.kept = FakeDetectionSettings(self.journal)
        self.reviewing = Reviewing(self.store, self.clock)
        self.setting = Setting[Settings, KeptSettings](self.kept, self.clock, SET)

    def add(self, salt: int = 0, **fields: Any) -> str:
        id = event_ids(new_batch_id(self.clock.ms + salt, bytes(10)), 1)[0]
        found = Anomaly(
            org="acme",
            id=id,
            kind=Kind.RATE_SPIKE,
            severity=Severity.WARNING,
            subject=Subject("tool", "exec", "db"),
            series="s",
            at_ms=self.clock.ms,
            nats=20.0,
            change="first",
        )
        self.store.anomalies["acme", id] = replace(found, **fields)
        return id

    def lose(self, *answers: int, of: Any = None) -> None:
        """Have these answers of the store lost: 0 is the first."""
        store = of or self.store
        write, calls = store.write, iter(range(100))

        def losing(*step: Any) -> bool:
            written = write(*step)
            if next(calls) in answers:
                raise OutcomeUnknown("lost")
            return bool(written)

        vars(store)["write"] = losing

    @property
    def told(self) -> list[dict[str, Any]]:
        batches: list[Any] = list(self.journal.batches.values())
        return [json.loads(entry) for batch in batches for entry in batch.entries]


@pytest.fixture
def room() -> Room:
    return Room()


DEEDS: dict[str, Callable[[Room, str], Anomaly]] = {
    "acknowledged": lambda room, id: room.reviewing.acknowledge(MARIA, id, "r"),
    "snoozed": lambda room, id: room.reviewing.snooze(MARIA, id, "r", seconds=3_600),
    "false_positive": lambda room, id: room.reviewing.false_positive(MARIA, id, "r"),
}


@pytest.mark.parametrize(("status", "deed"), DEEDS.items(), ids=DEEDS)
@pytest.mark.parametrize("lost", [(), (0,), (0, 1), (0, 1, 2)], ids=str)
def test_what_is_said_is_told_once(
    room: Room, status: str, deed: Callable[[Room, str], Anomaly], lost: tuple[int, ...]
) -> None:
    id = room.add()
    room.lose(*lost)
    done = deed(room, id)
    room.clock.ms += 1_000  # a client's repetition
    assert deed(room, id) == done == room.reviewing.one("acme", id)
    [event] = room.told
    assert (event["type"], event["status"]) == ("tocsin.anomaly_reviewed", status)
    assert (event["user_id"], event["tool_name"], event["server_id"]) == ("maria", "exec", "db")
    assert event["data"]["anomaly_id"] == id


@pytest.mark.parametrize(("status", "deed"), DEEDS.items(), ids=DEEDS)
def test_several_at_once_say_it_once(
    room: Room, status: str, deed: Callable[[Room, str], Anomaly]
) -> None:
    id = room.add()
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: deed(room, id), range(4)))
    assert {each.status for each in done} == {Status(status)}
    assert len(room.told) == 1


def test_detection_learns_from_the_event(room: Room) -> None:
    room.reviewing.snooze(MARIA, room.add(), "r", seconds=3_600)
    room.reviewing.false_positive(MARIA, room.add(1), "r")
    snoozed, false = map(said_of, room.told)
    assert snoozed and false and snoozed.lesson and false.lesson
    assert snoozed.lesson.until_ms == room.clock.ms + HOUR_MS
    assert false.lesson.false_positive and not snoozed.lesson.false_positive
    assert snoozed.subject == Subject("tool", "exec", "db")


def test_what_a_rule_found_falsely_is_not_told_for_a_month(room: Room) -> None:
    id = room.add(kind=Kind.RAPID_FIRE, nats=None)
    said = room.reviewing.false_positive(MARIA, id, "r")
    assert said.until_ms == room.clock.ms + 30 * 24 * HOUR_MS
    room.clock.ms += HOUR_MS
    assert room.reviewing.false_positive(MARIA, id, "r") == said
    assert len(room.told) == 1


def test_what_was_said_can_be_followed_by_what_says_more(room: Room) -> None:
    id, on = room.add(), room.reviewing
    on.acknowledge(MARIA, id, "")
    on.snooze(MARIA, id, "", seconds=60)
    with pytest.raises(Conflict, match="snoozed"):
        on.acknowledge(MARIA, id, "")
    longer = on.snooze(MARIA, id, "", until_ms=room.clock.ms + HOUR_MS)
    assert longer.until_ms == room.clock.ms + HOUR_MS
    on.false_positive(MARIA, id, "")
    with pytest.raises(Conflict, match="false positive"):
        on.snooze(MARIA, id, "", seconds=60)
    assert [each["status"] for each in room.told] == [
        *("acknowledged", "snoozed", "snoozed", "false_positive")
    ]


def test_the_same_seconds_are_a_repetition_for_half_a_minute(room: Room) -> None:
    id, on = room.add(), room.reviewing
    first = on.snooze(MARIA, id, "", seconds=60)
    room.clock.ms += 29_000
    assert on.snooze(MARIA, id, "", seconds=60) == first
    room.clock.ms += 1_000
    assert on.snooze(MARIA, id, "", seconds=60).until_ms == first.until_ms + 30_000
    room.clock.ms -= 3_600_000  # a clock that was ahead
    assert on.snooze(MARIA, id, "", seconds=60).until_ms == room.clock.ms + 60_000


@pytest.mark.parametrize("id", ["evt_x", "../x", "", "evt_" + "0" * 26, "é" * 10_000])
def test_there_is_no_such_alert(room: Room, id: str) -> None:
    room.add()
    for deed in DEEDS.values():
        with pytest.raises(NotFound):
            deed(room, id)


def test_another_orgs_is_not_there(room: Room) -> None:
    id = room.add()
    with pytest.raises(NotFound):
        room.reviewing.false_positive(key(Scope.APPROVE, org="beta"), id, "")
    assert room.told == []


def test_lists_come_in_pages_that_leave_nothing_out(room: Room) -> None:
    kinds = (Kind.RATE_SPIKE, Kind.SILENCE)
    ids = [room.add(salt, kind=kinds[salt % 2]) for salt in range(250)]
    unreadable: Any = None
    room.store.anomalies["acme", ids[7]] = unreadable
    found, before, pages = list[str](), "", 0
    while True:
        page = Page(limit=20, before=before, kind=Kind.SILENCE)
        some, before = room.reviewing.page("acme", page)
        found += [each.id for each in some]
        pages += 1
        if not before:
            break
    assert found == [id for id in reversed(ids[1::2]) if id != ids[7]]
    assert pages == 7


def test_a_list_looks_at_a_thousand(room: Room) -> None:
    for salt in range(1_001):
        room.add(salt, kind=Kind.SILENCE if salt else Kind.RATE_SPIKE)
    found, before = room.reviewing.page("acme", Page(kind=Kind.RATE_SPIKE))
    assert not found
    assert before
    found, before = room.reviewing.page("acme", Page(kind=Kind.RATE_SPIKE, before=before))
    assert (len(found), before) == (1, "")


def test_a_list_is_of_a_status_and_an_agent(room: Room) -> None:
    agent = room.add(1, subject=Subject("agent", "claude"))
    other = room.add(2, status=Status.SNOOZED)
    for page, ids in (
        (Page(agent_id="claude"), [agent]),
        (Page(status=Status.SNOOZED), [other]),
        (Page(), [other, agent]),
    ):
        assert [each.id for each in room.reviewing.page("acme", page)[0]] == ids


@pytest.mark.parametrize("lost", [(), (0,), (0, 1, 2)], ids=str)
def test_settings_are_told_once(room: Room, lost: tuple[int, ...]) -> None:
    room.lose(*lost, of=room.kept)
    settings = Settings(false_alerts_per_day=3.0, kinds=frozenset({Kind.SILENCE}))
    done = room.setting.put(MARIA, settings)
    assert room.setting.put(MARIA, settings) == done == room.setting.get("acme")
    [event] = room.told
    assert (event["type"], event["user_id"]) == ("tocsin.detection_set", "maria")
    said = said_of(event)
    assert said and said.settings == settings
    assert room.setting.get("beta").settings == Settings()
