"""Objects for S3, each of a run of events: Parquet, against gzip'd JSON lines.

Time is CPU time a run, of all that makes an object of sealed events. Memory is what a process of
its own took at most, less what it took without: for one object, and for ten at once, as many as one
invocation of ``deliver`` sends at once.
"""

from functools import partial

from bench.report import milliseconds, number, ratio, show
from bench.timing import Variant, measure
from support.full_objects import full_run, peak_bytes
from support.notified import endpoint, sent
from tocsin.domain.endpoints import Format

__all__ = ["main"]

_MIB = 1024 * 1024
_WORDS = {"some 300 bytes": 0, "some 700": 60, "some 15 KB": 2_000}


def main() -> None:
    """Measure and print."""
    _show_objects()
    _show_memory()


def _show_objects() -> None:
    rows = []
    for name, words in _WORDS.items():
        run = full_run(Format.S3, words)
        measured = measure(
            {
                each: Variant(partial(sent, endpoint(each), *run), 1)
                for each in (Format.PARQUET, Format.S3)
            }
        )
        parquet, lines = measured[Format.PARQUET], measured[Format.S3]
        sizes = [len(sent(endpoint(each), *run).body) for each in (Format.PARQUET, Format.S3)]
        rows.append(
            (
                f"{len(run):,} events of {name}",
                milliseconds(1 / parquet.typical),
                milliseconds(1 / lines.typical),
                ratio(1 / parquet.over(lines)),
                number(sizes[0] / _MIB),
                number(sizes[1] / _MIB),
                ratio(sizes[0] / sizes[1]),
            )
        )
    show(
        "An object of a run: ms of CPU time, and MiB",
        ("", "Parquet", "JSON lines", "lines are 1", "Parquet", "JSON lines", "lines are 1"),
        rows,
    )


def _show_memory() -> None:
    rows = []
    for format in (Format.PARQUET, Format.S3):
        without, one, ten = (peak_bytes(format, at_once) for at_once in (0, 1, 10))
        rows.append((format, *(number((each - without) / _MIB) for each in (one, ten))))
    show("Memory it takes, in MiB", ("", "one object", "ten at once"), rows)
