"""Reports of one call from several sources: each is an event, and the call counts once."""

from collections.abc import Sequence
from typing import Any

import pytest

from fakes.projected import AT, sealed
from tocsin.domain.projection import Changes
from tocsin.domain.reports import Reports, Told, call_key
from tocsin.domain.times import iso_ms, time_ms

ID = "toolu_01A09q90qw90lq917835lq9"
HOOK = {"tool_call_id": ID, "agent_id": "claude", "session_id": "s1", "tool_name": "Bash"}
SPAN = HOOK | {"agent_id": "exporter", "session_id": "s2", "latency_ms": 40, "status": "ok"}
RELAY = {"tool_call_id": ID, "session_id": "relay", "tool_name": "run", "status": "error"}
MODEL = {"metadata": {"response_id": "chatcmpl-9gkYZLKqkc"}, "model": "gpt-4o"}
PROXY_ASKED = MODEL | {"direction": "request", "metadata": {}, "span_id": "p"}
PROXY_TOLD = MODEL | {"direction": "response", "span_id": "p", "total_tokens": 9, "cost_usd": 0.5}
MODEL_SPAN = MODEL | {"total_tokens": 9, "cost_usd": 0.25, "latency_ms": 7}


def at(seconds: float) -> str:
    return iso_ms((time_ms(AT) or 0) + round(seconds * 1_000))


def usage(events: Sequence[dict[str, Any]]) -> dict[str, int]:
    found = Changes()
    for seq, event in enumerate(events, 1):
        found.add(sealed(seq, **event))
    change = found.find("usage", AT[:7])
    assert change
    return {name: value for name, value in change.counters.items() if value}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([HOOK, HOOK, HOOK], {"calls": 1}),
        ([HOOK, SPAN], {"calls": 1, "latency_us": 40_000, "timed": 1}),
        ([SPAN, HOOK, SPAN], {"calls": 1, "latency_us": 40_000, "timed": 1}),
        ([HOOK, RELAY, SPAN], {"calls": 1, "latency_us": 40_000, "timed": 1, "errors": 1}),
        ([RELAY, RELAY | {"session_id": "other"}], {"calls": 1, "errors": 1}),
        ([HOOK | {"action": "deny"}] * 2, {"calls": 1, "denials": 1, "held_calls": 1}),
        ([HOOK | {"action": "ask"}] * 2, {"calls": 1, "held_calls": 1}),
        ([HOOK | {"action": "ask"}, HOOK | {"action": "allow"}], {"calls": 1}),
        ([HOOK | {"action": "ask"}, HOOK | {"action": "allow"}, SPAN | {"latency_ms": 0}], "made"),
        (
            [HOOK | {"action": "ask"}, HOOK | {"action": "deny"}],
            {"calls": 1, "held_calls": 1, "denials": 1},
        ),
        ([HOOK, HOOK | {"action": "deny"}], {"calls": 1, "held_calls": 1, "denials": 1}),
        ([HOOK, HOOK | {"tool_call_id": ID + "0"}], {"calls": 2}),
        ([HOOK | {"tool_call_id": "1"}, SPAN | {"tool_call_id": "1", "latency_ms": 0}], "two"),
        ([HOOK | {"tool_call_id": "1"}] * 2, {"calls": 1}),
        ([MODEL_SPAN, MODEL_SPAN], "priced"),
        ([PROXY_TOLD, MODEL_SPAN], "first price"),
        ([MODEL_SPAN, PROXY_ASKED, PROXY_TOLD], "asked apart"),
        ([PROXY_ASKED, PROXY_TOLD, MODEL_SPAN], "first price"),
        ([PROXY_ASKED, MODEL_SPAN, PROXY_TOLD], "asked apart"),
        ([HOOK | {"tool_call_id": ""}] * 2, {"calls": 1}),
    ],
)
def test_a_call_counts_once(events: list[dict[str, Any]], expected: dict[str, int] | str) -> None:
    priced = {"calls": 1, "total_tokens": 9, "latency_us": 7_000, "timed": 1}
    named: dict[str, dict[str, int]] = {
        "made": {"calls": 1, "timed": 1},
        "two": {"calls": 2, "timed": 1},
        "priced": priced | {"cost_nano_usd": 250_000_000},
        "first price": priced | {"cost_nano_usd": 500_000_000},
        "asked apart": priced | {"cost_nano_usd": 250_000_000},
    }
    wanted = named[expected] if isinstance(expected, str) else expected
    assert usage(events) == wanted | {"events": len(events)}


@pytest.mark.parametrize(("seconds", "calls"), [(0, 1), (600, 1), (600.001, 2), (-3_600, 1)])
def test_for_ten_minutes_from_the_first(seconds: float, calls: int) -> None:
    later = HOOK | {"received_at": at(seconds)}
    assert usage([HOOK, later])["calls"] == calls
    halfway = HOOK | {"received_at": at(300)}
    assert usage([HOOK, halfway, later])["calls"] == calls


def test_an_event_that_names_no_call_is_one() -> None:
    nameless: list[dict[str, Any]] = [
        {"tool_name": "t"},
        {"metadata": {"response_id": 7}},
        {"metadata": {"response_id": ""}},
        {"metadata": {"response_id": ["x"] * 20}},
    ]
    assert {call_key(event) for event in nameless} == {b""}
    assert usage(nameless * 2)["calls"] == 8


def test_a_model_s_answer_is_no_tool_s_call() -> None:
    assert call_key({"tool_call_id": ID}) != call_key({"metadata": {"response_id": ID}})


def test_what_was_told_is_kept_and_taken_up_again() -> None:
    first, event = Reports(), {"received_at": AT}
    for number in range(3):
        first.earlier(bytes([number] * 8), number, event)
        first.tell(bytes([number] * 8), number, Told(number))
    kept = first.changed()
    assert first.changed() == ""
    first.tell(bytes(8), 3, Told.COST)
    again = Reports()
    assert again.load(first.changed()) and again.load(kept)
    found = [again.earlier(bytes([number] * 8), 4, event) for number in range(4)]
    assert found == [Told.COST, Told(1), Told(2), None]


def test_what_is_too_old_is_not_taken_up() -> None:
    old, new = Reports(), Reports()
    for reports, key, seconds in ((old, b"a" * 8, 0), (new, b"b" * 8, 601)):
        reports.earlier(key, 1, {"received_at": at(seconds)})
        reports.tell(key, 1, Told(0))
    again = Reports()
    assert again.load(new.changed())
    assert not again.load(old.changed())


def test_what_is_kept_of_a_call_is_small() -> None:
    reports, calls = Reports(), 10_000
    for seq in range(calls):
        key = call_key({"tool_call_id": f"{ID}{seq}"})
        reports.earlier(key, seq, {"received_at": at(seq / 1_000)})
        reports.tell(key, seq, Told.LATENCY)
    assert len(reports.changed()) < 20 * calls
