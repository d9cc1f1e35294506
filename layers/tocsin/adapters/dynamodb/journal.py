"""The journal table: key ``org`` · ``batch``; one item per accepted request."""

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, override

from botocore.exceptions import ClientError

from tocsin.adapters.dynamodb._calls import batch_get, calls, condition_failed, query, watched
from tocsin.domain import batch as batches
from tocsin.domain import ids
from tocsin.domain.batch import Batch, StoredBatch, UnreadableBatch
from tocsin.domain.errors import Poison
from tocsin.domain.limits import RETENTION_DAYS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

from tocsin.ports.log import Journal

__all__ = ["DynamoJournal", "batch_of_image", "stored_batch"]

_DAY_SECONDS = 86_400
_BATCH_GET_KEYS = 25  # of up to 400 KB each; an answer ends at 16 MB


class DynamoJournal(Journal):
    """:class:`~tocsin.ports.log.Journal` on DynamoDB; items expire after ``retention_days``."""

    def __init__(
        self, client: "DynamoDBClient", table: str, retention_days: int = RETENTION_DAYS
    ) -> None:
        self._client = watched(client)
        self._table = table
        self._retention_seconds = retention_days * _DAY_SECONDS

    @override
    def put(self, batch: Batch, packed: bytes) -> None:
        try:
            with calls():
                self._client.put_item(**self.put_request(batch, packed))
        except ClientError as error:
            if not condition_failed(error):  # otherwise it is stored: by the SDK's retry, or a twin
                raise

    def put_request(self, batch: Batch, packed: bytes) -> Any:
        """Return the API's request that puts a batch, also as a part of a transaction."""
        return {
            "TableName": self._table,
            "Item": {
                "org": {"S": batch.org},
                "batch": {"S": batch.id},
                "entries": {"B": packed},
                "count": {"N": str(batch.count)},
                "key_id": {"S": batch.key_id},
                "received_at": {"N": str(batch.received_at_ms)},
                "expires_at": {"N": str(batch.received_at_ms // 1000 + self._retention_seconds)},
            },
            "ConditionExpression": "attribute_not_exists(org)",
        }

    @override
    def get(self, org: str, batch_ids: Sequence[str]) -> Mapping[str, Batch | UnreadableBatch]:
        # Batches sealed together were mostly received one after the other. A query over neighbours
        # is billed by the sum of their bytes, a get by each item's started 4 KB.
        wanted, items = set(batch_ids), list[dict[str, Any]]()
        if len(wanted) > 1:
            near = self._between(org, min(wanted), max(wanted), len(wanted), consistent=True)
            items += (item for item in near if item["batch"]["S"] in wanted)
        left = sorted(wanted - {item["batch"]["S"] for item in items})
        keys = [{"org": {"S": org}, "batch": {"S": batch_id}} for batch_id in left]
        items += batch_get(self._client, self._table, keys, _BATCH_GET_KEYS)
        return _Unpacked({item["batch"]["S"]: item for item in items})

    @override
    def between(self, org: str, after_id: str, until_id: str, limit: int) -> Sequence[StoredBatch]:
        first_id = after_id + "\0"  # the least string above it
        items = self._between(org, first_id, until_id, limit, consistent=False)
        return [stored_batch(item) for item in items]

    def _between(
        self, org: str, first_id: str, last_id: str, limit: int, *, consistent: bool
    ) -> Iterator[dict[str, Any]]:
        return query(
            self._client,
            limit,
            TableName=self._table,
            KeyConditionExpression="org = :org AND #batch BETWEEN :first AND :last",
            ExpressionAttributeNames={"#batch": "batch"},
            ExpressionAttributeValues={
                ":org": {"S": org},
                ":first": {"S": first_id},
                ":last": {"S": last_id},
            },
            ConsistentRead=consistent,
        )


class _Unpacked(Mapping[str, Batch | UnreadableBatch]):
    """Batches by id, each unpacked whenever it is asked for."""

    def __init__(self, items: Mapping[str, Mapping[str, Any]]) -> None:
        self._items = items

    def __getitem__(self, batch_id: str) -> Batch | UnreadableBatch:
        return batch_of_image(self._items[batch_id])

    @override
    def __contains__(self, batch_id: object) -> bool:  # a Mapping's would unpack it
        return batch_id in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


def stored_batch(image: Mapping[str, Any]) -> StoredBatch:
    """Return a journal item's batch without unpacking it; the rest is as for batch_of_image."""
    return StoredBatch(image["org"]["S"], image["batch"]["S"], partial(batch_of_image, image))


def batch_of_image(image: Mapping[str, Any]) -> Batch | UnreadableBatch:
    """Return the batch of a journal item, from the API or from a stream record in a Lambda event.

    Binary attributes are bytes in the one and base64 text in the other.
    """
    org, batch_id = image["org"]["S"], image["batch"]["S"]
    try:
        if not ids.is_name(org) or not ids.is_batch_id(batch_id):
            raise Poison("its key is not an org and a batch id")
        packed = image["entries"]["B"]
        if isinstance(packed, str):
            packed = b64decode(packed, validate=True)
        batch = Batch(
            org=org,
            id=batch_id,
            entries=batches.unpack(packed, int(image["count"]["N"])),
            key_id=image["key_id"]["S"],
            received_at_ms=int(image["received_at"]["N"]),
        )
        batches.check(batch)
    except (Poison, KeyError, TypeError, ValueError) as error:
        return UnreadableBatch(org, batch_id, f"{type(error).__name__}: {error}")
    return batch
