"""The set-aside list in the state table."""

from collections.abc import Sequence
from typing import override

from botocore.exceptions import ClientError

from tocsin.adapters.dynamodb._calls import calls, condition_failed
from tocsin.adapters.dynamodb._state import StateTable, item_key, number
from tocsin.domain.set_aside import SetAsideItem
from tocsin.ports.log import SetAside

__all__ = ["DynamoSetAside"]


class DynamoSetAside(StateTable, SetAside):
    """:class:`~tocsin.ports.log.SetAside`: ``set-aside#<org>`` · batch id."""

    @override
    def add(self, item: SetAsideItem) -> bool:
        try:
            with calls():
                self._client.put_item(
                    TableName=self._table,
                    Item={
                        **item_key(f"set-aside#{item.org}", item.batch_id),
                        "reason": {"S": item.reason},
                        "at": number(item.at_ms),
                    },
                    ConditionExpression="attribute_not_exists(pk)",
                )
        except ClientError as error:
            if condition_failed(error):
                return False
            raise
        return True

    @override
    def all(self, org: str) -> Sequence[SetAsideItem]:
        return [
            SetAsideItem(org, item["sk"]["S"], item["reason"]["S"], int(item["at"]["N"]))
            for item in self._all(f"set-aside#{org}")
        ]
