"""The ledger table: key ``pk`` · ``sk`` (a number).

| pk | sk | holds |
|---|---|---|
| ``segment#<org>`` | first seq | references (18 bytes each), leaves (32 bytes each), hashes |
| ``marker#<org>`` | second of the batch ids | a set of 24 bytes per sealed batch: ULID, first seq |
| ``minute#<org>`` | minute | the first seq sealed in it |
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, override

from botocore.exceptions import ClientError

from tocsin.adapters.dynamodb._calls import batch_get, calls, cancellations, query
from tocsin.domain import ids
from tocsin.domain.chain import HASH_BYTES
from tocsin.domain.errors import HeadMoved
from tocsin.domain.segment import Head, Reference, Segment

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

from tocsin.ports import Ledger

__all__ = ["DynamoLedger", "org_of_segment"]

_ULID_BYTES = 16
_REFERENCE_BYTES = _ULID_BYTES + 2
_BATCH_GET_KEYS = 100


_SEGMENT = "segment#"


def org_of_segment(key: Mapping[str, Any]) -> str | None:
    """Return whose segment an item of the ledger table is, by its key; None for other kinds."""
    pk = str(key["pk"]["S"])
    return pk.removeprefix(_SEGMENT) if pk.startswith(_SEGMENT) else None


class DynamoLedger(Ledger):
    """:class:`~tocsin.ports.Ledger` on DynamoDB."""

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
        wanted = set(batch_ids)
        keys = [
            {"pk": {"S": f"marker#{org}"}, "sk": {"N": str(second)}}
            for second in sorted({_second(batch_id) for batch_id in wanted})
        ]
        items = batch_get(self._client, self._table, keys, _BATCH_GET_KEYS)
        markers = (_read_marker(marker) for item in items for marker in item["batches"]["BS"])
        return {batch_id: first_seq for batch_id, first_seq in markers if batch_id in wanted}

    @override
    def commit(self, segment: Segment, previous: Head) -> None:
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
                        "Key": {"pk": {"S": f"marker#{segment.org}"}, "sk": {"N": str(second)}},
                        "UpdateExpression": "ADD batches :markers",
                        "ExpressionAttributeValues": {":markers": {"BS": markers}},
                    }
                }
                for second, markers in _markers(segment).items()
            ),
        ]
        minute = segment.sealed_at_ms // 60_000
        if minute > previous.sealed_at_ms // 60_000:
            mark = {
                "pk": {"S": f"minute#{segment.org}"},
                "sk": {"N": str(minute)},
                "first_seq": {"N": str(segment.first_seq)},
            }
            items.append({"Put": {"TableName": self._table, "Item": mark}})
        try:
            with calls():
                self._client.transact_write_items(TransactItems=items)
        except ClientError as error:
            reasons = cancellations(error)
            if "ConditionalCheckFailed" in reasons or "TransactionConflict" in reasons:
                raise HeadMoved(f"{segment.org}: seq {segment.first_seq} is taken") from error
            raise

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
                ":pk": {"S": f"minute#{org}"},
                ":minute": {"N": str(minute)},
            },
            ConsistentRead=True,
        )
        return next((int(mark["first_seq"]["N"]) for mark in marks), None)

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
    }


def _segment(org: str, item: Mapping[str, Any]) -> Segment:
    references, leaves = item["references"]["B"], item["leaves"]["B"]
    return Segment(
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
    )


def _second(batch_id: str) -> int:
    return ids.batch_time_ms(batch_id) // 1000


def _markers(segment: Segment) -> dict[int, list[bytes]]:
    markers: dict[int, list[bytes]] = {}
    for batch_id, first_seq in segment.first_seqs.items():
        marker = ids.to_bytes(batch_id) + first_seq.to_bytes(8)
        markers.setdefault(_second(batch_id), []).append(marker)
    return markers


def _read_marker(marker: bytes) -> tuple[str, int]:
    batch_id = ids.from_bytes(marker[:_ULID_BYTES])
    return batch_id, int.from_bytes(marker[_ULID_BYTES:])
