"""Seal: give the batches of an org their order. The commit of a segment is the seal."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tocsin.domain.batch import Batch
from tocsin.domain.errors import Busy, HeadMoved
from tocsin.domain.ids import batch_time_ms
from tocsin.domain.segment import SealedEvent, Segment, seal
from tocsin.ports.log import Ledger
from tocsin.ports.world import Clock

__all__ = ["Sealed", "seal_batches"]

_TRIES = 20


@dataclass(slots=True)
class Sealed:
    """What became of an org's batches.

    ``fresh`` are the segments committed now with their events, in seq order; ``earlier`` holds the
    seqs of each batch that had been sealed before; ``conflicts`` counts lost races.
    """

    fresh: list[tuple[Segment, list[SealedEvent]]] = field(default_factory=list)
    earlier: dict[str, range] = field(default_factory=dict)
    conflicts: int = 0


def seal_batches(
    org: str,
    batches: Iterable[Batch],
    ledger: Ledger,
    clock: Clock,
    kept_days: int | None = None,
    may_begin: Callable[[str], bool] = lambda org: True,
) -> Sealed:
    """Append to an org's ledger those of the batches that are not in it, in order of their ids.

    Safe to repeat and to run concurrently: of the sealers that read the same head one commits and
    the others start again from the new one.

    ``kept_days`` is how long the journal keeps them. ``may_begin`` is asked where the org has no
    ledger yet; if it says no, nothing is sealed.

    Raises:
        Busy: the store does not answer, or too many others are sealing.
    """
    todo = {batch.id: batch for batch in batches}
    result = Sealed()
    for _ in range(_TRIES):
        head = ledger.head(org)  # before the markers: a commit in between moves the head
        if head.seq == 0 and not may_begin(org):
            return result
        markers = ledger.markers(org, todo)
        counts = Counter(markers.counts)
        for batch_id, first_seq in markers.first_seqs.items():
            result.earlier[batch_id] = range(first_seq, first_seq + todo.pop(batch_id).count)
        try:
            while todo:
                waiting = sorted(todo.values(), key=lambda batch: batch.id)
                segment, events = seal(org, head, waiting, clock.now_ms(), kept_days)
                ledger.commit(segment, head, counts)
                head = segment.head
                result.fresh.append((segment, events))
                for reference in segment.references:
                    del todo[reference.batch_id]
                    counts[batch_time_ms(reference.batch_id) // 1000] += 1
        except HeadMoved:
            result.conflicts += 1
        else:
            return result
    raise Busy(f"{result.conflicts} sealers were faster: {org} is sealed by others")
