"""What the benches print, and how they compare."""

import pytest

from bench import report
from bench.timing import Rates, Variant, measure


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.05312, "0.053"),
        (0.6, "0.600"),
        (1, "1.00"),
        (9.999, "10.0"),
        (41.23, "41.2"),
        (412.3, "412"),
        (12_345.6, "12,300"),
        (1_810_400, "1,810,000"),
    ],
)
def test_a_number_is_written_with_three_digits_that_matter(value: float, text: str) -> None:
    assert report.number(value) == text


def test_a_duration_is_written_in_milliseconds() -> None:
    assert report.milliseconds(0.0298) == "29.8"


def test_a_ratio_is_that_of_the_same_round() -> None:
    slow_start = Rates((10.0, 100.0, 100.0))
    baseline = Rates((5.0, 50.0, 50.0))
    assert slow_start.over(baseline) == 2


def test_four_times_the_work_is_a_lower_rate(capsys: pytest.CaptureFixture[str]) -> None:
    def work(times: int) -> None:
        print("measured code may print")
        for _ in range(times):
            sum(range(10_000))

    variants = {"one": Variant(lambda: work(1), 1), "four": Variant(lambda: work(4), 1)}
    rates = measure(variants, rounds=5, round_seconds=0.02)
    assert 2 < rates["one"].over(rates["four"]) < 8
    assert capsys.readouterr().out == ""


def test_a_table_holds_titles_rows_and_notes(capsys: pytest.CaptureFixture[str]) -> None:
    report.show("Title", ("", "events/s"), [("seal", "1,000")], ["[not markup] µs"])
    printed = capsys.readouterr().out
    assert all(text in printed for text in ("Title", "events/s", "seal", "1,000", "[not markup]"))


def test_the_machine_is_named() -> None:
    assert "CPU" in report.machine() and "Python" in report.machine()
