"""Fan out: seal what the journal's stream delivers, and tell the subscribers."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tocsin.domain.batch import Batch, StoredBatch, UnreadableBatch
from tocsin.domain.errors import Busy
from tocsin.domain.set_aside import SetAsideItem
from tocsin.ports.log import Broker, Ledger, SetAside
from tocsin.ports.orgs import Orgs
from tocsin.ports.world import Clock
from tocsin.services.sealing.seal import Sealed, seal_batches
from tocsin.wire import channel

__all__ = ["Fanout", "Report"]


BYTES_AT_ONCE = 16 * 1024 * 1024  # of entries that are unpacked, sealed and told together

type Received = Batch | UnreadableBatch | StoredBatch


@dataclass(slots=True)
class Report:
    """What a run did. ``failed`` maps each org that must be tried again to the reason.

    ``broken`` maps orgs for which trying again at once is of no use: their ledger can't be read, or
    the fault is ours. It is told, nobody waits for it, and the sweeper tries again.
    ``set_aside`` counts what was not on the list yet: the sweeper meets each item again.
    """

    sealed_events: int = 0
    segments: int = 0
    conflicts: int = 0
    set_aside: int = 0
    unpublished: int = 0
    failed: dict[str, Busy] = field(default_factory=dict)
    broken: dict[str, Exception] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """The figures for the operators, by metric name."""
        return {
            "SealedEvents": self.sealed_events,
            "Segments": self.segments,
            "SealConflicts": self.conflicts,
            "SetAside": self.set_aside,
            "Unpublished": self.unpublished,
            "BrokenOrgs": len(self.broken),
        }


class Fanout:
    """The use case behind the journal's stream. The only writer of ledgers.

    Every step can be repeated: sealing skips what is sealed, and subscribers drop the seqs that
    they have.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        set_aside: SetAside,
        broker: Broker | None,
        clock: Clock,
        kept_days: int | None = None,
        orgs: Orgs | None = None,
    ) -> None:
        """Wire the ports; without a broker subscribers poll the ledger.

        ``kept_days`` is how long the journal keeps a batch. ``orgs`` says which org was deleted:
        for it no ledger is begun anew, however late its batches are delivered.
        """
        self._orgs = orgs
        self._ledger = ledger
        self._set_aside = set_aside
        self._broker = broker
        self._clock = clock
        self._kept_days = kept_days

    def __call__(self, received: Iterable[Received]) -> Report:
        """Seal and publish; one org's trouble holds up no other."""
        report = Report()
        by_org: dict[str, list[Received]] = defaultdict(list)
        for batch in received:
            by_org[batch.org].append(batch)
        for org, batches in by_org.items():
            try:
                self._one_org(org, batches, report)
            except Busy as error:
                report.failed[org] = error
            except Exception as error:  # whatever an org's data can raise
                report.broken[org] = error
        return report

    def _one_org(self, org: str, received: Sequence[Received], report: Report) -> None:
        readable, size_bytes = list[Batch](), 0
        for each in sorted(received, key=lambda batch: batch.id):
            batch = each.unpack() if isinstance(each, StoredBatch) else each
            if isinstance(batch, Batch):
                readable.append(batch)
                size_bytes += sum(map(len, batch.entries))
            else:
                item = SetAsideItem(org, batch.id, batch.reason, self._clock.now_ms())
                report.set_aside += self._set_aside.add(item)
            if size_bytes >= BYTES_AT_ONCE:
                self._seal(org, readable, report)
                readable, size_bytes = [], 0
        if readable:
            self._seal(org, readable, report)

    def _seal(self, org: str, batches: Sequence[Batch], report: Report) -> None:
        sealed = seal_batches(
            org, batches, self._ledger, self._clock, self._kept_days, self._may_begin
        )
        report.conflicts += sealed.conflicts
        report.segments += len(sealed.fresh)
        report.sealed_events += sum(segment.count for segment, _ in sealed.fresh)
        self._publish(org, sealed, report)

    def _may_begin(self, org: str) -> bool:
        found = self._orgs.get(org) if self._orgs else None
        return found is None or not found.gone

    def _publish(self, org: str, sealed: Sealed, report: Report) -> None:
        """Tell the subscribers. A broker that is gone costs them a look at the ledger, no more."""
        if self._broker is None:
            return
        messages = [channel.encode(events) for _, events in sealed.fresh]
        if sealed.earlier:  # sealed by a run that may not have come this far
            first = min(seqs[0] for seqs in sealed.earlier.values())
            last = max(seqs[-1] for seqs in sealed.earlier.values())
            messages.insert(0, channel.encode_range(first, last))
        try:
            for message in messages:
                self._broker.publish(org, message)
        except Busy:
            report.unpublished += 1
