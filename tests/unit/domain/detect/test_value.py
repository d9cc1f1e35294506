"""How unusual one more value of a series is."""

import math
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.domain.detect.value import Value

MINUTE_MS = 60_000
START_MS = 1_760_000_000_000

values = st.floats() | st.sampled_from([0.0, 1.0, -1.0, 5e-324, 1e-200, 1e15, 1e308, -1e308])
times = st.integers(min_value=-(10**20), max_value=10**20)


def nats(
    series: Sequence[float], *, positive: bool = False, value: Value | None = None
) -> list[float]:
    value = value or Value(positive=positive)
    return [value.see(x, START_MS + i * MINUTE_MS).nats for i, x in enumerate(series)]


def normal(count: int, seed: int = 1) -> list[float]:
    draw = random.Random(seed)  # noqa: S311
    return [draw.gauss(100.0, 5.0) for _ in range(count)]


def latencies(count: int, seed: int = 1) -> list[float]:
    draw = random.Random(seed)  # noqa: S311
    return [draw.lognormvariate(5.0, 0.5) for _ in range(count)]


def daily(count: int, seed: int = 1) -> list[float]:
    """Return a value every ten minutes, high by day and low by night."""
    draw = random.Random(seed)  # noqa: S311
    return [50.0 + 40.0 * math.sin(i * math.tau / 144) + draw.gauss(0, 2) for i in range(count)]


@given(st.lists(st.tuples(values, times), max_size=30), st.booleans(), st.integers(0, 30))
def test_what_is_packed_anywhere_goes_on_as_if_it_had_not_been(
    seen: list[tuple[float, int]], positive: bool, cut: int
) -> None:
    whole, split = Value(positive=positive), Value(positive=positive)
    for i, (x, at_ms) in enumerate(seen):
        if i == cut:
            split = Value.unpack(split.pack())
        one, other = whole.see(x, at_ms), split.see(x, at_ms)
        assert one.nats == other.nats
        assert one.expected == other.expected or math.isnan(one.expected)
    assert whole.pack() == split.pack()


@pytest.mark.parametrize("make", [normal, daily, lambda n: [float(i % 7 == 0) for i in range(n)]])
def test_a_long_series_packed_after_each_value_is_the_same(
    make: Callable[[int], list[float]],
) -> None:
    whole, split = Value(), Value()
    for i, x in enumerate(make(600)):
        at_ms = START_MS + i * 10 * MINUTE_MS
        assert whole.see(x, at_ms) == split.see(x, at_ms)
        split = Value.unpack(split.pack())


@settings(max_examples=300)
@given(st.lists(st.tuples(values, times), max_size=40), st.booleans())
def test_no_values_and_no_clock_do_harm(seen: list[tuple[float, int]], positive: bool) -> None:
    value = Value(positive=positive)
    for x, at_ms in seen:
        found = value.see(x, at_ms)
        assert 0.0 <= found.nats < 1e4
        assert found.windows >= 1
        assert math.isfinite(found.expected) or not math.isfinite(x)
    Value.unpack(value.pack())


@settings(max_examples=300)
@given(st.data())
def test_damaged_bytes_are_refused_or_do_no_harm(data: st.DataObject) -> None:
    value = Value()
    nats(normal(50), value=value)
    packed = bytearray(value.pack())
    for at in data.draw(st.lists(st.integers(0, len(packed) - 1), min_size=1, max_size=20)):
        packed[at] = data.draw(st.integers(0, 255))
    try:
        damaged = Value.unpack(bytes(packed))
    except ValueError:
        return
    nats(normal(50), value=damaged)


@pytest.mark.parametrize("packed", [b"", b"\x01", b"\x00" * 2_000, b"\xff" + Value().pack()[1:]])
def test_other_bytes_are_no_state(packed: bytes) -> None:
    with pytest.raises(ValueError, match="a packed series of values"):
        Value.unpack(packed)


def test_a_state_fits_in_a_write_unit() -> None:
    assert len(Value().pack()) < 1024


