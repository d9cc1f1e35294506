"""An org's states, many to an item: a write costs by the kilobyte, and all are written at once.

A shelf is never changed: what is new is written to another place, and the cursor says which place
is each shelf's. So what a run writes means nothing until its cursor is there.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from tocsin.domain.detect.fold import AGENDA, REPORTS
from tocsin.domain.detect.packing import Damaged, join, split

__all__ = ["Shelves"]

_SHELVES: Final = 64
_MAX_SHELF_BYTES: Final = 300 * 1024  # of an item's 400 KB
_TAG_CHARS: Final = 8  # of a change: as many as tell its place from any before


class Shelves:
    """The states that were loaded, by shelf, the last touched last; none is ever loaded twice."""

    def __init__(
        self, load: Callable[[Sequence[str]], Mapping[str, bytes]], places: Mapping[str, str]
    ) -> None:
        """``load`` returns the shelves that exist, by their places; ``places`` are by name."""
        self._load = load
        self._places = dict(places)
        self._shelves: dict[str, dict[str, bytes]] = {}

    def fetch(self, keys: Iterable[str]) -> None:
        """Load at once what holds these states."""
        names = dict.fromkeys(map(_shelf_of, keys))
        missing = [name for name in names if name not in self._shelves]
        places = [self._places[name] for name in missing if name in self._places]
        found = self._load(places) if places else {}
        for name in missing:
            self._shelves[name] = _unpacked(found.get(self._places.get(name, ""), b""))

    def __call__(self, key: str) -> bytes:
        """Return a state; empty: there is none."""
        self.fetch([key])
        return self._shelves[_shelf_of(key)].get(key, b"")

    def write(
        self, states: Mapping[str, bytes], change: str, put: Callable[[str, bytes], None]
    ) -> tuple[dict[str, str], list[str]]:
        """Put the shelves of changed states to new places.

        Where a shelf is full, the states that were not touched for longest are forgotten.

        Returns:
            The places of all shelves by name, and those that no shelf has any more.
        """
        self.fetch(states)
        for key, state in states.items():
            shelf = self._shelves[_shelf_of(key)]
            shelf.pop(key, None)
            shelf[key] = state
        left = list[str]()
        for name in dict.fromkeys(map(_shelf_of, states)):
            place = f"{name}-{change[-_TAG_CHARS - 2 : -2]}"  # its end is the same for all
            put(place, self._packed(name))
            if name in self._places:
                left.append(self._places[name])
            self._places[name] = place
        return dict(self._places), left

    def _packed(self, name: str) -> bytes:
        shelf = self._shelves[name]
        size = sum(len(key) + len(state) + 4 for key, state in shelf.items())
        while size > _MAX_SHELF_BYTES:
            key = next(iter(shelf))
            size -= len(key) + len(shelf.pop(key)) + 4
        return join(part for key, state in shelf.items() for part in (key.encode(), state))


def _shelf_of(key: str) -> str:
    return key if key in (AGENDA, REPORTS) else f"{zlib.crc32(key.encode()) % _SHELVES:02}"


def _unpacked(data: bytes) -> dict[str, bytes]:
    """Return what a shelf holds; of bytes that are none nothing, which is learned anew."""
    try:
        parts = split(data)
        keys = [key.decode() for key in parts[::2]]
        return dict(zip(keys, parts[1::2], strict=True))
    except (Damaged, ValueError):
        return {}
