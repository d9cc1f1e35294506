"""Project: derive sessions, agents and usage from sealed segments, each exactly once, in seq order.

The cursor says through which seq everything is projected. A segment's items are changed only while
they have not had it, so a crash between two items, or two projectors at once, count nothing twice.
"""

import sys
from collections.abc import Sequence

from tocsin.domain.projection import changes
from tocsin.domain.segment import SealedEvent, Segment
from tocsin.ports import Journal, Ledger, Projections
from tocsin.services import replay

__all__ = ["project"]

_SEGMENTS_AT_ONCE = 8

type _Sealed = tuple[Segment, Sequence[SealedEvent]]


def project(
    org: str,
    fresh: Sequence[_Sealed],
    *,
    ledger: Ledger,
    journal: Journal,
    projections: Projections,
) -> None:
    """Bring an org's projections up to the head.

    ``fresh`` are segments just sealed, whose events need not be read again.

    Raises:
        IntegrityError: a segment in between can't be verified; what is before it is projected.
        Busy: a store does not answer.
    """
    through = projections.through_seq(org)
    at_hand = {segment.first_seq: (segment, events) for segment, events in fresh}
    until = fresh[-1][0].last_seq if fresh else None
    while until is None or through < until:
        known = at_hand.get(through + 1)
        run = [known] if known else _read(org, through, ledger, journal)
        if not run:
            return
        for segment, events in run:
            for change in changes(events):
                projections.apply(org, segment, change)
            projections.advance(org, segment)
            through = segment.last_seq


def _read(org: str, through: int, ledger: Ledger, journal: Journal) -> list[_Sealed]:
    """Read the next segments, which another run sealed and may not have projected."""
    return [
        (
            segment,
            replay.read(
                ledger,
                journal,
                org,
                segment.first_seq - 1,
                limit=segment.count,
                max_bytes=sys.maxsize,
            ),
        )
        for segment in ledger.segments(org, through + 1, _SEGMENTS_AT_ONCE)
    ]
