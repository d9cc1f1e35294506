"""How the benches print: tables of numbers that are ratios within one run, and the machine."""

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from math import log10

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

__all__ = ["machine", "milliseconds", "number", "ratio", "show", "usd"]

_WIDTH = 116  # if the output is not a terminal


def machine() -> str:
    """Return what the numbers depend on, in a line."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{cpus} CPUs, {python}, {platform.system()} {platform.machine()}{load}"


def number(value: float) -> str:
    """Write a quantity (0 or more) with three significant digits: 12,300, 41.2 and 0.053."""
    rounded = float(f"{value:.3g}")
    if rounded == 0:
        return "0"
    decimals = 3 if rounded < 1 else 2 - int(log10(rounded))
    return f"{rounded:,.{max(decimals, 0)}f}"


def ratio(value: float) -> str:
    """Write how many times the baseline something is."""
    return f"{number(value)}×"  # noqa: RUF001 (the sign of multiplication)


def usd(value: float) -> str:
    """Write dollars: from ten on with cents, below that with the significant digits."""
    return f"{value:,.2f}" if value >= 10 else f"{value:.4f}" if value < 0.1 else f"{value:.3f}"


def milliseconds(seconds: float) -> str:
    """Write a duration in milliseconds."""
    return number(seconds * 1000)


def show(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    notes: Iterable[str] = (),
) -> None:
    """Print a table: the first column to the left, the others to the right; notes below it."""
    console = Console(
        file=sys.stdout,
        width=None if sys.stdout.isatty() else _WIDTH,
        highlight=False,
        soft_wrap=False,
    )
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, title_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table, markup=False)
    for note in notes:
        console.print(f"  {note}", style="dim", markup=False)
    console.print()
