"""A progress bar on standard error, if that is a terminal."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["progress"]


@contextmanager
def progress(source: BinaryIO) -> Iterator[Callable[[int], None]]:
    """Yield a function that shows how many events of ``source`` are stored.

    The bar follows the bytes read from a file; a pipe has no known end.
    """
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[count]:,} events stored"),
        BarColumn(),
        TimeElapsedColumn(),
    )
    size_bytes = os.fstat(source.fileno()).st_size or None
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("send", total=size_bytes, count=0)

        def show(count: int) -> None:
            read_bytes = source.tell() if source.seekable() else None
            bar.update(task, count=count, completed=read_bytes)

        yield show
