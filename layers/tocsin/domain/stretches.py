"""Stretches: the ledger's seqs cut evenly, whatever its segments are, so that each has a number.

A stretch of level 0 has :data:`STRETCH_EVENTS` seqs, and one of the next level
:data:`STRETCHES_TOGETHER` stretches. The first of each level is number 0 and begins at seq 1.
"""

from dataclasses import dataclass

from tocsin.domain.limits import STRETCH_EVENTS, STRETCHES_TOGETHER

__all__ = ["Made", "parts_of", "seqs_of", "touched", "whole", "widest"]


@dataclass(frozen=True, slots=True)
class Made:
    """How many stretches of level 0 have summaries, of which version, and those above them.

    ``hash`` is the ledger's at the end of the last one, as it was read then.
    """

    stretches: int = 0
    hash: bytes = b""
    version: int = 0


def seqs_of(level: int, number: int) -> range:
    """Return the seqs of a stretch."""
    size = _size(level)
    return range(number * size + 1, (number + 1) * size + 1)


def parts_of(numbers: range) -> range:
    """Return the stretches of the level below that adjacent ones consist of."""
    return range(numbers.start * STRETCHES_TOGETHER, numbers.stop * STRETCHES_TOGETHER)


def touched(level: int, span: range) -> range:
    """Return the stretches of a level that have seqs of a span."""
    if not span:
        return range(0)
    size = _size(level)
    return range((span.start - 1) // size, (span.stop - 2) // size + 1)


def whole(level: int, seq: int) -> int:
    """Return how many stretches of a level a ledger has that ends with a seq."""
    return seq // _size(level)


def widest(seq: int) -> list[tuple[int, range]]:
    """Return the fewest stretches that have all whole ones of a ledger that ends with a seq.

    They come as levels with their stretches, in the order of seqs: the highest level first.
    """
    level = 0
    while whole(level + 1, seq):
        level += 1
    found, covered = [], 0
    for each in range(level, -1, -1):
        count = whole(each, seq)
        found.append((each, range(covered, count)))
        covered = count * STRETCHES_TOGETHER
    return found


def _size(level: int) -> int:
    size: int = STRETCH_EVENTS * STRETCHES_TOGETHER**level
    return size
