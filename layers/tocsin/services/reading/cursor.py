"""Where a subscriber starts, from what it sent."""

import re
from dataclasses import dataclass

from tocsin.domain import ids
from tocsin.domain.errors import Malformed
from tocsin.ports import Ledger
from tocsin.services.reading.since import seq_before, time_ms

__all__ = ["Start", "resolve"]

_SEQ = re.compile(r"[0-9]{1,16}", re.ASCII)
_AHEAD_MS = 60_000  # by which a client's clock may be ahead


@dataclass(frozen=True, slots=True)
class Start:
    """What a request says of where to start, in the order in which one wins over the others."""

    last_event_id: str | None = None
    after: str | None = None
    since: str | None = None


def resolve(ledger: Ledger, org: str, start: Start, known_head: int, now_ms: int) -> int | None:
    """Return the seq after which to go on; None when nothing was said: from now on.

    ``Last-Event-ID`` wins over the others, since a reconnecting EventSource repeats its URL. Each
    is a seq or an event's id; ``since`` can be a time too, that of the first event's receipt. Up to
    ``known_head`` the ledger need not be asked.

    Raises:
        Malformed: it is none of these, or it is ahead of the ledger.
        Busy: the ledger does not answer.
    """
    name, text = "Last-Event-ID", start.last_event_id
    if not text:
        if start.after is not None and start.since is not None:
            raise Malformed("after and since both say where to start: give one of them")
        name, text = ("since", start.since) if start.after is None else ("after", start.after)
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
    elif name == "since" and (since_ms := time_ms(text)) is not None:
        if since_ms > now_ms + _AHEAD_MS:
            raise Malformed("since is in the future: leave it out to start from now on")
        return seq_before(ledger, org, since_ms)
    elif name == "since":
        raise Malformed(
            "since is neither a time (2026-01-15T10:00:00Z, with + as %2B) nor a seq (41) "
            "nor an event id (evt_…)"
        )
    else:
        raise Malformed(f"{name} is neither a seq (41) nor an event id (evt_…)")
    if seq > known_head and seq > (head := ledger.head(org).seq):
        raise Malformed(
            f"{name} is {seq}, ahead of the ledger, which ends at {head}: leave it out to start "
            "from now on, or send 0 to start from the beginning"
        )
    return seq
