"""The keys that have signed a log, a line each, in the order in which they came.

::

    tocsin/7c1f…/acme+b8e2a1c4+AWhp… since 1 2026-11-28T09:30:00.123Z until 208 2027-02-01T…

After ``since`` are the size of the first checkpoint that it signed, and when that was; after
``until`` those of the first that it did not sign any more, if there is one.
"""

from collections.abc import Iterable
from typing import Any

from tocsin.domain.times import iso_ms
from tocsin.domain.tree import LogKey

__all__ = ["in_order", "key", "key_line"]


def in_order(keys: Iterable[LogKey]) -> list[LogKey]:
    """Return keys as they came; of those that came together first what signs every checkpoint."""
    return sorted(keys, key=lambda each: (each.since_size, each.verifier.split("+", 2)[2]))


def key_line(key: LogKey) -> bytes:
    """Return a key's line, with its end."""
    words = [key.verifier, "since", str(key.since_size), iso_ms(key.since_ms)]
    if key.until_size is not None and key.until_ms is not None:
        words += ["until", str(key.until_size), iso_ms(key.until_ms)]
    return f"{' '.join(words)}\n".encode()


def key(of: LogKey) -> dict[str, Any]:
    """Return the same as an object."""
    said: dict[str, Any] = {
        "key": of.verifier,
        "since_size": of.since_size,
        "since": iso_ms(of.since_ms),
    }
    if of.until_size is not None and of.until_ms is not None:
        said |= {"until_size": of.until_size, "until": iso_ms(of.until_ms)}
    return said
