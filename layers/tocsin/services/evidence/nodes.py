"""The nodes of an org's tree, as of one of its sizes: kept ones, and leaves of the ledger."""

from collections.abc import Sequence
from typing import Final

from tocsin.domain.errors import IntegrityError
from tocsin.domain.merkle import join
from tocsin.domain.tree import TILE_HEIGHT, TILE_WIDTH
from tocsin.ports.evidence import Trees
from tocsin.ports.log import Ledger
from tocsin.services.reading.checked import in_time

__all__ = ["Nodes"]

_SEGMENTS_PER_PAGE: Final = 16


class Nodes:
    """Returns hashes by height and number, as :data:`tocsin.domain.merkle.Hashes` are.

    It reads a tile at a time, and each once: a proof takes two tiles of a level at most.
    """

    def __init__(self, ledger: Ledger, trees: Trees, org: str, size: int) -> None:
        self._ledger = ledger
        self._trees = trees
        self._org = org
        self._size = size
        self._tiles: dict[tuple[int, int], Sequence[bytes]] = {}

    def __call__(self, height: int, number: int) -> bytes:
        """Return a node's hash.

        Raises:
            IntegrityError: what it follows from is not there.
            Busy: a store does not answer.
        """
        level, within = divmod(height, TILE_HEIGHT)
        first = number << within
        tile = self.tile(level, first // TILE_WIDTH)
        start = first % TILE_WIDTH
        hashes = [*tile[start : start + (1 << within)]]
        while len(hashes) > 1:
            hashes = [join(*hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
        return hashes[0]

    def tile(self, level: int, number: int) -> Sequence[bytes]:
        """Return the hashes of a tile: 256, or as many as the tree of this size has there.

        Raises:
            IntegrityError, Busy: as a call does.
        """
        known = self._tiles.get((level, number))
        if known is None:
            known = self._tiles[level, number] = self._read(level, number)
        return known

    def _read(self, level: int, number: int) -> Sequence[bytes]:
        first = number * TILE_WIDTH
        count = min(TILE_WIDTH, (self._size >> (level * TILE_HEIGHT)) - first)
        if count <= 0:
            return ()
        if level:
            found = self._trees.nodes(self._org, level * TILE_HEIGHT, first, count)
        else:
            found = self._leaves(first, count)
        if len(found) != count:
            seq = ((first + len(found)) << (level * TILE_HEIGHT)) + 1
            raise IntegrityError(self._org, seq, "what the tree is made of is missing from there")
        return found

    def _leaves(self, first: int, count: int) -> Sequence[bytes]:
        leaves, seq = list[bytes](), first + 1
        while len(leaves) < count:
            in_time()
            page = self._ledger.segments(self._org, seq, _SEGMENTS_PER_PAGE)
            for segment in page:
                if segment.first_seq > seq or segment.last_seq < seq:
                    return leaves
                leaves += segment.leaves[seq - segment.first_seq :]
                seq = segment.last_seq + 1
            if len(page) < _SEGMENTS_PER_PAGE:
                break
        return leaves[:count]
