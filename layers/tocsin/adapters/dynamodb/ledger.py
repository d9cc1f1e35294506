"""The ledger table: key ``pk`` · ``sk`` (a number).

| pk | sk | holds |
|---|---|---|
| ``segment#<org>`` | first seq | references (18 bytes each), leaves (32 bytes each), hashes |
| ``marker#<org>`` | second of the batch ids | a set of 24 bytes per sealed batch: ULID, first seq |
| ``minute#<org>`` | minute | the first seq sealed in it |
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, override

from tocsin.adapters.dynamodb._calls import batch_get, partition, query, transact, whole
from tocsin.domain import ids
from tocsin.domain.chain import HASH_BYTES
from tocsin.domain.errors import HeadMoved
from tocsin.domain.segment import Head, Markers, Reference, Segment

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

from tocsin.ports.log import Ledger

__all__ = ["PARTITIONS", "DynamoLedger", "segments_in"]

_ULID_BYTES = 16
_REFERENCE_BYTES = _ULID_BYTES + 2
_BATCH_GET_KEYS = 100

PARTITIONS: Final = ("segment#", "marker#", "minute#")
"""What the partition keys begin with, before the org."""

_SEGMENT, _MARKER, _MINUTE = PARTITIONS


def segments_in(records: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return the orgs of a stream's records of segments, each with the record's sequence number.

    The ledger table has other items, too.
    """
    changes = [record["dynamodb"] for record in records]
    return [
        (pk.removeprefix(_SEGMENT), change["SequenceNumber"])
        for change in changes
        if (pk := str(change["Keys"]["pk"]["S"])).startswith(_SEGMENT)
    ]


