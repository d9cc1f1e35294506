"""Merkle trees of RFC 6962 (RFC 9162, section 2.1), which only grow.

Leaves are the hashes of :func:`tocsin.domain.chain.leaf`; all hashes are 32 bytes of SHA-256. A
node is a perfect subtree: that of height h and number i covers the leaves from i · 2^h on, 2^h of
them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

__all__ = [
    "EMPTY",
    "BadProof",
    "Hashes",
    "Node",
    "Peaks",
    "check_consistency",
    "check_inclusion",
    "consistency",
    "inclusion",
    "join",
    "root_by",
    "root_of",
]

EMPTY: Final = sha256(b"").digest()
"""The root of a tree without leaves."""

type Hashes = Callable[[int, int], bytes]
"""Returns the hash of a node of a tree, by height and number."""


class BadProof(Exception):
    """A proof does not show what it should."""


class Node(NamedTuple):
    """A perfect subtree."""

    height: int
    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Peaks:
    """A tree, as what is needed to let it grow: one hash for each bit of its size, high ones first.

    They are those of the largest perfect subtrees, from left to right.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    @property
    def nodes(self) -> dict[tuple[int, int], bytes]:
        """The hashes by height and number."""
        heights = (bit for bit in reversed(range(self.size.bit_length())) if self.size >> bit & 1)
        places = ((height, (self.size >> height) - 1) for height in heights)
        return dict(zip(places, self.hashes, strict=True))

    @property
    def root(self) -> bytes:
        """The root's hash."""
        if not self.hashes:
            return EMPTY
        *rest, root = self.hashes
        for each in reversed(rest):
            root = join(each, root)
        return root

    def grown(self, leaves: Iterable[bytes]) -> tuple["Peaks", list[Node]]:
        """Return the tree with more leaves, and the nodes above leaves that this completes."""
        size, hashes, nodes = self.size, [*self.hashes], list[Node]()
        for leaf in leaves:
            height, number, top = 0, size, leaf
            while number & 1:
                top = join(hashes.pop(), top)
                height, number = height + 1, number >> 1
                nodes.append(Node(height, number, top))
            hashes.append(top)
            size += 1
        return Peaks(size, tuple(hashes)), nodes


def join(left: bytes, right: bytes) -> bytes:
    """Return the hash of what two subtrees are together."""
    return sha256(b"\x01" + left + right).digest()


def root_of(size: int, hashes: Hashes) -> bytes:
    """Return the root of a tree of so many leaves."""
    return _subtree(0, size, hashes) if size else EMPTY


def root_by(size: int, hashes: Hashes, height: int, nodes: range) -> bytes:
    """Return the root of a tree of so many leaves, by way of some of its nodes of a height.

    It is the tree's own only if each of these nodes is.
    """
    first, end = nodes.start << height, nodes.stop << height

    def root(start: int, until: int) -> bytes:
        if until <= first or end <= start or until - start == 1 << height:
            return _subtree(start, until, hashes)
        middle = start + _split(until - start)
        return join(root(start, middle), root(middle, until))

    return root(0, size)


def inclusion(index: int, size: int, hashes: Hashes) -> list[bytes]:
    """Return the proof that a leaf is in a tree, from the leaf's sibling up (section 2.1.3.1).

    Raises:
        ValueError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} of {size}")
    proof, start, end = list[bytes](), 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_subtree(middle, end, hashes))
            end = middle
        else:
            proof.append(_subtree(start, middle, hashes))
            start = middle
    return proof[::-1]


def consistency(old: int, new: int, hashes: Hashes) -> list[bytes]:
    """Return the proof that a tree is a beginning of another one (section 2.1.4.1).

    Raises:
        ValueError: ``old`` is beyond ``new``.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} in one of {new}")
    if old in (0, new):
        return []
    proof, start, end, whole = list[bytes](), 0, new, True
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_subtree(middle, end, hashes))
            end = middle
        else:
            proof.append(_subtree(start, middle, hashes))
            start, whole = middle, False
    if not whole:
        proof.append(_subtree(start, end, hashes))
    return proof[::-1]


def check_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that a leaf is in the tree of this root (section 2.1.3.2).

    Raises:
        BadProof: the proof does not show it.
    """
    if not 0 <= index < size:
        raise BadProof(f"a tree of {size} has no leaf {index}")
    place, last, top = index, size - 1, leaf
    for sibling in proof:
        if not last:
            raise BadProof("the proof is too long")
        if place & 1 or place == last:
            top = join(sibling, top)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            top = join(top, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise BadProof("the proof is too short")
    if top != root:
        raise BadProof("the proof leads to another root")


def check_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of the old root is a beginning of that of the new one (section 2.1.4.2).

    Raises:
        BadProof: the proof does not show it.
    """
    if not 0 <= old <= new:
        raise BadProof(f"a tree of {old} is no beginning of one of {new}")
    if old in (0, new):
        known = EMPTY if old == 0 else new_root
        if proof or old_root != known:
            raise BadProof("the proof leads to another root")
        return
    path = [*proof] if old & (old - 1) else [old_root, *proof]
    if not path:
        raise BadProof("the proof is too short")
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_top = new_top = path[0]
    for sibling in path[1:]:
        if not last:
            raise BadProof("the proof is too long")
        if place & 1 or place == last:
            old_top, new_top = join(sibling, old_top), join(sibling, new_top)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new_top = join(new_top, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise BadProof("the proof is too short")
    if old_top != old_root or new_top != new_root:
        raise BadProof("the proof leads to another root")


def _split(count: int) -> int:
    """Return the largest power of two below a count."""
    return 1 << ((count - 1).bit_length() - 1)


def _subtree(start: int, end: int, hashes: Hashes) -> bytes:
    """Return the hash of the leaves from ``start`` to ``end``, a subtree of the whole."""
    count = end - start
    height = count.bit_length() - 1
    if count == 1 << height:
        return hashes(height, start >> height)
    middle = start + _split(count)
    return join(_subtree(start, middle, hashes), _subtree(middle, end, hashes))
