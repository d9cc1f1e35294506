"""Where a subscriber starts, from what it sent."""

import re
from dataclasses import dataclass

from tocsin.domain import ids
from tocsin.domain.errors import Malformed, TocsinError
from tocsin.domain.times import time_ms
from tocsin.ports.log import Ledger
from tocsin.services.reading.since import seq_before

__all__ = ["Resumed", "Start", "resolve", "resume"]

_SEQ = re.compile(r"[0-9]{1,16}", re.ASCII)
_PART = re.compile(r"([0-9]{1,16})/1", re.ASCII)  # as tocsin.wire.frames.part_id makes it
_AHEAD_MS = 60_000  # by which a client's clock may be ahead


@dataclass(frozen=True, slots=True)
class Start:
    """What a request says of where to start, in the order in which one wins over the others."""

    last_event_id: str | None = None
    after: str | None = None
    since: str | None = None


@dataclass(frozen=True, slots=True)
class Resumed:
    """Where a stream goes on: after ``seq``; None: from now on.

    ``begun`` is the id of the first message about the next event, where its reader has that one
    already. ``unknown`` says that what was sent is no cursor of this ledger, and that ``seq`` is
    its end instead; ``sent_seq`` is what was sent then, if it was a seq.
    """

    seq: int | None
    begun: str = ""
    unknown: bool = False
    sent_seq: int | None = None


class _Unknown(TocsinError):
    """A cursor that may be one of another ledger, or of this one before a restore."""

    def __init__(self, message: str, sent_seq: int | None = None) -> None:
        super().__init__(message)
        self.sent_seq = sent_seq


def resume(ledger: Ledger, org: str, start: Start, known_head: int, now_ms: int) -> Resumed:
    """Return where a stream goes on; otherwise like :func:`resolve`.

    An ``EventSource`` that is refused never comes back, and what it sends as ``Last-Event-ID`` is
    not its page's choice. So there anything goes: a time is taken as ``since``, and what this
    ledger does not know leads to its end. So does an ``after`` that is ahead of the ledger.

    Raises:
        Malformed: ``after`` or ``since`` is not a cursor, or ``since`` is ahead of the ledger.
        Busy: the ledger does not answer.
    """
    sent, lenient = start.last_event_id or start.after or "", bool(start.last_event_id)
    part = _PART.fullmatch(sent)
    if part:
        start = Start(after=str(max(int(part[1]) - 1, 0)))
    elif lenient and not _SEQ.fullmatch(sent) and time_ms(sent) is not None:
        start = Start(since=sent)
    try:
        return Resumed(_seq(ledger, org, start, known_head, now_ms), sent if part else "")
    except _Unknown as error:
        if not sent:
            raise Malformed(str(error)) from error
        sent_seq = error.sent_seq
    except Malformed:
        if not lenient:
            raise
        sent_seq = None
    return Resumed(ledger.head(org).seq, unknown=True, sent_seq=sent_seq)


def resolve(ledger: Ledger, org: str, start: Start, known_head: int, now_ms: int) -> int | None:
    """Return the seq after which to go on; None when nothing was said: from now on.

    ``Last-Event-ID`` wins over the others, since a reconnecting EventSource repeats its URL. Each
    is a seq or an event's id; ``since`` can be a time too, that of the first event's receipt. Up to
    ``known_head`` the ledger need not be asked.

    Raises:
        Malformed: it is none of these, or it is ahead of the ledger.
        Busy: the ledger does not answer.
    """
    try:
        return _seq(ledger, org, start, known_head, now_ms)
    except _Unknown as error:
        raise Malformed(str(error)) from error


def _seq(ledger: Ledger, org: str, start: Start, known_head: int, now_ms: int) -> int | None:
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
            raise _Unknown(f"{name}: no sealed event has this id; send the seq of one instead")
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
        raise _Unknown(
            f"{name} is {seq}, ahead of the ledger, which ends at {head}: leave it out to start "
            "from now on, or send 0 to start from the beginning",
            seq,
        )
    return seq
