"""Where a tree does not lead to a checkpoint: which event it is, and what was done.

A root does not say which leaf is another one. But what was signed has hashes within it: those of
256 events each, which a log serves as its tiles. They are as good as the root if they lead to it,
with what comes after them: so a log whose owner did not compute them anew tells of itself where it
was changed, and by how many events it was made longer or shorter. Among few events, one that was
put in or moved is found by trying what the root would be without that.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tocsin.domain.merkle import Node, Peaks
from tocsin.wire.log.findings import Finding, Kind, Known
from tocsin.wire.log.tiles import HEIGHT, WIDTH, Tile

__all__ = ["Doubt", "Since", "Tiles"]

type Tiles = Callable[[Tile], Sequence[bytes]]
"""Returns the hashes of a tile as a log serves them, which may be wrong; or none."""

_MOST_GROUPS: Final = 1 << 18  # since a checkpoint that holds: 8 MB, for 67 million events
_MOST_NEAR: Final = 2 * WIDTH  # leaves among which one is tried that was put in
_MOST_MOVED: Final = 32  # leaves among which one is tried that was moved anywhere
_MOST_SHIFTED: Final = 64  # events by which a log is tried to have been made longer or shorter
_SHIFTS: Final = sorted(range(-_MOST_SHIFTED, _MOST_SHIFTED + 1), key=abs)


@dataclass(slots=True)
class Since:
    """What is remembered of the events after the last checkpoint that holds."""

    sure: Peaks
    groups: list[bytes] = field(default_factory=list)
    near: list[bytes] = field(default_factory=list)
    tail: deque[bytes] = field(default_factory=lambda: deque(maxlen=WIDTH + _MOST_SHIFTED))

    def add(self, leaves: Sequence[bytes], nodes: Iterable[Node]) -> None:
        """Remember some leaves, and the nodes that they complete."""
        for node in nodes:
            if node.height == HEIGHT and len(self.groups) <= _MOST_GROUPS:
                self.groups.append(node.hash)
        if len(self.near) <= _MOST_NEAR:
            self.near += leaves
        self.tail += leaves

    def held(self, tree: Peaks) -> None:
        """Forget them: a checkpoint holds for this tree."""
        self.sure = tree
        self.groups, self.near = [], []

    def doubt(self, known: Known) -> "Doubt":
        """Return the doubt about them that comes with a checkpoint which fails."""
        return Doubt(known, self.sure, [*self.groups], [*self.near], [*self.tail])


@dataclass(slots=True)
class Doubt:
    """One of the events after the tree ``sure`` is not what the checkpoint ``known`` has.

    Attributes:
        groups: The hashes of each 256 events from there on, as they are.
        near: The leaves from there on, some.
        tail: The last leaves that the checkpoint covers, 256 and some.
        beyond: Those after it, some.
    """

    known: Known
    sure: Peaks
    groups: list[bytes]
    near: list[bytes]
    tail: list[bytes]
    beyond: list[bytes] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many events the checkpoint covers."""
        return self.known.checkpoint.size

    def add(self, leaves: Iterable[bytes]) -> None:
        """Take leaves that come after those of the checkpoint."""
        self.beyond += [*leaves][: _MOST_SHIFTED - len(self.beyond)]

    def finding(self, tiles: Tiles | None = None) -> Finding:
        """Return what can be told, with the log's own tiles if it has some."""
        return self._tried() or (tiles and self._by_tiles(tiles)) or self._somewhere()

    def _somewhere(self) -> Finding:
        reason = f"the tree does not lead to the root of {self.known}"
        return Finding(Kind.REWRITTEN, reason, self.sure.size + 1, self.size)

    def _tried(self) -> Finding | None:
        """Return what one change of few events explains, if one does."""
        count = self.size - self.sure.size
        if count > min(_MOST_NEAR, len(self.near)):
            return None
        leaves, begin, root = self.near[:count], self.sure, self.known.checkpoint.root
        for place, each in _without_one([*leaves, *self.beyond[:1]]):
            if len(each) == count and begin.grown(each)[0].root == root:
                return self._one(Kind.INSERTED, self.sure.size + place)
        for place, each in _in_other_orders(leaves):
            if begin.grown(each)[0].root == root:
                return self._one(Kind.REORDERED, self.sure.size + place)
        return None

    def _one(self, kind: Kind, place: int) -> Finding:
        words = "without it" if kind is Kind.INSERTED else "in another order"
        return Finding(kind, f"{words}, the events lead to the root of {self.known}", place + 1)

    def _by_tiles(self, tiles: Tiles) -> Finding | None:
        """Return what the log's hashes of 256 events tell, if they lead to what was signed."""
        begin, end = self.sure.size >> HEIGHT, self.size >> HEIGHT
        own = self.groups[: end - begin]
        signed = _groups(tiles, begin, end)
        if not (own and len(own) == len(signed) == end - begin):
            return None
        whole = Peaks(begin, self.sure.hashes[: begin.bit_count()]).grown(signed)[0]
        shift = self._shift(Peaks(end << HEIGHT, whole.hashes))
        if shift is None:
            return None
        places = (at for at, pair in enumerate(zip(own, signed, strict=True)) if len({*pair}) > 1)
        place = next(places, None)
        group = end if place is None else begin + place
        first = max(self.sure.size, group << HEIGHT) + 1
        last = min(self.size, (group + 1) << HEIGHT)
        if place is not None:
            exact = _within(tiles, group, signed[place], own[place])
            if exact is not None and exact[1] + 1 >= first:
                return self._one(*exact)
        known = f"the log's own hashes lead to the root of {self.known}"
        if shift == 0 and next(places, None) is not None:
            reason = f"{known}, and those of the event and of others after it do not fit"
            return Finding(Kind.REWRITTEN, reason, first, last)
        kind = Kind.EDITED if not shift else Kind.INSERTED if shift > 0 else Kind.REMOVED
        reason = f"{known}, and the event does not fit"
        if shift:
            reason = f"{known} if there are {abs(shift)} {'less' if shift > 0 else 'more'}"
        return Finding(kind, reason, first, last)

    def _shift(self, whole: Peaks) -> int | None:
        """Return by how many events the log is too long, if the hashes lead to the root then."""
        leaves = [*self.tail, *self.beyond]
        start = len(self.tail) - (self.size - whole.size)
        for shift in _SHIFTS:
            some = leaves[max(0, start + shift) : len(self.tail) + shift]
            fits = len(some) == self.size - whole.size
            if fits and whole.grown(some)[0].root == self.known.checkpoint.root:
                return shift
        return None