class DynamoLedger(Ledger):
    """:class:`~tocsin.ports.log.Ledger` on DynamoDB."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        """Use ``table``."""
        self._client = client
        self._table = table

    @override
    def head(self, org: str) -> Head:
        for item in self._segments(org, 1, "pk = :pk", {}, backwards=True):
            return _segment(org, item).head
        return Head.empty(org)

    @override
    def first_seqs(self, org: str, batch_ids: Iterable[str]) -> Mapping[str, int]:
        return self.markers(org, batch_ids).first_seqs

    @override
    def markers(self, org: str, batch_ids: Iterable[str]) -> Markers:
        wanted = set(batch_ids)
        keys = [
            {"pk": {"S": _MARKER + org}, "sk": {"N": str(second)}}
            for second in sorted({_second(batch_id) for batch_id in wanted})
        ]
        first_seqs: dict[str, int] = {}
        counts: dict[int, int] = {}
        for item in batch_get(self._client, self._table, keys, _BATCH_GET_KEYS):
            found = _read_markers(org, item)
            counts[int(item["sk"]["N"])] = len(found)
            first_seqs.update(each for each in found if each[0] in wanted)
        return Markers(first_seqs, counts)

    @override
    def all_markers(self, org: str) -> Iterator[tuple[str, int]]:
        for item in partition(self._client, self._table, _MARKER + org):
            yield from _read_markers(org, item)

    @override
    def all_marks(self, org: str) -> Iterator[tuple[int, int]]:
        for item in partition(self._client, self._table, _MINUTE + org):
            yield int(item["sk"]["N"]), _read_mark(org, item)

    @override
    def commit(
        self, segment: Segment, previous: Head, counts: Mapping[int, int] | None = None
    ) -> None:
        items: list[Any] = [
            {
                "Put": {
                    "TableName": self._table,
                    "Item": _item(segment),
                    "ConditionExpression": "attribute_not_exists(pk)",
                }
            },
            *(
                {
                    "Update": {
                        "TableName": self._table,
                        "Key": {"pk": {"S": _MARKER + segment.org}, "sk": {"N": str(second)}},
                        "UpdateExpression": "ADD batches :markers",
                        **_unless_added(markers, None if counts is None else counts.get(second, 0)),
                    }
                }
                for second, markers in _markers(segment).items()
            ),
        ]
        minute = segment.sealed_at_ms // 60_000
        if minute > previous.sealed_at_ms // 60_000:
            mark = {
                "pk": {"S": _MINUTE + segment.org},
                "sk": {"N": str(minute)},
                "first_seq": {"N": str(segment.first_seq)},
            }
            items.append({"Put": {"TableName": self._table, "Item": mark}})
        if not transact(self._client, items):
            raise HeadMoved(f"{segment.org}: seq {segment.first_seq} is taken")

    @override
    def segments(self, org: str, from_seq: int, limit: int) -> Sequence[Segment]:
        floor = self._segments(
            org, 1, "pk = :pk AND sk <= :seq", {":seq": {"N": str(from_seq)}}, backwards=True
        )
        found = [_segment(org, item) for item in floor]
        # Go on from the floor, not from the seq: it may have been sealed between the two queries.
        after = {":seq": {"N": str(found[0].first_seq if found else 0)}}
        found = [segment for segment in found if segment.last_seq >= from_seq]
        later = self._segments(org, limit - len(found), "pk = :pk AND sk > :seq", after)
        return [*found, *(_segment(org, item) for item in later)]

    @override
    def segments_before(self, org: str, until_seq: int, limit: int) -> Sequence[Segment]:
        until = {":seq": {"N": str(until_seq)}}
        found = self._segments(org, limit, "pk = :pk AND sk <= :seq", until, backwards=True)
        return [_segment(org, item) for item in found]

    @override
    def first_sealed(self, org: str, minute: int) -> int | None:
        marks = query(
            self._client,
            1,
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk >= :minute",
            ExpressionAttributeValues={
                ":pk": {"S": _MINUTE + org},
                ":minute": {"N": str(minute)},
            },
            ConsistentRead=True,
        )
        return next((_read_mark(org, mark) for mark in marks), None)

    def _segments(
        self,
        org: str,
        limit: int,
        condition: str,
        values: Mapping[str, Any],
        *,
        backwards: bool = False,
    ) -> Iterable[Mapping[str, Any]]:
        return query(
            self._client,
            limit,
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues={":pk": {"S": _SEGMENT + org}, **values},
            ScanIndexForward=not backwards,
            ConsistentRead=True,
        )


def _item(segment: Segment) -> dict[str, Any]:
    references = b"".join(
        ids.to_bytes(reference.batch_id) + reference.count.to_bytes(2)
        for reference in segment.references
    )
    return {
        "pk": {"S": _SEGMENT + segment.org},
        "sk": {"N": str(segment.first_seq)},
        "references": {"B": references},
        "leaves": {"B": b"".join(segment.leaves)},
        "hash_before": {"B": segment.hash_before},
        "hash_after": {"B": segment.hash_after},
        "sealed_at": {"N": str(segment.sealed_at_ms)},
        **({} if segment.kept_days is None else {"kept_days": {"N": str(segment.kept_days)}}),
    }


def _segment(org: str, item: Mapping[str, Any]) -> Segment:
    """Return a segment's item.

    Raises:
        IntegrityError: it is not one that :func:`_item` makes.
    """
    first_seq = math.floor(Decimal(item["sk"]["N"]))
    with whole(org, "the segment", first_seq):
        references, leaves = item["references"]["B"], item["leaves"]["B"]
        segment = Segment(
            org=org,
            first_seq=int(item["sk"]["N"]),
            references=tuple(
                Reference(
                    ids.from_bytes(references[at : at + _ULID_BYTES]),
                    int.from_bytes(references[at + _ULID_BYTES : at + _REFERENCE_BYTES]),
                )
                for at in range(0, len(references), _REFERENCE_BYTES)
            ),
            leaves=tuple(leaves[at : at + HASH_BYTES] for at in range(0, len(leaves), HASH_BYTES)),
            hash_before=item["hash_before"]["B"],
            hash_after=item["hash_after"]["B"],
            sealed_at_ms=int(item["sealed_at"]["N"]),
            kept_days=int(item["kept_days"]["N"]) if "kept_days" in item else None,
        )
        if not _is_possible(segment) or len(references) % _REFERENCE_BYTES:
            raise ValueError("a length, an id, a count or a time is none")
    return segment


def _is_possible(segment: Segment) -> bool:
    hashes = (*segment.leaves, segment.hash_before, segment.hash_after)
    return (
        segment.count > 0
        and all(len(each) == HASH_BYTES for each in hashes)
        and all(ids.is_batch_id(each.batch_id) and each.count for each in segment.references)
        and segment.sealed_at_ms >= 0
    )


def _second(batch_id: str) -> int:
    return ids.batch_time_ms(batch_id) // 1000


def _markers(segment: Segment) -> dict[int, list[bytes]]:
    markers: dict[int, list[bytes]] = {}
    for batch_id, first_seq in segment.first_seqs.items():
        marker = ids.to_bytes(batch_id) + first_seq.to_bytes(8)
        markers.setdefault(_second(batch_id), []).append(marker)
    return markers


def _unless_added(markers: list[bytes], count: int | None) -> dict[str, Any]:
    """Return what an update adds, and that it does so only to ``count`` markers; None: to any."""
    values: dict[str, Any] = {":markers": {"BS": markers}}
    if count is None:
        return {"ExpressionAttributeValues": values}
    if count == 0:
        condition = "attribute_not_exists(batches)"
    else:
        condition, values = "size(batches) = :count", values | {":count": {"N": str(count)}}
    return {"ConditionExpression": condition, "ExpressionAttributeValues": values}


def _read_markers(org: str, item: Mapping[str, Any]) -> list[tuple[str, int]]:
    with whole(org, "an item of markers"):
        return [
            (ids.from_bytes(marker[:_ULID_BYTES]), int.from_bytes(marker[_ULID_BYTES:]))
            for marker in item["batches"]["BS"]
        ]


def _read_mark(org: str, item: Mapping[str, Any]) -> int:
    with whole(org, "a minute's mark"):
        return int(item["first_seq"]["N"])
