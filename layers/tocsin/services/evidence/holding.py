"""Copy the events of an org under a legal hold into the archive, before they expire.

Each as it was hashed, in the lines that `tocsin export` writes, so that a copy is checked as an
export is. What one run has not come to the next one does; whatever step is the last, an object that
is there may be put again.
"""

import gzip
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tocsin.domain.retention import Retention
from tocsin.domain.tree import Tree
from tocsin.ports.evidence import Archive, Trees
from tocsin.ports.log import Journal, Ledger
from tocsin.services.reading.entries import entries
from tocsin.services.reading.past import Past

__all__ = ["Holding"]

OBJECT_BYTES: Final = 4 * 1024 * 1024
"""Of lines in an object, before they are compressed; as they are read, it can be some 5 % more."""

STEPS_A_RUN: Final = 5


class Holding:
    """Brings the copy of an org's events up to its last checkpoint, as far as one run goes."""

    def __init__(
        self,
        ledger: Ledger,
        journal: Journal,
        trees: Trees,
        archive: Archive,
        retention: Callable[[], Retention],
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._trees = trees
        self._archive = archive
        self._retention = retention

    def __call__(self, tree: Tree) -> Tree:
        """Return the tree as it is stored then.

        Raises:
            HeadMoved: another run has changed the tree; what it copied is there.
            IntegrityError: what is stored is not what was sealed.
            Busy: a store or the archive does not answer.
        """
        signed = tree.signed or 0
        past = Past(self._ledger, self._journal, tree.org, self._retention())
        for _ in range(STEPS_A_RUN):
            if tree.held >= signed:
                break
            first = past.first_kept(range(tree.held + 1, signed + 1))
            last = self._step(tree, past, first, signed) if first <= signed else signed
            held = replace(tree, held=last)
            self._trees.grow(tree, held, [])
            tree = held
        return tree

    def _step(self, tree: Tree, past: Past, first: int, last: int) -> int:
        """Copy as much as an object holds, from one seq up to another; return the last seq."""
        lines = bytearray()
        for piece in entries(past, first, last):
            lines += piece
            if len(lines) >= OBJECT_BYTES:
                break
        last = first + lines.count(b"\n") - 1
        path = f"{tree.origin}/entries/{first:016}-{last:016}.jsonl.gz"
        self._archive.put(path, gzip.compress(lines, mtime=0), hold=True)
        return last
