"""A ledger as it was hashed, in lines: so that anybody can compute the chain again."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from tocsin.domain import chain
from tocsin.domain.errors import TocsinError
from tocsin.domain.segment import Segment
from tocsin.services.reading.checked import fetch, parts_after, take
from tocsin.services.reading.past import Past
from tocsin.wire.entries import leaf_line, line

__all__ = ["MAX_ENTRIES", "MAX_ENTRIES_BYTES", "entries"]

MAX_ENTRIES: Final = 25_000
MAX_ENTRIES_BYTES: Final = 16 * 1024 * 1024
"""Of one answer: a Lambda streams 20 MB at most."""

_EVENTS_AT_ONCE: Final = 5_000  # asked for; what is held at once, `fetch` bounds by bytes
_PIECE_BYTES: Final = 256 * 1024


def entries(past: Past, first_seq: int, last_seq: int | None) -> Iterator[bytes]:
    """Yield lines from one seq to another (None: to the end), as many as one answer holds.

    Each was checked. What can't be read ends the answer before it, as if it were full: so who asks
    on from there is told at once why, and nobody has to tell a broken answer from a whole one.

    Raises:
        IntegrityError: the first event is not what was sealed, or one of its batch is not.
        Busy: a store does not answer.
    """
    end = first_seq + MAX_ENTRIES
    stop = end if last_seq is None else min(end, last_seq + 1)
    piece, room, begun = bytearray(), MAX_ENTRIES_BYTES, False
    try:
        for each in _lines(past, first_seq, stop):
            if (room := room - len(each)) < 0:
                break
            begun = True
            piece += each
            if len(piece) >= _PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
    except TocsinError:
        if not begun:
            raise
    yield bytes(piece)


def _lines(past: Past, first_seq: int, stop: int) -> Iterator[bytes]:
    """Yield the lines from one seq to before another; as leaves what is past the retention.

    That is so whether the journal has dropped it or not yet.
    """
    parts = parts_after(past.ledger, past.org, first_seq - 1, None)
    while True:
        group, broken = take(parts, min(_EVENTS_AT_ONCE, stop - first_seq))
        since_ms = past.retention.expired_before_ms
        old = [part for part in group if part.sealed_at_ms < since_ms]  # the first ones
        for part in old:
            yield from _leaves(part, range(first_seq, stop))
        for part, sealed in fetch(past.ledger, past.journal, group[len(old) :], past.retention):
            if sealed is None:
                yield from _leaves(part, range(first_seq, stop))
            for event in sealed or ():
                if first_seq <= event.seq < stop:
                    yield line(event)
        if group and group[-1].last_seq >= stop - 1:
            return
        if broken is not None:
            raise broken
        if not group:
            return
        first_seq = group[-1].last_seq + 1


def _leaves(part: Segment, wanted: range) -> Iterator[bytes]:
    hashes = [part.hash_before, *chain.extend(part.hash_before, part.leaves)]
    for place, (leaf, (before, after)) in enumerate(
        zip(part.leaves, pairwise(hashes), strict=True)
    ):
        if (seq := part.first_seq + place) in wanted:
            yield leaf_line(seq, before, after, leaf)
