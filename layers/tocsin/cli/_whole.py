"""A file that is there whole or not at all, in a folder that one process at a time writes."""

import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["put"]


def put(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file beside its place, and move it there when it is on the disk.

    What a killed process left there is written over, and no link is followed. Raises OSError.
    """
    new = path.with_name(f".{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
