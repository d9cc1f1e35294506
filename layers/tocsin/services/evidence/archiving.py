"""Put checkpoints and leaves where an archive keeps them, in the order in which they were signed.

What is there is enough to tell, without the tables, what each checkpoint covers: the leaves of
every checkpoint and of every full tile, and the tiles above them. Nothing of it says what an event
was. Whatever step is the last, the next run goes on from the last one that was remembered.
"""

from dataclasses import replace
from typing import Final

from tocsin.domain.errors import IntegrityError
from tocsin.domain.tree import TILE_WIDTH, Tree
from tocsin.ports.evidence import Archive, Trees
from tocsin.ports.log import Ledger
from tocsin.services.evidence.nodes import Nodes
from tocsin.wire.log.tiles import tiles

__all__ = ["Archiving"]

_EVENTS_A_STEP: Final = 100 * TILE_WIDTH
_STEPS_A_RUN: Final = 5


class Archiving:
    """Brings an org's archive up to its last checkpoint, as far as one run goes."""

    def __init__(self, ledger: Ledger, trees: Trees, archive: Archive) -> None:
        self._ledger = ledger
        self._trees = trees
        self._archive = archive

    def __call__(self, tree: Tree) -> Tree:
        """Return the tree as it is stored then.

        Raises:
            HeadMoved: another run has changed the tree; what it archived is there.
            IntegrityError: what was signed is not what is stored.
            Busy: a store or the archive does not answer.
        """
        signed = tree.signed or 0
        if tree.archived > signed:
            reason = f"{tree.archived:,} events are said to be archived, and {signed:,} are signed"
            raise IntegrityError(tree.org, signed + 1, reason)
        for _ in range(_STEPS_A_RUN):
            if tree.archived >= signed:
                break
            until = min(signed, (tree.archived // TILE_WIDTH) * TILE_WIDTH + _EVENTS_A_STEP)
            self._step(tree, until)
            archived = replace(tree, archived=until)
            self._trees.grow(tree, archived, [])
            tree = archived
        return tree

    def _step(self, tree: Tree, until: int) -> None:
        nodes = Nodes(self._ledger, self._trees, tree.org, until)
        for tile in tiles(tree.archived, until):
            if tile.level == 0 or tile.width == TILE_WIDTH:
                hashes = nodes.tile(tile.level or 0, tile.index)
                self._archive.put(f"{tree.origin}/{tile.path}", b"".join(hashes))
        last = None
        for checkpoint in self._trees.checkpoints(tree.org, tree.archived, until):
            name = f"{tree.origin}/checkpoints/{checkpoint.size:016}"
            again = last is not None and last.size == checkpoint.size
            time = f"-{checkpoint.made_at_ms // 1_000}" if again else ""
            self._archive.put(f"{name}{time}", checkpoint.note.encode())
            last = checkpoint
        if last is not None:  # after what it is about
            self._archive.put(f"{tree.origin}/checkpoint", last.note.encode())
