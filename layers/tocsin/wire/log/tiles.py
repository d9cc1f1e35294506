"""Tiles: a tree in pieces of 256 hashes, and entries in bundles of as many.

See https://c2sp.org/tlog-tiles. The hashes of level 0 are the leaves; each of a higher level is the
root of a full tile of the level below::

    tile/0/x001/x234/067          256 leaves, the first of them 1234067 · 256
    tile/1/000.p/12               the 12 hashes that level 1 has so far
    tile/entries/x001/x234/067    the entries of those leaves
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from tocsin.domain.chain import HASH_BYTES
from tocsin.domain.tree import TILE_HEIGHT, TILE_WIDTH
from tocsin.wire.log.faults import BadFormat, EntryTooLong
from tocsin.wire.log.texts import MAX_NUMBER

__all__ = [
    "HEIGHT",
    "MAX_ENTRY_BYTES",
    "WIDTH",
    "Tile",
    "read_bundle",
    "read_hashes",
    "tiles",
    "write_bundle",
]

HEIGHT: Final = TILE_HEIGHT
"""A hash of a level is ``HEIGHT`` higher in the tree than one of the level below."""

WIDTH: Final = TILE_WIDTH
"""Hashes of a full tile, entries of a full bundle."""

MAX_ENTRY_BYTES: Final = 2**16 - 1
"""As long can an entry of a bundle be."""

_LENGTH_BYTES: Final = 2
_MAX_LEVEL: Final = 63
_PATH: Final = re.compile(
    r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile of a level from 0 to 63, or a bundle of entries: then the level is None.

    It is the ``index``-th of its level, from 0, and has ``width`` hashes or entries.

    Raises:
        BadFormat: no tree has such a tile.
    """

    level: int | None
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        """Refuse what has no path."""
        if not 0 <= (self.level or 0) <= _MAX_LEVEL:
            raise BadFormat(f"the level of a tile is from 0 to {_MAX_LEVEL}")
        if not 1 <= self.width <= WIDTH:
            raise BadFormat(f"the width of a tile is from 1 to {WIDTH}")
        if not 0 <= self.start <= MAX_NUMBER:
            raise BadFormat("a tile begins at a leaf up to 2^63 - 1")

    @classmethod
    def read(cls, path: str) -> Self:
        """Return the tile of a path, which begins with ``tile/``.

        Raises:
            BadFormat: it is none.
        """
        if not (parts := _PATH.fullmatch(path)):
            raise BadFormat(
                "a tile's path is tile/<level>/<index>[.p/<width>], as tlog-tiles has it"
            )
        level, index, width = parts.groups()
        tile = cls(
            None if level == "entries" else int(level),
            int(index.replace("x", "").replace("/", "")),
            int(width) if width else WIDTH,
        )
        if tile.path != path:
            raise BadFormat(f"the path of this tile is {tile.path}")
        return tile

    @property
    def path(self) -> str:
        """The path that :meth:`read` reads."""
        level = "entries" if self.level is None else self.level
        *groups, last = _thousands(self.index)
        index = "".join(f"x{group:03}/" for group in groups) + f"{last:03}"
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{index}{partial}"

    @property
    def start(self) -> int:
        """The first leaf below it, from 0."""
        return self.index << self.height + HEIGHT

    @property
    def height(self) -> int:
        """The height of its hashes in the tree; that of leaves is 0."""
        return (self.level or 0) * HEIGHT

    def is_in(self, size: int) -> bool:
        """Whether a tree of this size has all of its hashes."""
        return self.index * WIDTH + self.width <= size >> self.height


def tiles(old: int, new: int) -> Iterator[Tile]:
    """Yield the tiles that a tree has once it has grown, and had not before, with the new width.

    Those of level 0 come first; each has a bundle of entries beside it.
    """
    level = 0
    while new:
        for index in range(old // WIDTH, -(-new // WIDTH)) if new > old else ():
            yield Tile(level, index, min(WIDTH, new - index * WIDTH))
        old, new, level = old >> HEIGHT, new >> HEIGHT, level + 1


def write_bundle(entries: Sequence[bytes]) -> bytes:
    """Return entries as a bundle: each after its length, 2 bytes, high one first.

    Raises:
        EntryTooLong: one is longer than :data:`MAX_ENTRY_BYTES`: there can be no such bundle.
        BadFormat: it would have no entries, or more than :data:`WIDTH`.
    """
    if not 1 <= len(entries) <= WIDTH:
        raise BadFormat(f"a bundle has from 1 to {WIDTH} entries")
    parts = list[bytes]()
    for place, entry in enumerate(entries):
        if len(entry) > MAX_ENTRY_BYTES:
            raise EntryTooLong(
                f"entry {place} of this bundle has {len(entry):,} bytes, and a bundle holds entries"
                f" of at most {MAX_ENTRY_BYTES:,}: its leaf is in the tile, the entry in an export",
                place,
            )
        parts += (len(entry).to_bytes(_LENGTH_BYTES), entry)
    return b"".join(parts)


def read_bundle(bundle: bytes) -> list[bytes]:
    """Return the entries of a bundle.

    Raises:
        BadFormat: it is cut, has no entries, or more than :data:`WIDTH`.
    """
    entries, at = list[bytes](), 0
    while at < len(bundle) and len(entries) < WIDTH:
        end = at + _LENGTH_BYTES
        at, end = end, end + int.from_bytes(bundle[at:end])
        entries.append(bundle[at:end])
        at = end
    if at != len(bundle) or not entries:
        raise BadFormat(f"a bundle is from 1 to {WIDTH} entries, each after its length")
    return entries


def read_hashes(tile: Tile, data: bytes) -> list[bytes]:
    """Return the hashes of a tile, 32 bytes each.

    Raises:
        BadFormat: they are not as many as it is wide.
    """
    if len(data) != tile.width * HASH_BYTES:
        raise BadFormat(f"{tile.path} has {tile.width * HASH_BYTES} bytes and not {len(data)}")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def _thousands(number: int) -> list[int]:
    """Return a number's digits to the base of 1,000, high ones first."""
    digits = [number % 1_000]
    while number := number // 1_000:
        digits.append(number % 1_000)
    return digits[::-1]
