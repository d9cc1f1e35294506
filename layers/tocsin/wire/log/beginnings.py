"""A tree as a log serves it: the hashes of which a later part of it goes on.

They are taken from tiles as they are. Whether they are the log's shows where a checkpoint holds.
"""

from collections.abc import Callable, Sequence
from typing import Final

from tocsin.domain.chain import HASH_BYTES
from tocsin.domain.merkle import Peaks
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.texts import from_base64, number, to_base64
from tocsin.wire.log.tiles import HEIGHT, WIDTH, Tile

__all__ = ["beginning", "read_beginning", "write_beginning"]


_MAX_BYTES: Final = 100 * HASH_BYTES


def read_beginning(text: bytes) -> Peaks:
    """Return the tree of a file: its size, and a line for the hash of each perfect subtree.

    Raises:
        BadFormat: it is none.
    """
    if len(text) > _MAX_BYTES or not text.isascii():
        raise BadFormat("it does not hold a tree's size and hashes")
    first, *lines = text.decode().removesuffix("\n").split("\n")
    size = number(first, "a tree's size")
    if len(lines) != size.bit_count():
        raise BadFormat(f"a tree of {size} has {size.bit_count()} hashes")
    return Peaks(size, tuple(from_base64(line, "a tree's hash", HASH_BYTES) for line in lines))


def write_beginning(tree: Peaks) -> bytes:
    """Return the bytes that :func:`read_beginning` reads."""
    return "".join(f"{line}\n" for line in (tree.size, *map(to_base64, tree.hashes))).encode()


def beginning(size: int, whole: int, tiles: Callable[[Tile], Sequence[bytes]]) -> Peaks:
    """Return the tree of the first ``size`` events of a log that has a tree of ``whole``.

    Raises:
        BadFormat: the tiles are not those of such a log.
    """
    hashes, start = list[bytes](), 0
    for height in reversed(range(size.bit_length())):
        if size >> height & 1:
            hashes.append(_node(height, start >> height, whole, tiles))
            start += 1 << height
    return Peaks(size, tuple(hashes))


def _node(height: int, number: int, whole: int, tiles: Callable[[Tile], Sequence[bytes]]) -> bytes:
    level, within = divmod(height, HEIGHT)
    first = number << within
    index = first // WIDTH
    width = min(WIDTH, (whole >> level * HEIGHT) - index * WIDTH)
    if width <= 0:
        raise BadFormat("the log has less events than that")
    found = tiles(Tile(level, index, width))[first % WIDTH :][: 1 << within]
    if len(found) != 1 << within:
        raise BadFormat("the log does not serve all of its tiles")
    return Peaks().grown(found)[0].root
