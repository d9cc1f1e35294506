"""Where a subscriber starts, from what it sent."""

import re

from tocsin.domain import ids
from tocsin.domain.errors import Malformed
from tocsin.ports import Ledger

__all__ = ["resolve"]

_SEQ = re.compile(r"[0-9]{1,16}", re.ASCII)


def resolve(
    ledger: Ledger, org: str, last_event_id: str | None, after: str | None, known_head: int
) -> int | None:
    """Return the seq after which to go on; None when nothing was said: from now on.

    ``Last-Event-ID`` wins over ``after``, since a reconnecting EventSource repeats its URL. Each is
    a seq or an event's id. Up to ``known_head`` the ledger need not be asked.

    Raises:
        Malformed: it is neither, or it is ahead of the ledger.
        Busy: the ledger does not answer.
    """
    name, text = ("Last-Event-ID", last_event_id) if last_event_id else ("after", after)
    if text is None:
        return None
    if _SEQ.fullmatch(text):
        seq = int(text)
    elif batch := ids.batch_of(text):
        batch_id, place = batch
        first_seq = ledger.first_seqs(org, [batch_id]).get(batch_id)
        if first_seq is None:
            raise Malformed(f"{name}: no sealed event has this id; send the seq of one instead")
        seq = first_seq + place
    else:
        raise Malformed(f"{name} is neither a seq (41) nor an event id (evt_…)")
    if seq > known_head and seq > (head := ledger.head(org).seq):
        raise Malformed(
            f"{name} is {seq}, ahead of the ledger, which ends at {head}: leave it out to start "
            "from now on, or send 0 to start from the beginning"
        )
    return seq
