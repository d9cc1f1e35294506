"""The reading and scoring of any series in a CSV file."""

import csv
import io
import math
import random
from pathlib import Path

import pytest

from bench.detection import series
from bench.detection.series import Row, period, read, score

NOON_MS = 1_388_577_600_000  # 2014-01-01T12:00Z


def rows(text: str) -> list[Row]:
    return list(read(io.StringIO(text)))


@pytest.mark.parametrize(
    ("timestamp", "at_ms"),
    [
        ("2014-01-01 12:00:00", NOON_MS),
        ("2014-01-01T12:00:00Z", NOON_MS),
        ("2014-01-01T13:00:00.000+01:00", NOON_MS),
        ("2014/01/01 12:00", NOON_MS),
        ("01/01/2014 12:00", NOON_MS),
        ("1388577600", NOON_MS),
        ("1388577600.0", NOON_MS),
        ("1388577600000", NOON_MS),
        ("1388577600000000", NOON_MS),
        ("1388577600000000000", NOON_MS),
        ("17", None),
        ("0", None),
        ("-3", None),
        ("whenever", None),
        ("1e400", None),
    ],
)
def test_timestamps_of_all_sorts_are_read(timestamp: str, at_ms: int | None) -> None:
    assert rows(f"timestamp,value\n{timestamp},1.5\n") == [Row(timestamp, at_ms, 1.5)]


@pytest.mark.parametrize(
    "text",
    [
        "timestamp,value\n7,1.5\n8,2\n",
        "Time;Value\r\n7;1.5\r\n8;2\r\n",
        "value,timestamp\n1.5,7\n2,8\n",
        '"","timestamp","count"\n"1",7,1.5\n"2",8,2\n',
        "timestamp,value,is_anomaly\n7,1.5,0\n8,2,1\n",
        "7,1.5\n8,2\n",
        "\n7,1.5\n\n8,2\n\n",
        "7\t1.5\n8\t2",
        "7 1.5\n8 2\n",
    ],
)
def test_columns_are_found_under_a_header_or_none(text: str) -> None:
    assert rows(text) == [Row("7", None, 1.5), Row("8", None, 2.0)]


@pytest.mark.parametrize("text", ["1.5\n2\n", "value\n1.5\n2\n", "Data,Label\n1.5,0\n2,1\n"])
def test_values_alone_are_numbered(text: str) -> None:
    assert rows(text) == [Row("0", None, 1.5), Row("1", None, 2.0)]


def test_a_cell_that_is_no_number_is_a_missing_value() -> None:
    assert [math.isnan(row.value) for row in rows("timestamp,value\n1,\n2,x\n3\n4,5\n")] == [
        *(True, True, True, False),
    ]


def test_nothing_is_no_rows() -> None:
    assert rows("") == []
    assert rows("timestamp,value\n") == []


def test_a_header_without_values_says_what_to_name_them() -> None:
    with pytest.raises(ValueError, match="name it `value`"):
        rows("timestamp,label\n1,0\n")


def test_each_row_gets_a_score_and_the_odd_one_the_highest(tmp_path: Path) -> None:
    draw = random.Random(1)  # noqa: S311
    values = [draw.gauss(0, 1) for _ in range(600)]
    values[500] = 40.0
    source, out = tmp_path / "series.csv", tmp_path / "scores.csv"
    source.write_text("\n".join(["timestamp,value", *(f"{i},{x}" for i, x in enumerate(values))]))
    series.main(source, out)
    with out.open(newline="") as scores:
        scored = list(csv.DictReader(scores))
    assert [row["timestamp"] for row in scored] == [str(i) for i in range(600)]
    assert max(scored, key=lambda row: float(row["score"]))["timestamp"] == "500"
    assert all(0.0 <= float(row["score"]) <= 1.0 for row in scored)


def test_a_score_needs_no_later_row() -> None:
    draw = random.Random(2)  # noqa: S311
    whole = [Row(str(i), None, math.sin(i / 9) + draw.gauss(0, 0.1)) for i in range(1_100)]
    some = [rated for _, rated in series.scored(iter(whole[:700]))]
    assert [rated for _, rated in series.scored(iter(whole))][:700] == some


def test_scores_rise_with_surprise_from_0_to_1() -> None:
    rated = [score(nats) for nats in (0.0, 0.7, 3.0, 8.0, 700.0)]
    assert rated == sorted(rated)
    assert rated[0] == 0.0
    assert rated[1] < 0.01
    assert rated[3] == 0.5
    assert 0.99 < rated[4] < 1.0


@pytest.mark.parametrize("length", [24, 100, 288, 700])
def test_a_period_is_found(length: int) -> None:
    draw = random.Random(length)  # noqa: S311
    values = [math.sin(i * math.tau / length) + draw.gauss(0, 0.2) for i in range(4_096)]
    assert period(values) == pytest.approx(length, rel=0.02)


def test_noise_and_constants_have_no_period() -> None:
    draw = random.Random(3)  # noqa: S311
    assert period([draw.gauss(0, 1) for _ in range(1_024)]) == 0
    assert period([5.0] * 1_024) == 0
