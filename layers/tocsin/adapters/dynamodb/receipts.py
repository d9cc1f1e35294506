"""Receipts of idempotency keys in the state table."""

from collections.abc import Mapping
from typing import Any, override

from botocore.exceptions import ClientError

from tocsin.adapters.dynamodb._calls import calls, condition_failed
from tocsin.adapters.dynamodb._state import StateTable, item_key, number
from tocsin.domain.receipt import Receipt
from tocsin.ports.intake import Receipts

__all__ = ["DynamoReceipts"]


class DynamoReceipts(StateTable, Receipts):
    """:class:`~tocsin.ports.intake.Receipts`: ``receipt#<org>`` · idempotency key."""

    @override
    def put(self, receipt: Receipt, now_ms: int, *, instead_of: str = "") -> Receipt:
        item: Any = {
            **item_key(f"receipt#{receipt.org}", receipt.key),
            "fingerprint": {"B": receipt.fingerprint},
            "batch_id": {"S": receipt.batch_id},
            "quota_left": number(receipt.quota_left),
            "expires_at": number(receipt.expires_at),
        }
        try:
            with calls():
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(pk) OR expires_at <= :now "
                    "OR batch_id = :instead_of",
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
    def find(self, org: str, key: str, now_ms: int) -> Receipt | None:
        item = self._get(f"receipt#{org}", key)
        if item is None or int(item["expires_at"]["N"]) <= now_ms // 1000:
            return None
        return _receipt(org, item)


def _receipt(org: str, item: Mapping[str, Any]) -> Receipt:
    return Receipt(
        org=org,
        key=item["sk"]["S"],
        fingerprint=item["fingerprint"]["B"],
        batch_id=item["batch_id"]["S"],
        quota_left=int(item["quota_left"]["N"]),
        expires_at=int(item["expires_at"]["N"]),
    )
