"""The ledger: segments, each chained to the one before, and the events they put in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tocsin.domain import canonical, chain
from tocsin.domain.batch import Batch
from tocsin.domain.errors import IntegrityError
from tocsin.domain.ids import batch_of, batch_time_ms
from tocsin.domain.limits import MAX_EVENTS_PER_SEGMENT, MAX_SECONDS_PER_SEGMENT

__all__ = [
    "Head",
    "Markers",
    "Reference",
    "SealedEvent",
    "Segment",
    "seal",
    "verify",
]


@dataclass(frozen=True, slots=True)
class Head:
    """The end of an org's ledger: the last seq, its hash, and when it was sealed."""

    seq: int
    hash: bytes
    sealed_at_ms: int

    @classmethod
    def empty(cls, org: str) -> "Head":
        """Return the head of a ledger that holds nothing yet."""
        return cls(seq=0, hash=chain.genesis(org), sealed_at_ms=0)


@dataclass(frozen=True, slots=True)
class Reference:
    """A whole batch inside a segment: its id and how many events it brought."""

    batch_id: str
    count: int


@dataclass(frozen=True, slots=True)
class Segment:
    """One seal: whole batches in order, and what proves them.

    ``leaves`` holds one 32-byte leaf hash per event, in seq order. ``hash_before`` is
    hash(first_seq - 1), ``hash_after`` is hash(last_seq). ``kept_days`` is how long the journal
    keeps its batches, where the sealer knew it.
    """

    org: str
    first_seq: int
    references: tuple[Reference, ...]
    leaves: tuple[bytes, ...]
    hash_before: bytes
    hash_after: bytes
    sealed_at_ms: int
    kept_days: int | None = None

    @property
    def count(self) -> int:
        """How many events it seals (1 to 1,024)."""
        return len(self.leaves)

    @property
    def last_seq(self) -> int:
        """The seq of its last event."""
        return self.first_seq + self.count - 1

    @property
    def head(self) -> Head:
        """The ledger's head when this is its last segment."""
        return Head(self.last_seq, self.hash_after, self.sealed_at_ms)

    @property
    def first_seqs(self) -> dict[str, int]:
        """The first seq of each batch in it, by batch id."""
        seqs, seq = {}, self.first_seq
        for reference in self.references:
            seqs[reference.batch_id] = seq
            seq += reference.count
        return seqs


@dataclass(frozen=True, slots=True)
class Markers:
    """Which batches are sealed, by id: their first seqs.

    ``counts`` are how many markers the org has in each second (of Unix time) that the batches asked
    for were received in, where there are any: they tell whether one was added since.
    """

    first_seqs: Mapping[str, int]
    counts: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class SealedEvent:
    """An event with its place in the ledger. ``entry`` is its JSON, with sorted members.

    That is what was hashed, the canonical bytes; or, where these hold ciphertext and it was
    opened, ``sealed`` is what was hashed.
    """

    seq: int
    entry: bytes
    prev_hash: bytes
    hash: bytes
    sealed: bytes | None = None

    @property
    def hashed(self) -> bytes:
        """The canonical bytes that were hashed."""
        return self.entry if self.sealed is None else self.sealed

    @property
    def received_at_ms(self) -> int | None:
        """When ingestion received it, in Unix milliseconds; None if its id is not ingestion's."""
        batch = batch_of(canonical.parse(self.entry)["id"])
        return batch_time_ms(batch[0]) if batch else None

    def parse(self) -> dict[str, Any]:
        """Return the event's canonical fields, with those that the ledger adds."""
        digest = self.hash.hex()
        return canonical.parse(self.entry) | {
            "seq": self.seq,
            "prev_hash": self.prev_hash.hex(),
            "hash": digest,
            "lineage_hash": f"sha256:{digest}",
        }


def seal(
    org: str, head: Head, batches: Sequence[Batch], now_ms: int, kept_days: int | None = None
) -> tuple[Segment, list[SealedEvent]]:
    """Append batches to a ledger, as many as fit, at least one.

    Returns:
        The next segment, whose references are the first of the batches, and its events.
    """
    taken, count, seconds = 0, 0, set[int]()
    for batch in batches:
        seconds.add(batch_time_ms(batch.id) // 1000)
        full = count + batch.count > MAX_EVENTS_PER_SEGMENT
        if taken and (full or len(seconds) > MAX_SECONDS_PER_SEGMENT):
            break
        taken, count = taken + 1, count + batch.count
    entries = [entry for batch in batches[:taken] for entry in batch.entries]
    leaves = tuple(map(chain.leaf, entries))
    hashes = [head.hash, *chain.extend(head.hash, leaves)]
    segment = Segment(
        org=org,
        first_seq=head.seq + 1,
        references=tuple(Reference(batch.id, batch.count) for batch in batches[:taken]),
        leaves=leaves,
        hash_before=head.hash,
        hash_after=hashes[-1],
        sealed_at_ms=max(now_ms, head.sealed_at_ms),
        kept_days=kept_days,
    )
    return segment, _sealed(segment.first_seq, entries, hashes)


def verify(segment: Segment, entries: Sequence[bytes], expected_before: bytes) -> list[SealedEvent]:
    """Check every link and every entry of a segment, and return its events.

    ``entries`` are what the journal holds for the segment's references, in order;
    ``expected_before`` is hash(first_seq - 1), with which the segment before ends.

    Raises:
        IntegrityError: names the first seq whose stored bytes are not what was sealed.
    """

    def broken(seq: int, reason: str) -> IntegrityError:
        return IntegrityError(segment.org, seq, reason)

    if segment.hash_before != expected_before:
        raise broken(segment.first_seq, "the segment does not follow the one before it")
    if sum(reference.count for reference in segment.references) != segment.count:
        raise broken(segment.first_seq, "the segment's references and leaves differ in number")
    hashes = [segment.hash_before, *chain.extend(segment.hash_before, segment.leaves)]
    for place, (sealed_leaf, entry) in enumerate(zip(segment.leaves, entries, strict=False)):
        if chain.leaf(entry) != sealed_leaf:
            raise broken(segment.first_seq + place, "the event is not the one that was sealed")
    if len(entries) != segment.count:
        missing = segment.first_seq + min(len(entries), segment.count)
        raise broken(missing, "the journal holds another number of events than was sealed")
    if hashes[-1] != segment.hash_after:
        raise broken(segment.first_seq, "the segment's leaves do not lead to its hash")
    return _sealed(segment.first_seq, entries, hashes)


def _sealed(first_seq: int, entries: Sequence[bytes], hashes: Sequence[bytes]) -> list[SealedEvent]:
    return [
        SealedEvent(seq, entry, before, after)
        for seq, (entry, (before, after)) in enumerate(
            zip(entries, pairwise(hashes), strict=True), first_seq
        )
    ]
