"""Any series of values in a CSV file, scored row by row: ``python -m bench.detection.series FILE``.

Each row gets a score from 0 to 1 by what came before it, from the detector that scores latency and
cost. The rows are ``timestamp,value`` under a header or none; a file of values alone will do.
Timestamps are ISO 8601 or alike, Unix seconds to nanoseconds, or plain numbers of rows.
"""

import argparse
import csv
import math
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final, TextIO

from tocsin.domain.detect.value import Value

__all__ = ["Row", "main", "read", "score", "scored"]

_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_MONDAY_MS: Final = 4 * _DAY_MS  # 5 January 1970
_HALF: Final = 8.0  # nats that score 0.5: one in three thousand
_TIMES: Final = {"timestamp", "timestamps", "time", "date", "datetime", "ds", "t", "index", ""}
_LABELS: Final = {"label", "labels", "is_anomaly", "anomaly", "changepoint"}
_FORMATS: Final = ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M")
_UNITS: Final = ((1e17, 1e-6), (1e14, 1e-3), (1e11, 1.0), (1e8, 1e3))  # from, in ms: ns, µs, ms, s
_FEWEST: Final = 256  # rows, before a period is looked for
_KEPT: Final = 4096
_POINTS: Final = 1024
_SLOWEST_STEP: Final = 10_000  # ms: whose rows are closer together have no day


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its timestamp as it stands, in Unix ms if it is a time, and its value or NaN."""

    timestamp: str
    at_ms: int | None
    value: float


def main(csv_path: Path, out: Path | None = None) -> None:
    """Score a file into another, or onto standard output, and print the rows a second."""
    began, count = time.process_time(), 0
    with (
        csv_path.open(encoding="utf-8-sig", errors="replace", newline="") as source,
        out.open("w", encoding="utf-8", newline="") if out else nullcontext(sys.stdout) as target,
    ):
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(("timestamp", "value", "score"))
        for row, rated in scored(read(source)):
            writer.writerow((row.timestamp, f"{row.value:.12g}", f"{rated:.6f}"))
            count += 1
    seconds = max(time.process_time() - began, 1e-9)
    print(f"{count:,} rows, {count / seconds:,.0f} a second of CPU time", file=sys.stderr)


def scored(rows: Iterator[Row]) -> Iterator[tuple[Row, float]]:
    """Yield each row with its score, by those before it alone."""
    value, clock = Value(), _Clock()
    for row in rows:
        yield row, score(value.see(row.value, clock.at_ms(row)).nats)


def score(nats: float) -> float:
    """Return a surprise from 0 to 1; 0.5 is one in three thousand."""
    return nats * nats / (nats * nats + _HALF * _HALF)


def read(source: TextIO) -> Iterator[Row]:
    """Yield the rows of a CSV file; blank lines are skipped, cells that are no number are NaN."""
    first = next((line for line in source if line.strip()), "")
    delimiter = next((mark for mark in ";\t, " if mark in first.strip()), ",")
    cells = next(csv.reader([first], delimiter=delimiter, skipinitialspace=True), [])
    if not cells:
        return
    header = _has_names(cells)
    timestamp, value = _columns(cells, header)
    if not header:
        yield _row(cells, timestamp, value, 0)
    lines = csv.reader(source, delimiter=delimiter, skipinitialspace=True)
    for number, cells in enumerate((each for each in lines if each), start=not header):
        yield _row(cells, timestamp, value, number)


def _has_names(cells: Sequence[str]) -> bool:
    return all(math.isnan(_number(cell)) and _at_ms(cell) is None for cell in cells)


def _columns(cells: Sequence[str], header: bool) -> tuple[int | None, int]:
    """Return which columns hold the timestamp, if any does, and the value."""
    if not header:
        return (0, 1) if len(cells) > 1 else (None, 0)
    names = [cell.strip().lower() for cell in cells]
    times = [i for i, name in enumerate(names) if name in _TIMES]
    values = [i for i, name in enumerate(names) if name not in _TIMES | _LABELS]
    if not values:
        raise ValueError(f"no column of values in {', '.join(cells)}: name it `value`")
    named = [i for i in times if names[i] not in ("", "index")]
    timestamp = next(iter(named or times), None)
    return timestamp, names.index("value") if "value" in names else values[0]


def _row(cells: Sequence[str], timestamp: int | None, value: int, number: int) -> Row:
    text = cells[timestamp].strip() if timestamp is not None and timestamp < len(cells) else ""
    at_ms = _at_ms(text) if text else None
    return Row(
        text or str(number), at_ms, _number(cells[value]) if value < len(cells) else math.nan
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _at_ms(text: str) -> int | None:
    """Return a time in Unix ms; nothing for what is none, as a number of rows."""
    number = _number(text)
    if not math.isnan(number):
        return next((int(number * ms) for least, ms in _UNITS if least <= number < 1e20), None)
    try:
        return _ms(datetime.fromisoformat(text.strip()))
    except ValueError:
        pass
    for form in _FORMATS:
        try:
            return _ms(datetime.strptime(text.strip(), form))
        except ValueError:
            continue
    return None


def _ms(moment: datetime) -> int:
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


class _Clock:
    """The time of day of rows; without one, the phase of a period found in the values so far.

    The period is the first clear peak of their autocorrelation, looked for when their number
    has doubled. Until then a row is an hour.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._values: deque[float] = deque(maxlen=_KEPT)
        self._steps: deque[int] = deque(maxlen=64)
        self._before: int | None = None
        self._period = 0.0

    def at_ms(self, row: Row) -> int:
        """Return when a row was, in Unix ms."""
        if row.at_ms is not None and self._before is not None:
            self._steps.append(row.at_ms - self._before)
        self._before = row.at_ms
        self._rows += 1
        if row.at_ms is not None and (not self._steps or median(self._steps) >= _SLOWEST_STEP):
            return row.at_ms
        if math.isfinite(row.value):
            self._values.append(row.value)
        if self._rows >= _FEWEST and self._rows & (self._rows - 1) == 0:
            self._period = float(period(list(self._values)))
        if self._period == 0.0:
            return _MONDAY_MS + self._rows * _HOUR_MS
        return _MONDAY_MS + int(self._rows % self._period * _DAY_MS / self._period)


def period(values: Sequence[float]) -> int:
    """Return after how many values they repeat, or 0 if they do not clearly."""
    thin = max(1, len(values) // _POINTS)
    points = [sum(values[i : i + thin]) / thin for i in range(0, len(values) - thin + 1, thin)]
    lag = _peak(points, range(4, len(points) // 3))
    if lag and thin > 1:
        near = range((lag - 1) * thin, (lag + 1) * thin + 1)
        return max(near, key=lambda lag: _correlation(values, lag))
    return lag


def _peak(points: Sequence[float], lags: range) -> int:
    correlations = {lag: _correlation(points, lag) for lag in lags}
    peaks = [
        lag
        for lag in lags[1:-1]
        if correlations[lag] > max(0.3, correlations[lag - 1])
        and correlations[lag] >= correlations[lag + 1]
    ]
    best = max((correlations[lag] for lag in peaks), default=0.0)
    return next((lag for lag in peaks if correlations[lag] >= 0.9 * best), 0)


def _correlation(points: Sequence[float], lag: int) -> float:
    mean = sum(points) / len(points)
    centred = [each - mean for each in points]
    square = sum(each * each for each in centred) / len(points)
    if square <= 0.0:
        return 0.0
    product = sum(map(float.__mul__, centred, centred[lag:]))
    return product / (len(points) - lag) / square


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m bench.detection.series", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    main(arguments.file, arguments.out)
