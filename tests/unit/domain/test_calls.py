"""A request and its response are one call, whose figures count once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.projected import AT, figures_of, sealed
from tocsin.domain.calls import Call, Pending, figures, is_error, link_of
from tocsin.domain.limits import MAX_SAFE_INTEGER
from tocsin.domain.projection import Changes

ASKED = {"direction": "request", "prompt_tokens": 512, "completion_tokens": 0, "cost_usd": 0.0}
TOLD = {
    "direction": "response",
    "prompt_tokens": 512,
    "completion_tokens": 128,
    "total_tokens": 640,
    "cost_usd": 0.00384,
}
WHOLE = {"calls": 1, "total_tokens": 640, "cost_nano_usd": 3_840_000}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([ASKED, TOLD], WHOLE),  # as Govrix Scout's document prints them
        ([TOLD], WHOLE),
        ([TOLD | {"direction": "request"}], WHOLE),  # its list has this one without a response
        ([ASKED], {"calls": 1, "total_tokens": 512}),
        ([TOLD | {"direction": "request", "cost_usd": 9}, TOLD], WHOLE),
        ([ASKED, {"direction": "response"}], {"calls": 1, "total_tokens": 512}),
        (
            [
                {"direction": "request", "prompt_tokens": 512, "total_tokens": 512},
                {"direction": "response", "completion_tokens": 128, "cost_usd": 0.00384},
            ],
            WHOLE,
        ),
        ([TOLD | {"direction": "sideways"}, TOLD | {"direction": ""}], "twice"),
        ([ASKED, ASKED, TOLD], WHOLE | {"calls": 2, "total_tokens": 1152}),
        ([ASKED | {"span_id": "a"}, TOLD | {"span_id": "b"}], "apart"),
        ([ASKED | {"agent_id": "a"}, TOLD | {"agent_id": "b"}], "apart"),
        ([ASKED | {"session_id": "s1"}, TOLD | {"session_id": "s2"}], "apart"),
        (
            [
                ASKED | {"tool_call_id": "1"},
                ASKED | {"tool_call_id": "2", "prompt_tokens": 1},
                TOLD | {"tool_call_id": "1"},
            ],
            WHOLE | {"calls": 2, "total_tokens": 641},
        ),
    ],
)
def test_what_is_counted_of_requests_and_responses(
    events: list[dict[str, Any]], expected: dict[str, int] | str
) -> None:
    if expected == "twice":
        expected = {name: 2 * value for name, value in WHOLE.items()}
    elif expected == "apart":
        expected = WHOLE | {"calls": 2, "total_tokens": 1152}
    found = Changes()
    for seq, event in enumerate(events, 1):
        found.add(sealed(seq, **event))
    usage = found.find("usage", AT[:7])
    day = found.find("day", AT[:10])
    assert usage and day
    for counters in (usage.counters, figures_of(day.counters)):
        assert {name: counters[name] for name in WHOLE if counters.get(name)} == expected
    assert usage.counters["events"] == len(events)


def test_the_response_s_hour_and_model_have_the_call() -> None:
    found = Changes()
    found.add(sealed(1, **ASKED, model="asked", timestamp="2026-11-27T09:59:59.000Z"))
    found.add(sealed(2, **TOLD, model="served", timestamp="2026-11-27T10:00:01.000Z"))
    counters = {
        model: change.counters
        for model in ("asked", "served")
        if (change := found.find("day-model", f"2026-11-27#{model}"))
    }
    assert figures_of(counters["asked"]) == {}
    assert figures_of(counters["served"]) == WHOLE
    day = found.find("day", "2026-11-27")
    assert day and (day.counters["n09"], day.counters["n10"]) == (0, 1)


def test_requests_that_are_never_answered_take_a_bounded_place() -> None:
    pending = Pending()
    for n in range(100):
        pending.ask(str(n), Call("2026-11", "2026-11-27", 1, {}, {}))
    again = Pending(pending.text())
    assert again.text() == pending.text()
    assert len(again.text()) < 1_000
    assert again.answer("0") is None
    assert again.answer("99") is not None
    assert again.answer("99") is None


@pytest.mark.parametrize(
    ("timestamp", "day"),
    [
        ("2026-11-27T10:00:00.000Z", "2026-11-27"),
        ("2026-10-01T10:00:00.000Z", "2026-10-01"),  # sent late
        ("1970-01-01T00:00:00.000Z", "2026-11-27"),
        ("0001-01-01T00:00:00.000Z", "2026-11-27"),
        ("2026-11-28T10:00:00.000Z", "2026-11-27"),
        ("9999-12-31T23:59:59.999Z", "2026-11-27"),
    ],
)
def test_a_clock_that_is_far_off_makes_no_day_of_its_own(timestamp: str, day: str) -> None:
    event = {"timestamp": timestamp, "received_at": AT}
    assert Call.of(event).day == day


@given(
    said=st.dictionaries(
        st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens"]),
        st.sampled_from([0, 1, MAX_SAFE_INTEGER, 2**1000]),
    ),
    cost=st.sampled_from([0, 0.1, 1.7e308, 10**300]),
    latency=st.sampled_from([0, 0.5, 1.7e308]),
)
def test_no_number_is_too_large_to_be_added_up_or_kept(
    said: dict[str, int], cost: float, latency: float
) -> None:
    event = {"timestamp": AT, "received_at": AT, "cost_usd": cost, "latency_ms": latency} | said
    call = Call.of(event)
    assert all(0 <= value < 10**19 for value in figures(call).values())
    pending = Pending()
    pending.ask("", call)
    assert Pending(pending.text()).answer("") == call


@pytest.mark.parametrize(
    ("event", "calls"),
    [
        ({"type": "tool_call", "tool_name": "t"}, 1),
        ({"type": "custom"}, 1),
        ({"type": "audit"}, 1),
        ({"type": "auth.signin"}, 0),
        ({"type": "otel.span", "action": "deny"}, 0),
        ({"type": "cost.recorded", "cost_usd": 1}, 0),
        ({"type": "mcp.call", "tool_name": "t"}, 1),
        ({"type": "vendor.chat", "model": "m"}, 1),
        ({"type": "vendor.chat", "direction": "request"}, 1),
    ],
)
def test_what_tells_of_no_call_counts_as_none(event: dict[str, Any], calls: int) -> None:
    found = Changes()
    found.add(sealed(1, **event))
    usage = found.find("usage", AT[:7])
    assert usage and usage.counters.get("calls", 0) == calls
    assert usage.counters.get("cost_nano_usd", 0) == event.get("cost_usd", 0) * 10**9
    assert usage.counters["events"] == 1
    before = Changes(linked_after=1)
    before.add(sealed(1, **event))
    usage = before.find("usage", AT[:7])
    assert usage and usage.counters["calls"] == 1, "as an older version counted it"


def test_a_link_has_a_fixed_size() -> None:
    links = [link_of({"agent_id": "a" * 256, "span_id": "s" * n}) for n in (1, 255, 256)]
    assert {len(link) for link in links} == {16}
    assert len(set(links)) == 3


@pytest.mark.parametrize(
    ("status", "failed"),
    [
        *[(status, True) for status in ("error", "Failed", "500", "404", "٤٠٤")],
        *[(status, False) for status in ("ok", "200", "4040", "²", "")],
    ],
)
def test_which_status_is_an_error(status: str, failed: bool) -> None:
    assert is_error({"status": status}) is failed
    assert not is_error({})
