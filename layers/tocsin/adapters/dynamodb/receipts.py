"""Receipts of idempotency keys, and of events with an identity, in the state table."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, override

from botocore.exceptions import ClientError

from tocsin.adapters.dynamodb._calls import batch_get, calls, condition_failed, transact
from tocsin.adapters.dynamodb._state import StateTable, item_key, number
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.domain.batch import Batch
from tocsin.domain.receipt import Receipt
from tocsin.ports.intake import Receipts

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["DynamoReceipts"]

_BATCH_GET_KEYS: Final = 100
_FREE: Final = "attribute_not_exists(pk) OR expires_at <= :now"


class DynamoReceipts(StateTable, Receipts):
    """:class:`~tocsin.ports.intake.Receipts`: ``receipt#<org>`` · key, beside a journal."""

    def __init__(self, client: "DynamoDBClient", table: str, journal: DynamoJournal) -> None:
        super().__init__(client, table)
        self._journal = journal

    @override
    def put(self, receipt: Receipt, now_ms: int, *, instead_of: str = "") -> Receipt:
        try:
            with calls():
                self._client.put_item(
                    TableName=self._table,
                    Item=_item(receipt),
                    ConditionExpression=f"{_FREE} OR batch_id = :instead_of",
                    ExpressionAttributeValues={
                        ":now": number(now_ms // 1000),
                        ":instead_of": {"S": instead_of},
                    },
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ClientError as error:
            if not condition_failed(error):
                raise
            refusal: Any = error.response
            return _receipt(receipt.org, refusal["Item"])  # our own, if the SDK has tried twice
        return receipt

    @override
    def put_with(
        self, receipts: Sequence[Receipt], batch: Batch, packed: bytes, now_ms: int
    ) -> bool:
        puts = [
            {
                "Put": {
                    "TableName": self._table,
                    "Item": _item(receipt),
                    "ConditionExpression": _FREE,
                    "ExpressionAttributeValues": {":now": number(now_ms // 1000)},
                }
            }
            for receipt in receipts
        ]
        return transact(self._client, [*puts, {"Put": self._journal.put_request(batch, packed)}])

    @override
    def find(self, org: str, key: str, now_ms: int) -> Receipt | None:
        item = self._get(f"receipt#{org}", key)
        if item is None or int(item["expires_at"]["N"]) <= now_ms // 1000:
            return None
        return _receipt(org, item)

    @override
    def find_all(self, org: str, keys: Sequence[str], now_ms: int) -> Mapping[str, Receipt]:
        wanted = [item_key(f"receipt#{org}", key) for key in keys]
        items = batch_get(self._client, self._table, wanted, _BATCH_GET_KEYS)
        found = [_receipt(org, item) for item in items]
        return {each.key: each for each in found if each.expires_at > now_ms // 1000}


def _item(receipt: Receipt) -> Any:
    return {
        **item_key(f"receipt#{receipt.org}", receipt.key),
        "fingerprint": {"B": receipt.fingerprint},
        "batch_id": {"S": receipt.batch_id},
        "quota_left": number(receipt.quota_left),
        "expires_at": number(receipt.expires_at),
    }


def _receipt(org: str, item: Mapping[str, Any]) -> Receipt:
    return Receipt(
        org=org,
        key=item["sk"]["S"],
        fingerprint=item["fingerprint"]["B"],
        batch_id=item["batch_id"]["S"],
        quota_left=int(item["quota_left"]["N"]),
        expires_at=int(item["expires_at"]["N"]),
    )
