"""A log beside the leaves that an archive has of it: which event was changed, and how.

An archive's leaves are as good as signed where they lead to the root of a checkpoint: then the
first leaf that differs is the event that was changed, even if all else was computed anew around it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from tocsin.domain.merkle import Peaks
from tocsin.wire.log.findings import Finding, Kind, Known

__all__ = ["Archived", "Comparison"]

type Archived = Callable[[int], bytes | None]
"""Returns the leaf that an archive has at a place, from 0; None: it has none there."""

_WINDOW: Final = 3  # leaves from the first that differs on, by which it is told what was done


@dataclass(slots=True)
class Comparison:
    """Takes a log's leaves in order, from the end of the tree ``tree`` on.

    Attributes:
        archived: The archive.
        tree: Of its leaves, as far as leaves were taken.
    """

    archived: Archived
    tree: Peaks
    _first: int | None = None
    _own: list[bytes] = field(default_factory=list)
    _size: int = field(init=False)

    def __post_init__(self) -> None:
        """Begin where the tree ends."""
        self._size = self.tree.size

    def add(self, leaves: Iterable[bytes]) -> None:
        """Take the log's next leaves."""
        for leaf in leaves:
            theirs = self.archived(self._size)
            if self._first is None and theirs is not None and theirs != leaf:
                self._first = self._size
            if self._first is not None and len(self._own) < _WINDOW:
                self._own.append(leaf)
            if theirs is not None and self.tree.size == self._size:
                self.tree, _ = self.tree.grown([theirs])
            self._size += 1

    def held(self, tree: Peaks) -> None:
        """Begin anew behind a checkpoint that holds."""
        self.tree, self._first, self._own = tree, None, []
        self._size = tree.size

    def finding(self, known: Known) -> Finding | None:
        """Return what was done before a checkpoint's end; None: the archive can't tell.

        It is for a checkpoint that fails, or beyond the log's end.
        """
        tree, size = self.tree, known.checkpoint.size
        while tree.size < size and (leaf := self.archived(tree.size)) is not None:
            tree, _ = tree.grown([leaf])
        if tree.size != size or tree.root != known.checkpoint.root:
            return None
        if self._first is None:
            return None  # it ends before, and nothing else
        kind = self._kind(self._first)
        reason = f"the archive's leaves lead to the root of {known}, and the event's is another"
        return Finding(kind, reason, self._first + 1)

    def _kind(self, place: int) -> Kind:
        theirs = [self.archived(place + number) for number in range(_WINDOW)]
        own = [*self._own, *[None] * (_WINDOW - len(self._own))]
        if own[:2] == [theirs[1], theirs[0]]:
            return Kind.REORDERED
        if own[0] == theirs[1]:
            return Kind.REMOVED
        if own[1] is not None and own[1] == theirs[0]:
            return Kind.INSERTED
        if own[1:] == theirs[1:]:
            return Kind.EDITED
        return Kind.REWRITTEN