@pytest.mark.parametrize("factor", [1 / 1024, 2.0, 1e6])
def test_the_unit_of_a_latency_does_not_matter(factor: float) -> None:
    series = [*latencies(500), 20_000.0, *latencies(50, seed=2)]
    scaled = nats([x * factor for x in series], positive=True)
    assert scaled == pytest.approx(nats(series, positive=True), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("shift", [-100.0, 4096.0, 1e6])
def test_the_zero_of_a_plain_scale_does_not_matter(shift: float) -> None:
    series = [*normal(500), 200.0, *normal(50, seed=2)]
    assert nats([x + shift for x in series]) == pytest.approx(nats(series), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_a_hundredfold_latency_is_far_above_all_others(seed: int) -> None:
    found = nats([*latencies(1_000, seed), 15_000.0, *latencies(100, seed + 50)], positive=True)
    spike = found.pop(1_000)
    assert spike > max(found) + 1.0
    assert spike > 8.0


def test_what_follows_a_spike_is_normal_again() -> None:
    found = nats([*normal(1_000), 500.0, *normal(100, seed=2)])
    assert found[1_000] > 10.0
    assert max(found[1_001:]) < 7.0


def test_low_latency_is_no_surprise() -> None:
    assert nats([*latencies(1_000), 0.01], positive=True)[-1] < 3.0


def test_a_low_value_is_one() -> None:
    assert nats([*normal(1_000), 20.0])[-1] > 8.0


@pytest.mark.parametrize("positive", [False, True])
def test_a_lasting_shift_is_found_and_then_accepted(positive: bool) -> None:
    series = latencies(1_000) if positive else normal(1_000)
    found = nats([*series, *(x * 4.0 for x in series)], positive=positive)
    assert max(found[1_000:1_010]) > 6.0
    assert sum(found[-200:]) / 200 < 3.0


def test_seldom_is_much_surprising_in_noise() -> None:
    found = nats(normal(10_000))
    assert sum(each > 3.0 for each in found) < 0.08 * len(found)
    assert sum(each > 7.0 for each in found) < 0.005 * len(found)


def test_a_constant_is_no_surprise_and_its_end_is_one() -> None:
    found = nats([*[5.0] * 1_000, 6.0, *[5.0] * 100])
    assert max(found[:1_000]) == 0.0
    assert found[1_000] > 5.0


def test_noise_that_stops_is_a_surprise() -> None:
    found = nats([*normal(1_000), *[100.0] * 20])
    assert max(found[1_010:]) > 6.0


def test_what_is_high_at_night_is_a_surprise_though_it_is_normal_by_day() -> None:
    series = daily(144 * 10)
    value = Value()
    for i, x in enumerate(series):
        value.see(x, i * 10 * MINUTE_MS)
    assert value.see(90.0, (len(series) + 108) * 10 * MINUTE_MS).nats > 5.0


def test_missing_values_teach_nothing() -> None:
    with_gaps, without = Value(), Value()
    for i, x in enumerate(normal(200)):
        with_gaps.see(math.nan, START_MS + i)
        assert with_gaps.see(x, START_MS + i) == without.see(x, START_MS + i)
    assert with_gaps.pack() == without.pack()


def test_zeros_say_nothing_of_a_latency() -> None:
    value = Value(positive=True)
    assert value.see(0.0, START_MS).nats == 0.0
    assert value.see(-5.0, START_MS).nats == 0.0
    assert value.pack() == Value(positive=True).pack()


def test_the_first_values_are_no_surprise() -> None:
    assert max(nats([1.0, 2.0, 50.0, 3.0])) < 3.0


def test_what_was_seen_and_expected_is_in_the_values_unit() -> None:
    value = Value(positive=True)
    for i, x in enumerate(latencies(1_000)):
        value.see(x, START_MS + i * MINUTE_MS)
    found = value.see(9_000.0, START_MS + 1_000 * MINUTE_MS)
    assert found.seen == 9_000.0
    assert 100.0 < found.expected < 200.0
