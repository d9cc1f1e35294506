"""What a stretch of an org's ledger holds, from its events, each checked as a replay does it."""

from tocsin.domain.errors import IntegrityError
from tocsin.domain.retention import Retention
from tocsin.domain.stretches import seqs_of
from tocsin.ports.log import Journal, Ledger
from tocsin.services.reading.checked import FIRST_SEGMENTS, fetch, hash_at, parts_after, take
from tocsin.wire.summary import Bounds, Gathered, Summary

__all__ = ["summarise"]


def summarise(
    ledger: Ledger, journal: Journal, org: str, number: int, retention: Retention
) -> Summary:
    """Return the summary of a whole stretch of level 0.

    It may hold anything if the journal has dropped some of it: that can't be told any more.

    Raises:
        IntegrityError: what is stored there is not what was sealed, or the ledger ends in it.
        Busy: a store does not answer.
    """
    seqs, seq = seqs_of(0, number), seqs_of(0, number).start
    parts = parts_after(ledger, org, seq - 1, None, per_page=FIRST_SEGMENTS)
    gathered, dropped, before = Gathered(), False, b""
    while True:
        group, broken = take(parts, seqs.stop - seq)
        for part, sealed in fetch(ledger, journal, group, retention):
            dropped = dropped or sealed is None
            for event in sealed or ():
                if event.seq in seqs:
                    gathered.add(event)
            if seqs.start >= part.first_seq:
                before = hash_at(part, seqs.start - 1)
            if part.last_seq >= seqs[-1]:
                bounds = Bounds(before, hash_at(part, seqs[-1]), part.sealed_at_ms)
                return Summary.of_anything(bounds) if dropped else gathered.summary(bounds)
            seq = part.last_seq + 1
        if broken or not group:
            raise broken or IntegrityError(org, seq, "the ledger's end was cut off")
