"""All that the three tables hold of an org, for who removes it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from typing import TYPE_CHECKING, Any, Final, override

from tocsin.adapters.dynamodb._calls import calls, query, watched, whole
from tocsin.adapters.dynamodb._state import OF_ALL_ORGS, OF_AN_ORG
from tocsin.adapters.dynamodb.ledger import PARTITIONS
from tocsin.domain.errors import Busy
from tocsin.ports.orgs import Holdings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["DynamoHoldings"]

_KEYS_PER_WRITE: Final = 25
_MAX_ROUNDS: Final = 10

type _Key = Mapping[str, Any]


class DynamoHoldings(Holdings):
    """:class:`~tocsin.ports.orgs.Holdings` on DynamoDB."""

    def __init__(self, client: "DynamoDBClient", journal: str, ledger: str, state: str) -> None:
        """Name the tables."""
        self._client = watched(client)
        self._journal = journal
        self._ledger = ledger
        self._state = state

    @override
    def remove(self, org: str) -> Iterator[int]:
        # The journal first, so that the sweeper finds nothing to seal anew; and last what says how
        # many generations of projections there are.
        yield from self._removed(self._journal, "org", "batch", org)
        for kind in PARTITIONS:
            yield from self._removed(self._ledger, "pk", "sk", kind + org)
        generations = self._generations(org)
        for generation in reversed(range(generations)):
            name = f"{org}#{generation}" if generation else org
            for kind in sorted(OF_AN_ORG):
                yield from self._removed(self._state, "pk", "sk", f"{kind}#{name}")
            keys = [
                {"pk": {"S": kind}, "sk": {"S": name}} for kind in sorted(OF_ALL_ORGS - {"org"})
            ]
            yield from self._delete(self._state, [key for key in keys if self._is_there(key)])

    def _generations(self, org: str) -> int:
        """Return how many generations of projections there may be: one is made at a time."""
        item = self._item({"pk": {"S": "projected"}, "sk": {"S": org}})
        with whole(org, "the projections' cursor"):
            numbers = [int(item[name]["N"]) for name in ("generation", "making") if name in item]
        return max(numbers, default=0) + 1

    def _item(self, key: _Key) -> _Key:
        with calls():
            answer = self._client.get_item(TableName=self._state, Key=key, ConsistentRead=True)
        return answer.get("Item", {})

    def _is_there(self, key: _Key) -> bool:
        return bool(self._item(key))

    def _removed(self, table: str, partition: str, sort: str, value: str) -> Iterator[int]:
        items = query(
            self._client,
            TableName=table,
            KeyConditionExpression="#partition = :value",
            ProjectionExpression="#partition, #sort",
            ExpressionAttributeNames={"#partition": partition, "#sort": sort},
            ExpressionAttributeValues={":value": {"S": value}},
            ConsistentRead=True,
        )
        for keys in batched(items, _KEYS_PER_WRITE, strict=False):
            yield from self._delete(table, keys)

    def _delete(self, table: str, keys: Sequence[_Key]) -> Iterator[int]:
        left: Any = [{"DeleteRequest": {"Key": key}} for key in keys]
        for _ in range(_MAX_ROUNDS):
            if not left:
                break
            with calls():
                answer = self._client.batch_write_item(RequestItems={table: left})
            left = answer.get("UnprocessedItems", {}).get(table, [])
        if left:
            raise Busy("the store is throttling: begin again a little later")
        if keys:
            yield len(keys)
