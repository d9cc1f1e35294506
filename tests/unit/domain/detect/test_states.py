"""States come back from their bytes at any moment as they were, and nothing breaks them."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.detect.budget import Budget, Peaks
from tocsin.domain.detect.proportion import Proportion
from tocsin.domain.detect.rate import Rate
from tocsin.domain.detect.shape import Shape

NOW = 29_000_000  # minutes: 2025
STATES = (Budget, Peaks, Proportion, Rate, Shape)
Saw = list[Any]

gaps = st.one_of(st.integers(0, 3), st.integers(-20, 90), st.integers(-3_000, 3_000))
walks = st.lists(st.tuples(gaps, st.integers(1, 40)), max_size=60)
wild = st.lists(
    st.tuples(st.integers(-(10**8), 10**8), st.one_of(st.integers(1, 3), st.just(10**15))),
    max_size=30,
)


def run(walk: list[tuple[int, int]], stored: Callable[[Any], Any]) -> Saw:
    """Tell everything of a walk; between any two events the states are what ``stored`` returns."""
    org, rate, proportion, peaks, budget = Shape(), Rate(), Proportion(), Peaks(), Budget()
    saw: Saw = []
    minute = NOW
    for gap, events in walk * 3:
        minute += gap
        org.see(minute, events)
        surprise = rate.see(minute, org, events)
        saw.append((surprise, rate.quiet_until(12, org), proportion.see(events % 3 > 0)))
        peak = peaks.see(surprise.nats if surprise else events / 2, minute)
        if peak:
            saw.append((budget.see(peak, minute), budget.threshold(), peak))
        org, rate, proportion, peaks, budget = map(stored, (org, rate, proportion, peaks, budget))
    return saw + [state.pack() for state in (org, rate, proportion, peaks, budget)]


def through_bytes(state: Any) -> Any:
    return type(state).unpack(state.pack())


@given(walks)
def test_a_run_split_anywhere_is_one_run(walk: list[tuple[int, int]]) -> None:
    assert run(walk, lambda state: state) == run(walk, through_bytes)


@given(wild)
def test_clocks_and_counts_of_any_kind_break_nothing(walk: list[tuple[int, int]]) -> None:
    assert run(walk, lambda state: state) == run(walk, through_bytes)


@pytest.mark.parametrize("kind", STATES)
@given(st.data())
def test_bytes_that_are_no_state_are_a_new_one(kind: Any, data: st.DataObject) -> None:
    fresh = kind().pack()
    assert (
        kind.unpack(data.draw(st.binary().filter(lambda each: len(each) != len(fresh)))).pack()
        == fresh
    )
    damaged = kind.unpack(data.draw(st.binary(min_size=len(fresh), max_size=len(fresh))))
    through_bytes(damaged)
    run_on(damaged)


@given(walks, st.integers(0, 4), st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_byte_breaks_nothing(
    walk: list[tuple[int, int]], which: int, place: int, change: int
) -> None:
    packed = bytearray(run(walk, lambda state: state)[which - len(STATES)])
    packed[place % len(packed)] ^= change
    kind = (Shape, Rate, Proportion, Peaks, Budget)[which]
    run_on(kind.unpack(bytes(packed)))


def run_on(state: Any) -> None:
    """Tell a state, whatever it holds, a few things more."""
    org = state if isinstance(state, Shape) else Shape()
    for minute in (NOW, NOW + 1, NOW + 30, NOW + 5_000):
        match state:
            case Shape():
                state.see(minute, 3)
                assert state.between(minute, minute + 90) >= 0
            case Rate():
                state.see(minute, org, 9)
                state.quiet_until(12, org)
            case Proportion():
                state.see(True)
            case Peaks():
                state.see(9.0, minute)
            case Budget():
                state.see(Peaks().see(9.0, minute), minute)  # type: ignore[arg-type]
    state.pack()