def _groups(tiles: Tiles, begin: int, end: int) -> list[bytes]:
    """Return the hashes of 256 events each, from one to another, as they are served."""
    found = list[bytes]()
    if end - begin > _MOST_GROUPS:
        return found
    for index in range(begin // WIDTH, -(-end // WIDTH)):
        hashes = tiles(Tile(1, index, min(WIDTH, end - index * WIDTH)))
        if not hashes:
            return []
        found += hashes[max(0, begin - index * WIDTH) :]
    return found


def _within(tiles: Tiles, group: int, signed: bytes, own: bytes) -> tuple[Kind, int] | None:
    """Return what one change explains of 256 events, and where, if one does."""
    leaves = [*tiles(Tile(0, group))]
    if Peaks().grown(leaves)[0].root != own:
        return None
    following = [*tiles(Tile(0, group + 1)), *tiles(Tile(0, group + 1, 1))][:1]
    for place, each in _without_one([*leaves, *following]):
        if len(each) == WIDTH and Peaks().grown(each)[0].root == signed:
            return Kind.INSERTED, (group << HEIGHT) + place
    for place, each in _in_other_orders(leaves):
        if Peaks().grown(each)[0].root == signed:
            return Kind.REORDERED, (group << HEIGHT) + place
    return None


def _without_one(leaves: Sequence[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the leaves without each of them, and its place."""
    for place in range(len(leaves) - 1):
        yield place, [*leaves[:place], *leaves[place + 1 :]]


def _in_other_orders(leaves: Sequence[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the leaves with one in another place, and the first that is not where it was."""
    reach = len(leaves) if len(leaves) <= _MOST_MOVED else 2
    for place in range(len(leaves)):
        for other in range(place + 1, min(len(leaves), place + reach)):
            rest = [*leaves[:place], *leaves[place + 1 :]]
            yield place, [*rest[:other], leaves[place], *rest[other:]]
            if other > place + 1:
                rest = [*leaves[:other], *leaves[other + 1 :]]
                yield place, [*rest[:place], leaves[other], *rest[place:]]
                between = leaves[place + 1 : other]
                swapped = [leaves[other], *between, leaves[place]]
                yield place, [*leaves[:place], *swapped, *leaves[other + 1 :]]
