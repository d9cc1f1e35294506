"""Quotas in the state table."""

from os import urandom
from typing import Any, override

from botocore.exceptions import ClientError

from tocsin.adapters.dynamodb._calls import calls, condition_failed
from tocsin.adapters.dynamodb._state import StateTable, item_key, number
from tocsin.ports.intake import Quota

__all__ = ["DynamoQuota"]


class DynamoQuota(StateTable, Quota):
    """:class:`~tocsin.ports.intake.Quota`: ``quota#<org>`` · month.

    The SDK repeats what it got no answer to, and an addition to a counter must not be repeated. A
    reservation leaves its mark in the item, by which its repetition is known; where another one
    came between, the events count twice, and the limit still holds. Given back twice, it would not
    hold: that is tried once.
    """

    @override
    def reserve(self, org: str, month: str, events: int, limit: int) -> int | None:
        if events > limit:
            return None
        mine = urandom(8)
        try:
            with calls():
                answer: Any = self._client.update_item(
                    TableName=self._table,
                    Key=item_key(f"quota#{org}", month),
                    UpdateExpression="ADD used :events SET reservation = :mine",
                    ConditionExpression="attribute_not_exists(used) OR used <= :room"
                    " AND (attribute_not_exists(reservation) OR reservation <> :mine)",
                    ExpressionAttributeValues={
                        ":events": number(events),
                        ":room": number(limit - events),
                        ":mine": {"B": mine},
                    },
                    ReturnValues="UPDATED_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            item = answer["Attributes"]
        except ClientError as error:
            if not condition_failed(error):
                raise
            refusal: Any = error.response
            item = refusal["Item"]
            if item.get("reservation") != {"B": mine}:
                return None
        return limit - int(item["used"]["N"])

    @override
    def release(self, org: str, month: str, events: int) -> None:
        with calls(repeated=False):
            self._client.update_item(
                TableName=self._table,
                Key=item_key(f"quota#{org}", month),
                UpdateExpression="ADD used :back",
                ExpressionAttributeValues={":back": number(-events)},
            )

    @override
    def used(self, org: str, month: str) -> int:
        item = self._get(f"quota#{org}", month)
        return int(item["used"]["N"]) if item else 0
