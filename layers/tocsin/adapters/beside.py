"""A file that is written beside its place, and is there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

__all__ = ["beside"]


@contextmanager
def beside(place: Path, content: bytes, mode: int = 0o666) -> Iterator[Path]:
    """Give a file with this content, which is on the disk, beside a place in a folder that is made.

    Whoever is given it moves it there, or links it; what is left of it then is removed. Several may
    do so at once. Raises OSError: it can't be written.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    begun = place.with_name(f".{place.name}.{token_hex(4)}")
    descriptor = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        yield begun
    finally:
        begun.unlink(missing_ok=True)
