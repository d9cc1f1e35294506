"""The stream service's stores in memory, and the real check of keys over them.

The journal keeps its batches packed, as the table does, so that a replay pays for unpacking and
for verifying, but not for DynamoDB.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.stream.events import ORG
from tocsin.domain.batch import Batch, StoredBatch, UnreadableBatch, pack, unpack
from tocsin.domain.keys import ApiKey
from tocsin.domain.org import Org
from tocsin.domain.segment import Head, Markers, Segment
from tocsin.ports.log import Journal

__all__ = ["Journal", "Keys", "Ledger", "Orgs"]


class Ledger:
    """The published part of the ledger; the parent counts its segments in ``published``."""

    def __init__(self, made: Sequence[tuple[Segment, Batch]], published: Any) -> None:
        self._segments = [segment for segment, _ in made]
        self._published = published

    def head(self, org: str) -> Head:
        """Return the head."""
        return self._segments[self._published.value - 1].head if org == ORG else Head.empty(org)

    def first_seqs(self, org: str, batch_ids: Any) -> Mapping[str, int]:
        """Return nothing: no event's id is a cursor here."""
        return {}

    def markers(self, org: str, batch_ids: Any) -> Markers:
        """Nothing is sealed here."""
        raise NotImplementedError

    def all_markers(self, org: str) -> Iterator[tuple[str, int]]:
        """Nobody verifies here."""
        raise NotImplementedError

    def all_marks(self, org: str) -> Iterator[tuple[int, int]]:
        """Nobody verifies here."""
        raise NotImplementedError

    def commit(
        self, segment: Segment, previous: Head, counts: Mapping[int, int] | None = None
    ) -> None:
        """Nothing is sealed here."""
        raise NotImplementedError

    def segments(self, org: str, from_seq: int, limit: int) -> Sequence[Segment]:
        """Return published segments."""
        first = bisect_left(self._segments, from_seq, key=lambda segment: segment.last_seq)
        return self._segments[first : min(first + limit, self._published.value)]

    def segments_before(self, org: str, until_seq: int, limit: int) -> Sequence[Segment]:
        """Return published segments, newest first."""
        first = bisect_left(self._segments, until_seq + 1, key=lambda segment: segment.first_seq)
        first = min(first, self._published.value)
        return self._segments[max(first - limit, 0) : first][::-1]

    def first_sealed(self, org: str, minute: int) -> int | None:
        """Nobody asks for a time here."""
        raise NotImplementedError


class Packed(Journal):
    """The batches of the ledger, packed."""

    def __init__(self, made: Sequence[tuple[Segment, Batch]]) -> None:
        self._packed = {batch.id: (batch, pack(batch.entries)) for _, batch in made}

    def put(self, batch: Batch, packed: bytes) -> None:
        """Nothing is received here."""
        raise NotImplementedError

    def get(self, org: str, batch_ids: Sequence[str]) -> Mapping[str, Batch | UnreadableBatch]:
        """Unpack and return batches by id."""
        return {id: self._unpacked(*self._packed[id]) for id in batch_ids}

    def between(self, org: str, after_id: str, until_id: str, limit: int) -> Sequence[StoredBatch]:
        """Nothing is swept here."""
        raise NotImplementedError

    def _unpacked(self, batch: Batch, packed: bytes) -> Batch:
        entries = unpack(packed, batch.count)
        return Batch(batch.org, batch.id, entries, batch.key_id, batch.received_at_ms)


class Keys:
    """The one key that there is."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key

    def get(self, org: str, key_id: str) -> ApiKey | None:
        """Return the key if it is the one asked for."""
        return self._key if (org, key_id) == (self._key.org, self._key.id) else None

    def put(self, key: ApiKey) -> None:
        """No key is made here."""
        raise NotImplementedError

    def all(self, org: str) -> Sequence[ApiKey]:
        """Return the key, whichever org asks."""
        return [self._key]


class Orgs:
    """The one org, as it is without settings."""

    def get(self, org: str) -> Org | None:
        """Return the org."""
        return Org(org)

    def put(self, org: Org) -> None:
        """No org is made here."""
        raise NotImplementedError

    def change(self, org: Org, was: Org | None) -> bool:
        """None is changed."""
        raise NotImplementedError

    def all(self) -> Sequence[Org]:
        """Return the org."""
        return [Org(ORG)]

    def swept_until(self, org: str) -> str:
        """Nothing is swept here."""
        raise NotImplementedError

    def set_swept_until(self, org: str, batch_id: str) -> None:
        """Nothing is swept here."""
        raise NotImplementedError
