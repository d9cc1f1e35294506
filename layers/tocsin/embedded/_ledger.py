"""The ledger in SQLite."""

import sqlite3
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, override

import orjson

from tocsin.domain.chain import HASH_BYTES
from tocsin.domain.errors import HeadMoved
from tocsin.domain.segment import Head, Markers, Reference, Segment
from tocsin.embedded._database import Database
from tocsin.ports.log import Ledger

__all__ = ["SqliteLedger"]

type _Marker = tuple[int, str, int]  # first seq, batch id, count


class SqliteLedger(Ledger):
    """:class:`~tocsin.ports.log.Ledger` on SQLite."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @override
    def head(self, org: str) -> Head:
        rows = self._db.query(
            "SELECT last_seq, hash_after, sealed_at_ms FROM tocsin_segment"
            " WHERE org = ? ORDER BY first_seq DESC LIMIT 1",
            org,
        )
        return Head(*rows[0]) if rows else Head.empty(org)

    @override
    def first_seqs(self, org: str, batch_ids: Iterable[str]) -> Mapping[str, int]:
        rows = self._db.query(
            "SELECT batch_id, first_seq FROM tocsin_marker"
            " WHERE org = ? AND batch_id IN (SELECT value FROM json_each(?))",
            *(org, orjson.dumps(list(batch_ids)).decode()),
        )
        return dict(rows)

    @override
    def markers(self, org: str, batch_ids: Iterable[str]) -> Markers:
        return Markers(self.first_seqs(org, batch_ids), {})

    @override
    def all_markers(self, org: str) -> Iterator[tuple[str, int]]:
        rows = self._db.query("SELECT batch_id, first_seq FROM tocsin_marker WHERE org = ?", org)
        return iter(rows)

    @override
    def all_marks(self, org: str) -> Iterator[tuple[int, int]]:
        rows = self._db.query(
            "SELECT minute, first_seq FROM tocsin_minute WHERE org = ? ORDER BY minute", org
        )
        return iter(rows)

    @override
    def commit(
        self, segment: Segment, previous: Head, counts: Mapping[int, int] | None = None
    ) -> None:
        org, first_seqs = segment.org, segment.first_seqs
        minute = segment.sealed_at_ms // 60_000
        with self._db.transaction():
            markers = [
                (org, each.batch_id, first_seqs[each.batch_id], each.count)
                for each in segment.references
            ]
            try:
                self._db.insert("tocsin_segment", [_row(segment)])
                self._db.insert("tocsin_marker", markers)
            except sqlite3.IntegrityError as error:
                raise HeadMoved(f"{org}: seq {segment.first_seq} is taken") from error
            if minute > previous.sealed_at_ms // 60_000:
                self._db.insert("tocsin_minute", [(org, minute, segment.first_seq)])

    @override
    def segments(self, org: str, from_seq: int, limit: int) -> Sequence[Segment]:
        rows = self._db.query(
            "SELECT * FROM tocsin_segment WHERE org = ?1 AND last_seq >= ?2 AND first_seq >="
            " coalesce((SELECT max(first_seq) FROM tocsin_segment"
            "           WHERE org = ?1 AND first_seq <= ?2), 0)"
            " ORDER BY first_seq LIMIT ?3",
            *(org, from_seq, limit),
        )
        return self._segments(org, rows)

    @override
    def segments_before(self, org: str, until_seq: int, limit: int) -> Sequence[Segment]:
        rows = self._db.query(
            "SELECT * FROM tocsin_segment WHERE org = ? AND first_seq <= ?"
            " ORDER BY first_seq DESC LIMIT ?",
            *(org, until_seq, limit),
        )
        return self._segments(org, rows[::-1])[::-1]

    @override
    def first_sealed(self, org: str, minute: int) -> int | None:
        rows = self._db.query(
            "SELECT first_seq FROM tocsin_minute WHERE org = ? AND minute >= ?"
            " ORDER BY minute LIMIT 1",
            *(org, minute),
        )
        return rows[0][0] if rows else None

    def _segments(self, org: str, rows: Sequence[tuple[Any, ...]]) -> Sequence[Segment]:
        """Return the segments of rows, which are in ascending order."""
        if not rows:
            return []
        markers: Sequence[_Marker] = self._db.query(  # what is sealed does not change meanwhile
            "SELECT first_seq, batch_id, count FROM tocsin_marker"
            " WHERE org = ? AND first_seq BETWEEN ? AND ? ORDER BY first_seq",
            *(org, rows[0][1], rows[-1][2]),
        )
        return [_segment(markers, *row) for row in rows]


def _row(segment: Segment) -> tuple[object, ...]:
    seqs, leaves = (segment.first_seq, segment.last_seq), b"".join(segment.leaves)
    hashes = (segment.hash_before, segment.hash_after)
    return (segment.org, *seqs, leaves, *hashes, segment.sealed_at_ms)


def _segment(
    markers: Sequence[_Marker],
    org: str,
    first_seq: int,
    last_seq: int,
    leaves: bytes,
    hash_before: bytes,
    hash_after: bytes,
    sealed_at_ms: int,
) -> Segment:
    start = bisect_left(markers, (first_seq,))
    end = bisect_left(markers, (last_seq + 1,))
    return Segment(
        org=org,
        first_seq=first_seq,
        references=tuple(Reference(batch_id, count) for _, batch_id, count in markers[start:end]),
        leaves=tuple(leaves[at : at + HASH_BYTES] for at in range(0, len(leaves), HASH_BYTES)),
        hash_before=hash_before,
        hash_after=hash_after,
        sealed_at_ms=sealed_at_ms,
    )
