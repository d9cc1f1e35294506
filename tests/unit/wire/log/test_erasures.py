"""A check of a log says whose data was erased, by whom and when; nothing else is believed."""

import pytest

from support.audited import Told, audited
from tocsin.domain.canonical import canonical
from tocsin.domain.subjects import SubjectKey
from tocsin.wire.log import erasures
from tocsin.wire.log.findings import Verdict
from tocsin.wire.protection import protected

KEY = SubjectKey(b"k" * 64)


def said(at: int, key: SubjectKey = KEY) -> bytes:
    event = {"id": f"evt_{at}", "type": "tool_call", "user_id": "u", "data": at}
    return canonical(protected(event, f"evt_{at}", key, plain=True))


def erasure(key: SubjectKey = KEY, user: str = "u", source: str = "tocsin") -> bytes:
    return canonical(
        {
            "id": "evt_9",
            "type": "tocsin.user_erased",
            "source": source,
            "user_id": "ada",
            "received_at": "2026-03-20T09:00:00.000Z",
            "data": {"user_id": user, "key": key.id, "reason": "GDPR"},
        }
    )


def test_it_is_told_of_how_many_events_by_whom_and_when() -> None:
    log = Told([said(1), said(2), said(3, SubjectKey(b"x" * 64)), erasure()])
    report = audited(log.lines, log.known(4))
    assert report.verdict is Verdict.HOLDS
    assert report.notes == [
        "what 2 events say of the user u was erased by ada at 2026-03-20T09:00:00.000Z (seq 4):"
        " GDPR"
    ]
    assert report.fields["notes"] == report.notes


def test_an_event_that_came_in_the_moment_of_the_erasure_counts() -> None:
    log = Told([said(1), erasure(), said(2)])
    assert "what 2 events say" in audited(log.lines, log.known(3)).notes[0]


def test_what_a_sender_says_of_erasures_is_nothing() -> None:
    log = Told([said(1), erasure(source="client")])
    assert audited(log.lines, log.known(2)).notes == []


def test_what_was_changed_tells_of_nothing() -> None:
    log, other = Told([said(1), erasure()]), Told([said(1), erasure(user="v")])
    report = audited([log.lines[0], other.lines[1]], log.known(2))
    assert report.verdict is Verdict.BROKEN
    assert not [note for note in report.notes if "erased" in note]


@pytest.mark.parametrize(
    "data", [None, [], "x", {"key": 7}, {"key": KEY.id}, {"user_id": {}, "key": []}]
)
def test_an_erasure_that_says_something_else_is_told_all_the_same(data: object) -> None:
    odd = canonical({"type": "tocsin.user_erased", "source": "tocsin", "data": data})
    log = Told([said(1), odd])
    report = audited(log.lines, log.known(2))
    assert report.verdict is Verdict.HOLDS
    assert len(report.notes) == 1


def test_so_many_are_told_and_of_so_many_it_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasures, "MOST_KEYS", 2)
    monkeypatch.setattr(erasures, "MOST_TOLD", 3)
    keys = [SubjectKey(bytes([n]) * 64) for n in range(5)]
    log = Told([*[said(n, key) for n, key in enumerate(keys)], *map(erasure, keys)])
    notes = audited(log.lines, log.known(10)).notes
    assert len(notes) == 4
    assert [note.startswith("what one event says") for note in notes[:3]] == [True, True, False]
    assert notes[3] == "and of 2 further users"
