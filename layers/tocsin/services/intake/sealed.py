"""Waiting until a batch is sealed, for senders that want to know their events' places at once."""

import time
from collections.abc import Sequence

from tocsin.domain import chain, ids
from tocsin.domain.errors import TocsinError
from tocsin.domain.limits import WAIT_SEALED_SECONDS
from tocsin.ports.log import Ledger
from tocsin.wire.intake.format import Place

__all__ = ["places"]

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.03, 0.25


def places(ledger: Ledger, org: str, batch_id: str, entries: Sequence[bytes]) -> list[Place]:
    """Return each event's place, after :data:`WAIT_SEALED_SECONDS` at most.

    What is not known then is None: the batch is not sealed yet, the ledger does not answer, or what
    it holds are not these entries. None of that is an error here: they are stored.
    """
    event_ids = ids.event_ids(batch_id, len(entries))
    ends_at, pause = time.monotonic() + WAIT_SEALED_SECONDS, _FIRST_PAUSE_SECONDS
    while True:
        try:
            if found := _sealed(ledger, org, batch_id, entries):
                return [
                    Place(id, seq, hash) for id, (seq, hash) in zip(event_ids, found, strict=True)
                ]
        except TocsinError:
            return [Place(id) for id in event_ids]
        if time.monotonic() + pause > ends_at:
            return [Place(id) for id in event_ids]
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _sealed(
    ledger: Ledger, org: str, batch_id: str, entries: Sequence[bytes]
) -> list[tuple[int, str]] | None:
    """Return the seq and hash of each entry; None: they are not sealed yet.

    Raises:
        TocsinError: the ledger does not answer, or holds something else.
    """
    first_seq = ledger.first_seqs(org, [batch_id]).get(batch_id)
    if first_seq is None:
        return None
    found = ledger.segments(org, first_seq, 1)
    if not found or first_seq < found[0].first_seq:
        return None
    segment, start = found[0], first_seq - found[0].first_seq
    leaves = segment.leaves[start : start + len(entries)]
    if leaves != tuple(map(chain.leaf, entries)):
        raise TocsinError("the ledger holds other events under this batch's id")
    hashes = chain.extend(segment.hash_before, segment.leaves)
    return [(first_seq + at, hashes[start + at].hex()) for at in range(len(entries))]
