import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.notified import (
    HOSTILE,
    asked,
    called,
    endpoint,
    first_run,
    found,
    sealed,
    sent,
)
from tocsin.domain.canonical import canonical
from tocsin.domain.endpoints import Format
from tocsin.domain.limits import MAX_EVENT_BYTES
from tocsin.domain.segment import SealedEvent

ENDPOINT = endpoint(Format.SPLUNK)


def stacked(body: bytes) -> list[dict[str, Any]]:
    """Return the objects of a body, as a collector reads them one behind the other."""
    text, found, place = body.decode(), [], 0
    while place < len(text):
        value, place = json.JSONDecoder().raw_decode(text, place)
        found.append(value)
    return found


def test_a_run_is_objects_one_behind_the_other() -> None:
    events = [asked(), found(), called()]
    request = sent(ENDPOINT, *events)
    assert b"\n" not in request.body
    assert [each["event"] for each in stacked(request.body)] == [each.parse() for each in events]
    assert dict(request.headers)["authorization"] == "Splunk t0ken"


def test_an_event_has_its_time_and_what_it_is_found_by() -> None:
    (event,) = stacked(sent(ENDPOINT, called(timestamp="2026-03-20T09:46:40.123Z")).body)
    assert event["time"] == 1_774_000_000.123
    assert (
        b'"time":1774000000.123,'
        in sent(ENDPOINT, called(timestamp="2026-03-20T09:46:40.123Z")).body
    )
    assert (event["sourcetype"], event["source"], event["host"]) == (
        "tocsin:event",
        "tocsin",
        "tocsin",
    )
    assert event["fields"] == {
        "org": "acme",
        "id": called().parse()["id"],
        "seq": "12",
        "type": "tool_call",
    }


@pytest.mark.parametrize("timestamp", ["0001-01-01T00:00:00.000Z", "never", 7, None])
def test_an_event_of_no_time_that_splunk_knows_is_of_1970(timestamp: object) -> None:
    (event,) = stacked(sent(ENDPOINT, sealed(timestamp=timestamp)).body)
    assert event["time"] == 0


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://s:8088", "https://s:8088/services/collector/event"),
        ("https://s:8088/", "https://s:8088/services/collector/event"),
        ("https://s/services/collector/event/1.0?channel=x",) * 2,
    ],
)
def test_a_collector_s_path_may_be_left_out(url: str, expected: str) -> None:
    assert sent(endpoint(Format.SPLUNK, url=url), called()).url == expected


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_stays_within_its_event(text: str) -> None:
    run = [called(request={"command": text}), called(agent_id=text[:256])]
    assert len(stacked(sent(ENDPOINT, *run).body)) == 2


@given(st.lists(st.integers(1, MAX_EVENT_BYTES - 500), min_size=1, max_size=40))
def test_what_has_room_in_a_request_is_no_larger_than_a_request_may_be(sizes: list[int]) -> None:
    events = [sealed(n, request={"command": "x" * size}) for n, size in enumerate(sizes, 1)]
    assert len(sent(ENDPOINT, *first_run(Format.SPLUNK, events)).body) <= 1_000_000


def test_what_stands_around_an_entry_is_bounded() -> None:
    fields = {"id": "evt_" + "z" * 26, "type": "v." + "x" * 126, "timestamp": "2026-03-20"}
    event = SealedEvent(2**53, canonical(fields), bytes(32), bytes(32))
    body = sent(endpoint(Format.SPLUNK, org="o" * 64), event).body
    assert len(body) - len(event.entry) < 1_024
